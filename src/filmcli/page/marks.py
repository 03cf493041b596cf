"""What is known of each frame of a result: how it came to be, where scenes change."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of frame: the letter that stands for it, its colour on the page, what it is."""

    letter: str
    colour: str
    name: str


PLANNED = (
    Kind("k", "--kept", "kept"),
    Kind("m", "--made", "made"),
    Kind("h", "--held", "held"),
)
"""What a plan knows of its frames; the letters are the first ones of its words."""

TIMED = (
    Kind("k", "--kept", "at a source frame's time"),
    Kind("m", "--made", "between two source frames"),
)
"""What the times alone tell."""

_NEAR_SECONDS = Fraction(1, 1000)
"""A tick of Matroska's clock: times so near are one."""


class Clock(NamedTuple):
    """The result's time `result` is the source's `source`; the result is `slow` times slower."""

    result: Fraction = Fraction(0)
    source: Fraction = Fraction(0)
    slow: Fraction = Fraction(1)


class Marks(NamedTuple):
    """The marks of a result: a letter of `legend` a frame, and the first frames of new scenes."""

    kinds: str
    legend: Sequence[Kind]
    cuts: Sequence[int]
    clock: Clock = Clock()


def timed_marks(
    source: Sequence[Fraction], result: Sequence[Fraction], cuts: Sequence[Fraction]
) -> Marks:
    """What the rising times of two films on one clock tell, and where the source was cut.

    All times are in seconds. `source` and `result` hold one at least.
    """
    near = (
        any(abs(time - other) <= _NEAR_SECONDS for other in _beside(source, time))
        for time in result
    )
    kinds = "".join("k" if is_near else "m" for is_near in near)
    firsts = (bisect_left(result, cut - _NEAR_SECONDS) for cut in cuts)
    return Marks(kinds, TIMED, [first for first in firsts if 0 < first < len(result)])


def _beside(times: Sequence[Fraction], time: Fraction) -> Sequence[Fraction]:
    after = bisect_right(times, time)
    return times[max(0, after - 1) : after + 1]
