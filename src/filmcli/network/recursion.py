"""Midpoint trees: in which order the network makes the pictures of one interval.

FILM's own recursion makes a middle picture and goes on from there; the flow scaled by the phase
reaches any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple


class Step(NamedTuple):
    """One picture of an interval: at `target`, from the pictures at `left` and `right`.

    `left` and `right` are 0, 1, or the target of an earlier step; `phase` is the target's place
    between them, strictly between 0 and 1, and 1/2 for the midpoints of the recursion.
    """

    target: Fraction
    left: Fraction
    right: Fraction
    phase: Fraction


def midpoint_tree(phases: Sequence[Fraction], depth: int) -> list[Step]:
    """Plan the network's calls for all `phases` of one interval, each strictly between 0 and 1.

    `depth` times the interval that holds a phase is halved by making its middle picture (exact for
    1/2, 1/4, 3/4 ...); what remains is left to the flow scaled by the step's phase. Depth 0 makes
    every phase straight from the two sources. Steps that share both neighbours are adjacent, and
    a phase asked for twice is planned once.
    """
    steps: dict[Fraction, tuple[int, Step]] = {}
    for target in phases:
        left, right = Fraction(0), Fraction(1)
        for level in range(depth + 1):
            middle = (left + right) / 2
            if level == depth or target == middle:
                phase = (target - left) / (right - left)
                steps.setdefault(target, (level, Step(target, left, right, phase)))
                break
            steps.setdefault(middle, (level, Step(middle, left, right, Fraction(1, 2))))
            left, right = (left, middle) if target < middle else (middle, right)
    return [step for _, step in sorted(steps.values())]
