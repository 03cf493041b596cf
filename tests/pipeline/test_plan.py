"""The plan: what an earlier run found is not sought again; what changes the film is a new job."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.errors import OutputExistsError
from filmcli.pipeline.job import open_job
from filmcli.pipeline.plan import Plan, make_plan
from filmcli.pipeline.request import Request, Settings, prepare
from filmcli.pipeline.upsample import upsample
from tests.clips import pattern
from tests.marks import slow


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pattern(tmp_path_factory.mktemp("plan") / "in.mp4", 0.5, size="64x48")


def planned(request: Request) -> tuple[Plan, int]:
    """The plan, and how many pictures were read for it."""
    heard: list[int] = [0]
    plan = make_plan(request, heard.append)
    return plan, heard[-1]


def test_a_resumed_run_does_not_read_the_film_again(film: str) -> None:
    request = prepare(film, Settings(fps="60"))
    plan, read = planned(request)
    assert read == 12
    with open_job(plan.output, request.key, ".nut", None, False) as job:
        job.record({}, plan.segments, plan.found.spelled())
        Path(job.part(0)).write_bytes(b"a finished segment")
        job.finish(0)
    again, read = planned(prepare(film, Settings(fps="60")))
    assert read == 0
    assert again.found.spelled() == plan.found.spelled()
    assert list(again.segments) == list(plan.segments) and again.kinds == plan.kinds
    for other in (Settings(fps="60", fresh=True), Settings(fps="50"), Settings(cuts="off")):
        assert planned(prepare(film, other))[1] == 12


def test_another_list_of_cuts_under_the_same_name_is_another_job(film: str, tmp_path: Path) -> None:
    cuts = tmp_path / "cuts"
    cuts.write_text("0.25\n")
    settings = Settings(cuts=str(cuts))
    first = prepare(film, settings)
    assert planned(first)[0].timeline.cuts == {6}
    cuts.write_text("0.125\n")
    second = prepare(film, settings)
    assert planned(second)[0].timeline.cuts == {3}
    assert second.key != first.key
    cuts.write_text("0.25\n")
    assert prepare(film, replace(settings, device="cpu")).key == first.key


def test_scenes_get_a_step_by_the_pictures_that_are_made(film: str, tmp_path: Path) -> None:
    cuts = tmp_path / "cuts"
    cuts.write_text("0.125\n")
    long = Settings(cuts=str(cuts), fps="1000", slow=Fraction(8))  # 1,000 pictures, and 3,000
    assert planned(prepare(film, long))[0].steps == [0, 1]
    assert planned(prepare(film, replace(long, end=Fraction(1, 4))))[0].steps == [0, 0]
    assert planned(prepare(film, replace(long, steps=2)))[0].steps == [2, 2]
    assert planned(prepare(film, replace(long, steps=0)))[0].steps == [0, 0]
    assert planned(prepare(film, Settings(cuts=str(cuts))))[0].steps == [0, 0]


def test_how_scenes_are_adapted_to_makes_another_job(
    film: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [prepare(film, Settings(steps=steps)).key for steps in ("auto", 0, 1)]
    monkeypatch.setattr("filmcli.adaptation.film.judge_here", lambda: "sharpness")
    keys += [prepare(film, Settings(steps=steps)).key for steps in ("auto", 1)]
    assert len(set(keys)) == 5
    assert prepare(film, Settings(steps=0)).key == keys[1]


@pytest.mark.parametrize(
    ("ending", "codec"),
    [
        (".mov", "x264"),
        (".webm", "libvpx"),
        (".ts", "mpeg2video"),
        *slow((".mkv", "ffv1"), (".m2ts", "x264"), (".nut", "ffv1")),
    ],
)
def test_every_container_tells_that_the_work_is_done(
    tmp_path: Path, ending: str, codec: str
) -> None:
    source = pattern(tmp_path / "in.mkv", 0.2, size="64x48", rate="25")
    asked = Settings(fps="1x", codec=codec, output=str(tmp_path / f"out{ending}"))
    assert not upsample(source, asked).skipped
    assert upsample(source, asked).skipped
    with pytest.raises(OutputExistsError):
        upsample(source, replace(asked, end=Fraction(1, 10)))
