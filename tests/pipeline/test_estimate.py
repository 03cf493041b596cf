"""How long a film will take, said before it is made."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from filmcli.frames import Neighbour, Planes
from filmcli.pipeline.estimate import Estimate, estimate
from filmcli.pipeline.plan import Plan
from filmcli.pipeline.request import Settings
from filmcli.pipeline.upsample import upsample
from tests.clips import pattern


class Sleeper:
    """Takes the left picture for every one between, `seconds` after it was asked for it."""

    at_once, abreast = 1, staticmethod(nullcontext)

    def __init__(self, seconds: float) -> None:
        self.seconds, self.asked = seconds, 0

    def begin(
        self, left: Planes, _right: Planes, phases: Sequence[Fraction], **around: Neighbour
    ) -> Iterable[Planes]:
        assert set(around) == {"before", "after"}
        self.asked += 1
        time.sleep(self.seconds * len(phases))
        return [left] * len(phases)


def told(film: str, **settings: Any) -> list[Any]:
    events: list[Any] = []
    upsample(film, Settings(dry_run=True, **settings), events.append)
    return events


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Two minutes at two pictures a second, to be 24: seven segments of 20 s and less."""
    film = tmp_path_factory.mktemp("film") / "in.mp4"
    pattern(film, 120, size="64x48", rate="4")
    (plan,) = (event for event in told(str(film), fps="24") if isinstance(event, Plan))
    return plan


def by_a_sleeper(plan: Plan, seconds: float) -> tuple[Plan, Sleeper]:
    sleeper = Sleeper(seconds)
    return replace(plan, request=replace(plan.request, interpolator=sleeper)), sleeper  # type: ignore[arg-type]


def test_it_is_what_a_frame_takes_times_the_frames_left(plan: Plan) -> None:
    slow, _ = by_a_sleeper(plan, 0.02)
    found = estimate(slow, range(len(plan.segments)))
    assert found is not None
    assert found.frames == plan.kinds["make"]
    assert 0.02 <= found.each < 0.04
    assert found.seconds == found.each * found.frames


def test_of_a_film_that_is_half_done_the_rest_counts(plan: Plan) -> None:
    slow, _ = by_a_sleeper(plan, 0)
    todo = range(3, len(plan.segments))
    found = estimate(slow, todo)
    outputs = sum(plan.segments[index].last - plan.segments[index].first for index in todo)
    assert found is not None
    assert found.frames == pytest.approx(plan.kinds["make"] * outputs / plan.timeline.count, abs=1)


def test_nobody_waits_long_for_it(plan: Plan) -> None:
    slow, sleeper = by_a_sleeper(plan, 1.6)
    found = estimate(slow, [0])
    assert found is not None and found.each == pytest.approx(1.6, abs=0.2)
    assert sleeper.asked == 1


def test_it_is_told_before_the_work_unless_that_is_short(tmp_path: Path) -> None:
    film = pattern(tmp_path / "in.mp4", 1, size="64x48")
    long, short = told(film, fps="120"), told(film, fps="60")
    assert [type(event) for event in long if not hasattr(event, "done")] == [Plan, Estimate]
    assert long[-1].frames == long[-2].kinds["make"] > 50 and long[-1].each > 0
    assert not any(isinstance(event, Estimate) for event in short)
