"""The gate: adapted weights are used only if frames that taught nothing say that they are better.

What is judged is what was not taught: a network that is taught the cycle answers it better and
better, by frames half-way that need not be right. docs/adaptation.md compares gates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from filmcli.adaptation.lessons import Questions

_USUAL_SPREAD_DB = 0.05
"""Spread of the gains of a scene's triplets, as far as too few of them tell none."""


DIVERGED = "diverged"
"""The verdict on weights that are not numbers."""


def judging(taught: Questions) -> Questions:
    """Return what to ask held-out frames of weights that were `taught`: what they were not."""
    if taught.doubled and taught.cycle:
        return Questions(1.0, 1.0)
    return Questions(0.0, 1.0) if taught.doubled else Questions(1.0, 0.0)


def verdict(
    before: Sequence[float], after: Sequence[float], margin_db: float, errors: float
) -> str:
    """Return in words why adapted weights must not be used; "" if they may.

    Scores in dB are of the same held-out triplets. They may if the mean gain is at least
    `margin_db`, and more than so many of its own standard `errors`.
    """
    if not all(map(math.isfinite, after)):
        return DIVERGED
    gains = [new - old for new, old in zip(after, before, strict=True)]
    mean, error = mean_and_error(gains)
    return "" if mean >= margin_db and mean > errors * error else "no gain on held-out frames"


def mean_and_error(gains: Sequence[float]) -> tuple[float, float]:
    """Return the mean of `gains` and its standard error, both in dB."""
    mean = sum(gains) / len(gains)
    around = sum((gain - mean) ** 2 for gain in gains)
    spread = math.sqrt((_USUAL_SPREAD_DB**2 + around) / len(gains))
    return mean, spread / math.sqrt(len(gains))
