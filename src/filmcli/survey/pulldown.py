"""Film that is shown for three fields and two by turns: its pictures get their own even times back.

A DVD keeps cinema film as it is, 23.976 pictures a second, and asks the player to show each for
three fields of a 59.94 Hz screen, then two (soft telecine). The camera knew nothing of that: what
moves evenly in the pictures would speed up and slow down twelve times a second between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

_FIELD = Fraction(1001, 60000)
_LEAST_STEPS = 7
"""Fewer in turn may be by chance."""


def even_pulldown(times: Sequence[Fraction], tick: Fraction) -> list[Fraction]:
    """Rising `times` in seconds, evened wherever steps of three fields and of two take turns.

    Every second picture moves to the middle between its neighbours, by half a field, 8.4 ms;
    `tick` is what the container rounds to.
    """
    even = list(times)
    for first, last in _runs(times, tick):
        for at in range(first + 1, last, 2):
            even[at] = (times[at - 1] + times[at + 1]) / 2
        if (last - first) % 2:
            even[last] = 2 * even[last - 1] - even[last - 2]
    return even


def _runs(times: Sequence[Fraction], tick: Fraction) -> Iterator[tuple[int, int]]:
    """First and last picture of every stretch in which steps of three and two fields take turns."""
    first, before = 0, 0
    for at in range(1, len(times) + 1):
        fields = _fields(times[at] - times[at - 1], tick) if at < len(times) else 0
        if fields + before == 5:
            before = fields
            continue
        if at - 1 - first >= _LEAST_STEPS:
            yield first, at - 1
        first, before = (at - 1, fields) if fields else (at, 0)


def _fields(step: Fraction, tick: Fraction) -> int:
    """How many fields a step takes, if two or three; else 0."""
    fields = round(step / _FIELD)
    is_near = abs(step - fields * _FIELD) <= min(2 * tick, _FIELD / 4)
    return fields if fields in (2, 3) and is_near else 0
