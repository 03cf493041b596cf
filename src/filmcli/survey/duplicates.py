"""Repeated pictures: drawings held for two or three frames, pulldown, a frozen capture.

A picture repeats another if no block of it changed and its brightness did not move. Blocks, and
not the picture's mean: a mouth that opens in a still face is motion. Each picture is held against
the first of its run, so slow motion and slow fades do not creep through.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import cv2

from filmcli.frames import Planes
from filmcli.timing import COMMON_RATES

LONGEST_SECONDS = Fraction(1, 4)
"""From the first of a run to the next different picture; what is held longer is a still."""

_BLOCK_PX = 8
_BLOCK_LEVELS = 8.0
"""Mean change of a block, grey levels. Drawings on twos at 640x360, coded by x264 at crf 28 and by
MPEG-4 and MPEG-2, change by 2 to 10 where nothing moved, a mouth of 16x6 px by 43 and more."""
_SHIFT_LEVELS = 0.4
"""Change of the mean: a fade. Key frames of x265 shift it by up to 0.38."""


def find_repeats(
    pictures: Iterable[Planes], depth: int, times: Sequence[Fraction], cuts: Sequence[int]
) -> list[int]:
    """Return the pictures, rising, that repeat the one before and stand in for a missing one.

    `pictures` have samples of `depth` bits and stand at `times`; `cuts` begin new scenes. What is
    held for more than a quarter second is left out, and so is a run that no other picture of its
    scene follows: nothing moves on from there.
    """
    repeats: list[int] = []
    first, begun = 0, None
    starts = set(cuts)
    for index, planes in enumerate(pictures):
        if begun is not None and index not in starts and _is_repeat(begun, planes, depth):
            continue
        if index not in starts and times[index] - times[first] <= LONGEST_SECONDS:
            repeats.extend(range(first + 1, index))
        first, begun = index, planes
    return repeats


_LEAST_OF_A_KIND = 3
"""Of longer steps and of shorter ones: fewer in turn may be by chance."""


def even_repeats(times: Sequence[Fraction], rate: Fraction) -> list[Fraction]:
    """Rising `times` of distinct pictures, evened where their repeats are a rate's in a higher one.

    24 pictures a second in a film of `rate` 60 are shown for two and three frames by turns, in one
    of 30 every fourth for two. Where one common rate explains the times of a stretch, each within
    the frame that it is shown from, its pictures stand at that rate from the first of them on, less
    than a frame from where they were. Drawings that were held at will, and times that are not whole
    frames, stay.
    """
    places = [(time - times[0]) * rate for time in times]
    even = list(times)
    if any(place.denominator != 1 for place in places):
        return even
    marks = [place.numerator for place in places]
    cadences = [rate / slower for slower in COMMON_RATES]
    cadences = [cadence for cadence in cadences if cadence > 1 and cadence.denominator > 1]
    first = 0
    while first < len(marks) - 2 * _LEAST_OF_A_KIND:
        runs = [(*_run(marks, first, cadence), cadence) for cadence in cadences]
        length, _, cadence = max(runs, default=(0, Fraction(0), Fraction(1)))
        for index in range(1, length):
            even[first + index] = times[first] + index * cadence / rate
        first += max(1, length)
    return even


def _run(marks: Sequence[int], first: int, cadence: Fraction) -> tuple[int, Fraction]:
    """How many of `marks` from `first` on are whole numbers of one even grid, and how well.

    The second is minus the spread of what they were rounded by, below a whole; 0 marks where they
    are too few to tell.
    """
    low = high = 0
    longer = shorter = 0
    for at in range(first + 1, len(marks)):
        off = (marks[at] - marks[first]) * cadence.denominator - (at - first) * cadence.numerator
        if max(high, off) - min(low, off) >= cadence.denominator:
            break
        low, high = min(low, off), max(high, off)
        if marks[at] - marks[at - 1] > cadence:
            longer += 1
        else:
            shorter += 1
    if min(longer, shorter) < _LEAST_OF_A_KIND:
        return 0, Fraction(0)
    return 1 + longer + shorter, Fraction(low - high, cadence.denominator)


def _is_repeat(left: Planes, right: Planes, depth: int) -> bool:
    """Whether no block of any plane changed by more than a codec changes it."""
    level = float(1 << (depth - 8))
    for a, b in zip(left, right, strict=True):
        if abs(cv2.mean(a)[0] - cv2.mean(b)[0]) > _SHIFT_LEVELS * level:
            return False
        blocks = cv2.boxFilter(cv2.absdiff(a, b), cv2.CV_32F, (_BLOCK_PX, _BLOCK_PX))
        if float(blocks.max()) > _BLOCK_LEVELS * level:
            return False
    return True
