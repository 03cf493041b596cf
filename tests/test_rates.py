"""Every rate of film and television to every target, as the planner sees them."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest

from filmcli.pipeline.segments import segments
from filmcli.survey.steady import steady
from filmcli.timing import Timeline, parse_rate, source_rate

SOURCES = ("23.976", "24", "25", "29.97", "30", "47.952", "48", "50", "59.94", "60")
TARGETS = ("48", "50", "59.94", "60", "119.88", "120", "144")
TICKS = [Fraction(1, 1000), Fraction(1, 90_000), Fraction(1, 600)]  # Matroska, TS, QuickTime
SECONDS = 10
PAIRS = [*product(SOURCES, TARGETS)]


def rate_of(text: str) -> Fraction:
    return parse_rate(text).value


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_pair_of_rates_shows_every_time_in_its_place(source: str, target: str) -> None:
    rate, goal = rate_of(source), rate_of(target)
    times = [k / rate for k in range(int(SECONDS * rate))]
    for tick in TICKS:
        stored = [round(time / tick) * tick for time in times]
        assert steady(stored, tick, rate) == times
    timeline = Timeline(times, 1 / rate, goal)
    assert source_rate(times, 1 / rate) == rate
    assert abs(timeline.count / goal - len(times) / rate) <= 1 / (2 * goal)
    for k, slot in enumerate(timeline.slots(0, timeline.count)):
        now = k / goal
        assert timeline.time(k) == now
        if slot.kind == "make":
            assert (slot.left + slot.phase) / rate == now
        elif slot.kind == "keep":
            assert abs(slot.left / rate - now) <= max(Fraction(1, 1000), 1 / (50 * rate))
        else:
            assert slot.left == len(times) - 1 and now > times[-1]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_picture_that_stands_on_the_grid_is_kept(source: str, target: str) -> None:
    rate, goal = rate_of(source), rate_of(target)
    times = [k / rate for k in range(int(SECONDS * rate))]
    timeline = Timeline(times, 1 / rate, goal)
    kept = {s.left for s in timeline.slots(0, timeline.count) if s.kind == "keep"}
    on_grid = {k for k in range(len(times)) if (k / rate * goal).denominator == 1}
    assert on_grid <= kept
    if goal % rate == 0:
        assert kept == set(range(len(times)))


@pytest.mark.parametrize(
    ("source", "target"), [("23.976", "60"), ("25", "59.94"), ("29.97", "144")]
)
def test_three_hours_end_where_they_should(source: str, target: str) -> None:
    rate, goal = rate_of(source), rate_of(target)
    times = [k / rate for k in range(int(3 * 3600 * rate))]
    timeline = Timeline(times, 1 / rate, goal)
    parts = segments(timeline)
    assert parts[-1].last == timeline.count
    last = list(timeline.slots(timeline.count - 3, timeline.count))
    for k, slot in enumerate(last, timeline.count - 3):
        place = (slot.left + slot.phase) / rate
        assert place == k / goal or slot.kind != "make"
        assert abs(place - k / goal) < 1 / rate
