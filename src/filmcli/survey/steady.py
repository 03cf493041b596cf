"""Times that a container rounded, put back on the even grid they come from."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from filmcli.timing import COMMON_RATES, integers


def steady(
    times: Sequence[Fraction], tick: Fraction, nominal: Fraction | None = None
) -> list[Fraction]:
    """Put times that lie within one tick of an exact even grid back on it; leave others untouched.

    `times` strictly increase, in seconds; `tick` is the container's time base (Matroska: 1/1000,
    where 23.976 fps is stored as 0, 42, 83, 125 ms); `nominal` is the rate the file claims, a hint
    that counts only if it fits. Missing frames stay missing. The first time never moves.
    """
    times = list(times)
    if len(times) < 2:
        return times
    *marks, tick_marks, second = integers([*times, tick])
    average = Fraction(len(times) - 1) / (times[-1] - times[0])
    for rates in (_plain_rates(nominal), _odd_rates(average)):
        fits = [_fit(marks, second, tick_marks, rate) for rate in rates]
        # Exact beats rounded (errors within one tick) beats jittered; then the rates' order.
        best = min(filter(None, fits), key=lambda fit: min(2, ceil(fit.spread)), default=None)
        if best is not None:
            origin, step, second = integers([times[0], 1 / best.rate])
            return [Fraction(origin + place * step, second) for place in best.places]
    return times


class _Fit(NamedTuple):
    """A grid that explains the times: whole steps from the first, spread of the errors in ticks."""

    rate: Fraction
    places: list[int]
    spread: Fraction


def _plain_rates(nominal: Fraction | None) -> list[Fraction]:
    """The common rates, led by the one that `nominal` means (to 1e-5: 2997/125 is 24000/1001)."""
    if not nominal:
        return list(COMMON_RATES)
    meant = [rate for rate in COMMON_RATES if abs(rate / nominal - 1) < Fraction(1, 100_000)]
    return [*meant, nominal, *COMMON_RATES]


def _odd_rates(average: Fraction) -> list[Fraction]:
    """Round numbers near the average rate, and the average itself."""
    return [*filter(None, (average.limit_denominator(most) for most in (1, 100, 1001))), average]


def _fit(marks: Sequence[int], second: int, tick: int, rate: Fraction) -> _Fit | None:
    """Try one grid through marks[0]; None if a time is more than a tick off or most steps skip.

    A tick above a third of the step would put any times on a grid, so such grids are refused.
    """
    # One unit is 1/(second * numerator) of a second: the grid's step and all errors are integers.
    step, limit = rate.denominator * second, tick * rate.numerator
    if 3 * limit > step:
        return None
    places, low, high, single = [0], 0, 0, 0
    for mark in marks[1:]:
        units = (mark - marks[0]) * rate.numerator
        place = (2 * units + step) // (2 * step)
        error = units - place * step
        if not -limit <= error <= limit or place <= places[-1]:
            return None  # a wrong rate drifts off within some fifty frames, so this is cheap
        single += place == places[-1] + 1
        low, high = min(low, error), max(high, error)
        places.append(place)
    if 2 * single < len(places) - 1:
        return None
    return _Fit(rate, places, Fraction(high - low, limit))
