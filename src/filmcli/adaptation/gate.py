"""The gate: adapted weights are used only if frames that taught nothing say that they are better.

Both questions are put to them. A network that is taught the cycle answers it better and better, by
frames half-way that need not be right; over the doubled gap it is judged by another motion than it
will make. docs/adaptation.md compares gates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

Scores = Sequence[Sequence[float]]
"""PSNR of held-out triplets in dB: a sequence for every question."""

_USUAL_SPREAD_DB = 0.05
"""Spread of the gains of a scene's triplets, as far as too few of them tell none."""


DIVERGED = "diverged"
"""The verdict on weights that are not numbers."""


def verdict(before: Scores, after: Scores, margin_db: float, errors: float) -> str:
    """Return in words why adapted weights must not be used; "" if they may.

    Scores in dB are of the same held-out triplets, question by question. They may if no question
    loses on the mean, and if the gain on the mean of all is at least `margin_db`, and more than so
    many of its own standard `errors`.
    """
    if not all(math.isfinite(score) for scores in after for score in scores):
        return DIVERGED
    gains = [
        [new - old for new, old in zip(*scores, strict=True)]
        for scores in zip(after, before, strict=True)
    ]
    mean, error = mean_and_error([fmean(of_triplet) for of_triplet in zip(*gains, strict=True)])
    if mean < margin_db:
        return "no gain on held-out frames"
    sure = mean > errors * error and min(map(fmean, gains)) >= 0
    return "" if sure else "no sure gain on held-out frames"


def mean_and_error(gains: Sequence[float]) -> tuple[float, float]:
    """Return the mean of `gains` and its standard error, both in dB."""
    mean = sum(gains) / len(gains)
    around = sum((gain - mean) ** 2 for gain in gains)
    spread = math.sqrt((_USUAL_SPREAD_DB**2 + around) / len(gains))
    return mean, spread / math.sqrt(len(gains))
