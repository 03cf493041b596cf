"""The gate: adapted weights are used only if frames that taught nothing say that they are better.

Both questions are put to them. A network that is taught the cycle answers it better and better, by
frames half-way that need not be right; over the doubled gap it is judged by another motion than it
will make. docs/adaptation.md compares gates.

Decibels may rise where a picture gets softer than it should be, so what it looks like counts too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

ByQuestion = Sequence[Sequence[float]]
"""What was found of held-out triplets: a sequence for every question."""


class Scores(NamedTuple):
    """PSNR of held-out triplets in dB, and how different from the truth they look, from 0.

    Without a judge of looks there are no `distances`.
    """

    psnr: ByQuestion
    distances: ByQuestion = ()


_USUAL_SPREAD_DB = 0.05
"""Spread of the gains of a scene's triplets, as far as too few of them tell none."""


_WORSE = 1.01
"""How many times as different they may look: less is seen by nobody."""

DIVERGED = "diverged"
"""The verdict on weights that are not numbers."""


def verdict(before: Scores, after: Scores, margin_db: float, errors: float) -> str:
    """Return in words why adapted weights must not be used; "" if they may.

    Both are of the same held-out triplets. They may if no question loses on the mean, if the gain
    on the mean of all is at least `margin_db`, and more than so many of its own standard `errors`,
    and if the answers to no question look worse.
    """
    if not all(math.isfinite(score) for scores in after.psnr for score in scores):
        return DIVERGED
    gains = [
        [new - old for new, old in zip(*scores, strict=True)]
        for scores in zip(after.psnr, before.psnr, strict=True)
    ]
    mean, error = mean_and_error([fmean(of_triplet) for of_triplet in zip(*gains, strict=True)])
    if mean < margin_db:
        return "no gain on held-out frames"
    if mean <= errors * error or min(map(fmean, gains)) < 0:
        return "no sure gain on held-out frames"
    looks = zip(before.distances, after.distances, strict=True)
    well = all(fmean(new) <= _WORSE * fmean(old) for old, new in looks)
    return "" if well else "held-out frames look worse"


def mean_and_error(gains: Sequence[float]) -> tuple[float, float]:
    """Return the mean of `gains` and its standard error, both in dB."""
    mean = sum(gains) / len(gains)
    around = sum((gain - mean) ** 2 for gain in gains)
    spread = math.sqrt((_USUAL_SPREAD_DB**2 + around) / len(gains))
    return mean, spread / math.sqrt(len(gains))
