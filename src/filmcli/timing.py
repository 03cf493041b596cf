"""The exact timeline: target rates, the output grid.

A film is pictures at exact times (`Fraction` seconds). Over it lies a new, even grid: output k
stands at t[0] + k/F for k in [0, N), N = max(1, floor(D*F + 1/2)), where D reaches to the end of
the last picture's display. A grid time that coincides with a source picture keeps it; one between
two pictures of a scene is made at its true phase; one inside an interval across a cut, inside a
still of more than a quarter second, or after the last picture holds the picture before it.
Constant and variable rates are one case. No float ever touches a time.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise
from math import ceil, floor, lcm
from typing import Literal, NamedTuple

from filmcli.errors import InputError, UsageError

MAX_RATE = 1000
"""Frames per second above which a target is a typing error."""

_FINEST = 1_001_000
"""No number in a rate may be larger: ffmpeg would take another rate without a word."""
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
_RATE = re.compile(f"(?P<over>{_NUMBER})(?:/(?P<under>{_NUMBER}))?(?P<times>x?)")
_TELEVISION = Fraction(1000, 1001)
COMMON_RATES = (
    *(Fraction(n) * _TELEVISION for n in (24, 30, 60, 48, 120, 15, 12)),
    *(Fraction(n) for n in (24, 25, 30, 50, 60, 48, 120, 100, 15, 12, 10, 144, 240, 8, 5, 90, 72)),
    Fraction(25, 2),
)
# In this order where times in ticks cannot tell two apart: 23.976 before 24, because a film of
# 40 frames in milliseconds fits both, and films in such containers are mostly 23.976.


class Rate(NamedTuple):
    """A target rate as the user said it: frames per second, or a multiple of the source's."""

    value: Fraction
    relative: bool

    def of(self, source: Fraction) -> Fraction:
        """Return target frames per second for a source of `source` fps; UsageError above 1000.

        A multiple is brought to a fraction that ffmpeg holds.
        """
        rate = self.value * source if self.relative else self.value
        if rate > MAX_RATE:
            raise UsageError(
                f"a target of {spell_rate(rate)} fps is too high",
                f"{spell_rate(self.value)} times {spell_rate(source)} is above {MAX_RATE}",
                "give a smaller --fps",
            )
        if _is_held(rate):
            return rate
        return rate.limit_denominator(_FINEST // MAX_RATE) or Fraction(1, _FINEST)


def parse_rate(text: str) -> Rate:
    """Read `60`, `60000/1001`, `59.94` (means 60000/1001), `2x` or `2.5x`; UsageError otherwise.

    A decimal that is a television rate N*1000/1001 rounded to its own digits means that rate.
    """
    said = _RATE.fullmatch(text.strip().lower())
    under = Fraction(said["under"] or 1) if said else Fraction(0)
    if said is None or under == 0:
        raise _bad_rate(text, "it is not a positive number, a fraction or a multiple")
    value = Fraction(said["over"]) / under
    if not 0 < value <= MAX_RATE:
        raise _bad_rate(text, f"it is not above 0 and at most {MAX_RATE}")
    if said["times"]:
        return Rate(value, True)
    if "." in said["over"] and not said["under"]:
        value = _television_rate(value, digits=len(said["over"].partition(".")[2]))
    if not _is_held(value):
        raise _bad_rate(text, f"as a fraction it has a number above {_FINEST}")
    return Rate(value, False)


def _is_held(rate: Fraction) -> bool:
    return max(rate.numerator, rate.denominator) <= _FINEST


def _bad_rate(text: str, why: str) -> UsageError:
    what = f"cannot use {text[:40]!r} as a frame rate"
    return UsageError(what, why, "give --fps like 60, 60000/1001, 59.94 or 2x")


def _television_rate(value: Fraction, digits: int) -> Fraction:
    """N*1000/1001 if `value`, no integer itself, is that number rounded to `digits` decimals."""
    exact = round(value / _TELEVISION) * _TELEVISION
    rounds_to_it = abs(value - exact) * 2 * 10**digits <= 1
    return exact if value.denominator > 1 and rounds_to_it else value


def spell_rate(rate: Fraction) -> str:
    """Return frames per second as people write it, at most three decimals: 60, 59.94, 23.976."""
    return f"{float(rate):.3f}".rstrip("0").rstrip(".")


def parse_clock(text: str) -> Fraction:
    """Read seconds or [h:]m:s, decimals allowed in the last part; ValueError for anything else."""
    if not re.fullmatch(rf"(?:[0-9]{{1,6}}:){{0,2}}{_NUMBER}", text.strip()):
        raise ValueError(f"{text[:40]!r} is no time")
    total = Fraction(0)
    for part in text.strip().split(":"):
        total = total * 60 + Fraction(part)
    return total


def source_rate(times: Sequence[Fraction], last_duration: Fraction) -> Fraction:
    """Return the source's frames per second: exact for an even grid, with few exceptions.

    For variable rates the average n/D, to a denominator of at most 1001, which every muxer takes:
    only the spelling `2x` depends on it, never the place of a picture.
    """
    if len(times) == 1:
        return (1 / last_duration).limit_denominator(1001) or 1 / last_duration
    *marks, second = integers(times)
    steps = [b - a for a, b in pairwise(marks)]
    step = min(steps)
    if 2 * steps.count(step) >= len(steps) and all(s % step == 0 for s in steps):
        return Fraction(second, step)
    usual, count = Counter(steps).most_common(1)[0]
    if 10 * count >= 9 * len(steps):  # a gap in an even film makes its rate no other
        return Fraction(second, usual)
    average = len(times) / (times[-1] + last_duration - times[0])
    return average.limit_denominator(1001) or average


def integers(times: Sequence[Fraction]) -> list[int]:
    """Return the times as integers in a common unit, and last how many units make a second."""
    second = lcm(*{time.denominator for time in times})
    return [*(time.numerator * (second // time.denominator) for time in times), second]


class Slot(NamedTuple):
    """What one output picture shows.

    `keep` and `hold` show source picture `left` itself (phase 0); `make` lies between `left` and
    `left + 1` at `phase`, strictly between 0 and 1.
    """

    kind: Literal["keep", "make", "hold"]
    left: int
    phase: Fraction


class Outer(NamedTuple):
    """How far the pictures beside an interval are: one before its left, one after its right.

    In intervals; None for one that says nothing about the motion in it.
    """

    before: Fraction | None = None
    after: Fraction | None = None


_MOST_UNLIKE = 2
"""Pictures beside an interval count from 1/2 to so many intervals away: a missing picture makes
one interval twice its neighbours. Nearer, an error in the flow counts for more, divided by the
distance; farther, the motion has had time to follow another law."""


def outer_distance(beside: Fraction | int, interval: Fraction | int) -> Fraction | None:
    """Return the length of the interval beside one, in lengths of that; None if too unlike it."""
    alike = beside <= _MOST_UNLIKE * interval and interval <= _MOST_UNLIKE * beside
    return Fraction(beside, interval) if alike else None


class _Grid(NamedTuple):
    """The timeline in integers, `second` units to a second."""

    marks: list[int]  # the source's times, and the end of the last picture's display
    first: int  # the first output
    second: int
    step: int  # between two outputs
    still: int  # intervals above this hold their left picture


_ZERO = Fraction(0)


@lru_cache(maxsize=4096)
def _phase(past: int, width: int) -> Fraction:
    # Constant rates repeat their phases; reducing a fraction costs more than the rest of a slot.
    return Fraction(past, width)


@dataclass(frozen=True)
class Timeline:
    """The output grid of `rate` frames per second over a source.

    `times` strictly increase (seconds); `last_duration` > 0 is how long the last picture is shown;
    `cuts` holds the index of the first picture of every scene but the first. `start`, the place of
    the first output, is that of the first picture unless it is given, and nothing is shown from
    `end` on; pictures outside are only neighbours. Raises InputError for times that no real film
    has.
    """

    times: Sequence[Fraction]
    last_duration: Fraction
    rate: Fraction
    cuts: frozenset[int] = frozenset()
    start: Fraction | None = None
    end: Fraction | None = None

    def __post_init__(self) -> None:
        if not self.times:
            raise InputError("the film has no pictures", "nothing decoded", "check the file")
        if self.rate <= 0 or self.last_duration <= 0:
            raise ValueError("the rate and the last picture's duration must be positive")
        if any(not 0 < cut < len(self.times) for cut in self.cuts):
            raise ValueError("a cut must be the index of a picture, and not of the first")
        steps = [b - a for a, b in pairwise(self._grid.marks)]
        if min(steps) <= 0:
            raise ValueError("the times must strictly increase")
        if self.time(0) < self.times[0] or self.duration <= 0:
            raise ValueError("the outputs must begin at the first picture or later, before the end")
        _check_plausible(max(steps[:-1], default=0) / self._grid.second, self.duration, len(steps))

    @cached_property
    def _grid(self) -> _Grid:
        *marks, second = integers([*self.times, self.times[-1] + self.last_duration, self.time(0)])
        finer = lcm(second, self.rate.numerator) // second
        *marks, first = [mark * finer for mark in marks]
        second *= finer
        steps = sorted(b - a for a, b in pairwise(marks[:-1])) or [0]
        # The lower median: of two intervals, the longer is the still.
        still = max(second // 4, 3 * steps[(len(steps) - 1) // 2])
        return _Grid(
            marks, first, second, second * self.rate.denominator // self.rate.numerator, still
        )

    @property
    def duration(self) -> Fraction:
        """Seconds from the first output to the end of the last picture's display, or to `end`."""
        shown_until = self.times[-1] + self.last_duration
        return min(shown_until, self.end or shown_until) - self.time(0)

    @cached_property
    def count(self) -> int:
        """Output pictures: within half an output frame of the duration, at least one."""
        return max(1, floor(self.duration * self.rate + Fraction(1, 2)))

    @property
    def shown(self) -> tuple[int, int]:
        """The half-open range of source pictures that are on screen in the outputs' time."""
        end = self.time(0) + self.duration
        return bisect_right(self.times, self.time(0)) - 1, bisect_left(self.times, end)

    @property
    def scenes(self) -> int:
        """How many scenes the outputs show."""
        first, last = self.shown
        return 1 + sum(first < cut < last for cut in self.cuts)

    def time(self, k: int) -> Fraction:
        """Return the exact time of output `k`, in seconds on the source's clock."""
        return (self.times[0] if self.start is None else self.start) + k / self.rate

    def slots(self, first: int, last: int) -> Iterator[Slot]:
        """Yield what outputs `first` <= k < `last` show; 0 <= first <= last <= count."""
        if not 0 <= first <= last <= self.count:
            raise ValueError(f"outputs {first} to {last} are not all in 0 to {self.count}")
        marks, step = self._grid.marks, self._grid.step
        mark = self._grid.first + first * step
        left = bisect_right(marks, mark) - 1
        for _ in range(first, last):
            while marks[left + 1] <= mark:
                left += 1
            yield self._slot(left, mark)
            mark += step

    def _slot(self, left: int, mark: int) -> Slot:
        """What is shown at `mark`, which lies in the display time of source picture `left`."""
        marks, step, second = self._grid.marks, self._grid.step, self._grid.second
        past, ahead = mark - marks[left], marks[left + 1] - mark
        width = past + ahead
        is_last = left == len(marks) - 2
        holds = self._holds(left)
        # Where nothing is made, only a true coincidence may show the next picture early: 2 % of a
        # ten-second still would be 0.2 s.
        if _coincides(past, width, step, second) or (not holds and _is_near(past, width, step)):
            return Slot("keep", left, _ZERO)
        if not is_last and (
            _coincides(ahead, width, step, second) or (not holds and _is_near(ahead, width, step))
        ):
            return Slot("keep", left + 1, _ZERO)
        return Slot("hold", left, _ZERO) if holds else Slot("make", left, _phase(past, width))

    def _holds(self, left: int) -> bool:
        """True if nothing is made between source picture `left` and what follows it."""
        marks = self._grid.marks
        is_last = left == len(marks) - 2
        return is_last or left + 1 in self.cuts or marks[left + 1] - marks[left] > self._grid.still

    def outer(self, left: int) -> Outer:
        """Say which pictures beside the interval from source picture `left` on, a made one, count.

        They are of its scene, no still lies between, and the distance is an `outer_distance`.
        """
        return Outer(self._distance(left - 1, left), self._distance(left + 1, left))

    def _distance(self, beside: int, left: int) -> Fraction | None:
        if beside < 0 or self._holds(beside):
            return None
        marks = self._grid.marks
        return outer_distance(marks[beside + 1] - marks[beside], marks[left + 1] - marks[left])

    def first_showing(self, picture: int) -> int:
        """Return the first output to show source picture `picture` or a later one, or `count`."""
        k = max(0, min(self.count, ceil((self.times[picture] - self.time(0)) * self.rate)))
        while k > 0 and next(self.slots(k - 1, k)).left >= picture:
            k -= 1
        return k


def _coincides(distance: int, width: int, step: int, second: int) -> bool:
    """Less than 1 ms apart (Matroska's tick), an eighth of the interval, and half of a `step`.

    So at the highest rates too a source picture stands in one output only.
    """
    return distance * 1000 < second and distance * 8 < width and distance * 2 < step


def _is_near(distance: int, width: int, step: int) -> bool:
    """So near that nobody sees it: 2 % of the interval, and a tenth of a `step` of the output."""
    return distance * 50 < width and distance * 10 < step


def _check_plausible(longest: float, duration: Fraction, pictures: int) -> None:
    if longest > 600:
        why = f"two neighbouring pictures are {longest / 60:.0f} minutes apart"
    elif duration > 24 * 3600 and pictures < duration:
        why = f"{pictures} pictures claim to last {float(duration) / 3600:.0f} hours"
    else:
        return
    raise InputError(
        "the film's timestamps are broken", why, "rewrite them first: ffmpeg -i IN -c copy OUT.mkv"
    )
