"""The part that is made to try a film: where most moves, of the length that was asked for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from filmcli.pipeline.plan import Plan
from filmcli.pipeline.request import Settings
from filmcli.pipeline.upsample import upsample
from tests.clips import ffmpeg

STILL, MOVING = "color={}:size=64x48:rate=24:duration={}", "testsrc2=size=64x48:rate=24:duration={}"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Black for 10 s, moving for 8, then white with a cut every second for 12."""
    path = tmp_path_factory.mktemp("film") / "in.mp4"
    parts = [STILL.format("black", 10), MOVING.format(8)]
    parts += [STILL.format(color, 1) for color in ("white", "red") * 6]
    inputs = [word for part in parts for word in ("-f", "lavfi", "-i", part)]
    joined = f"concat=n={len(parts)},format=yuv420p"
    ffmpeg(*inputs, "-filter_complex", joined, "-preset", "ultrafast", str(path))
    return path


def planned(film: Path, **settings: Any) -> Plan:
    """What would be made."""
    told: list[Any] = []
    upsample(str(film), Settings(dry_run=True, **settings), told.append)
    (plan,) = (event for event in told if isinstance(event, Plan))
    return plan


def part_of(plan: Plan) -> tuple[Fraction, Fraction]:
    start, end = plan.request.settings.start, plan.request.settings.end
    assert start is not None and end is not None
    return start, end


def test_it_is_where_most_moves_and_cuts_are_no_motion(film: Path) -> None:
    plan = planned(film, preview=3, fps="60")
    start, end = part_of(plan)
    assert start >= 10 and end <= 18 and end - start == 3
    assert plan.timeline.count == 180
    assert plan.output == str(film.with_name("in.60fps.preview.mp4"))


def test_it_lies_in_the_part_that_is_asked_for(film: Path) -> None:
    start, end = part_of(planned(film, preview=2, start=Fraction(1), end=Fraction(12)))
    assert start > 9 and end <= 12


@pytest.mark.parametrize(("asked", "seconds"), [(40, 30), (29, 29)])
def test_a_short_film_is_its_own_preview(film: Path, asked: int, seconds: int) -> None:
    assert planned(film, preview=asked, fps="24").timeline.count == 24 * seconds


def test_it_is_made_once_and_beside_the_whole_film(film: Path) -> None:
    made = upsample(str(film), Settings(preview=1, fps="1.5x"))
    again = upsample(str(film), Settings(preview=1, fps="1.5x"))
    assert made.output == str(film.with_name("in.1.5x.preview.mp4")) and made.frames == 36
    assert again.skipped and again.output == made.output
    assert planned(film, fps="1.5x").output == str(film.with_name("in.1.5x.mp4"))
