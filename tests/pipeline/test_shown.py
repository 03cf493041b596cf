"""A page of a film that was made: what the plan knew stands on it, and it never costs the film."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from filmcli.network.interpolator import Interpolator
from filmcli.pipeline.plan import Plan
from filmcli.pipeline.request import Settings
from filmcli.pipeline.shown import plan_again, show
from filmcli.pipeline.upsample import Event, upsample
from tests.clips import add_sound, clock_film, pattern
from tests.forked import run
from tests.page.footage import film
from tests.pipeline.test_upsample import mixture


def made(source: Path, **asked: Any) -> Plan:
    """The plan of a film that was made by it."""
    plans: list[Plan] = []

    def report(event: Event) -> None:
        if isinstance(event, Plan):
            plans.append(event)

    upsample(str(source), Settings(page=True, **asked), report)
    return plans[0]


def facts(page: str | Path) -> dict[str, Any]:
    """What the page's scripts work with."""
    text = Path(page).read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found
    told = json.loads(found[1])
    assert isinstance(told, dict)
    return told


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Interpolator, "begin", mixture)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds at 24, cut in their middle."""
    return film(tmp_path_factory.mktemp("shown") / "in.mp4", 24)


def test_every_frame_is_marked_as_it_was_planned(source: Path, tmp_path: Path) -> None:
    plan = made(source, fps="60", output=str(tmp_path / "out.mp4"))
    page = show(plan)
    assert page.path == str(tmp_path / "out.html") and page.is_inside
    told = facts(page.path)
    kinds = told["kinds"]
    assert {kind: kinds.count(kind[0]) for kind in ("keep", "make", "hold")} == dict(plan.kinds)
    assert kinds[:6] == "kmmmmk" and kinds[88:91] == "hhk"
    assert told["cuts"] == [90]
    assert told["clock"] == {"result": 0, "source": 0, "slow": 1}
    assert [kind["name"] for kind in told["legend"]] == ["kept", "made", "held"]
    assert told["films"]["result"]["frames"]["steps"] == [[pytest.approx(1 / 60), 180]]


def test_a_part_in_slow_motion_stands_beside_its_own_moments(source: Path, tmp_path: Path) -> None:
    words = {"slow": Fraction(2), "start": Fraction(1), "end": Fraction(2)}
    plan = made(source, output=str(tmp_path / "out.mp4"), **words)
    told = facts(show(plan).path)
    assert len(told["kinds"]) == 48 and told["cuts"] == [24]
    # The source's own half second before the part is there too.
    assert told["clock"] == {"result": 0, "source": pytest.approx(0.5, abs=0.002), "slow": 2}
    seconds = sum(step * count for step, count in told["films"]["source"]["frames"]["steps"])
    assert seconds == pytest.approx(1.5, abs=0.05)


def test_a_film_made_before_gets_its_page_now(source: Path, tmp_path: Path) -> None:
    settings = Settings(fps="48", page=True, output=str(tmp_path / "out.mp4"))
    upsample(str(source), settings)
    assert upsample(str(source), settings).skipped
    told = facts(show(plan_again(str(source), settings)).path)
    assert told["kinds"][:4] == "kmkm" and told["cuts"] == [72]


def test_pictures_and_deep_films_have_pages_too(tmp_path: Path) -> None:
    source = clock_film(tmp_path / "in.mkv", [0, 40, 80, 120])
    for output in ("out/%03d.png", "out.gif", "deep.mkv"):
        (tmp_path / "out").mkdir(exist_ok=True)
        codec = {"codec": "x265"} if output == "deep.mkv" else {}
        plan = made(Path(source), fps="50", output=str(tmp_path / output), **codec)
        assert len(facts(show(plan).path)["kinds"]) == 8


def test_the_command_makes_film_and_page(tmp_path: Path) -> None:
    add_sound(tmp_path / "in.mp4", pattern(tmp_path.parent / "silent.mp4", 0.5, size="64x48"))
    done = run(["upsample", "in.mp4", "--fps", "48", "--page"], tmp_path)
    assert done.code == 0, done.stderr
    assert done.stdout.strip() == "in.48fps.mp4"
    assert done.stderr.splitlines()[-1].startswith("look at in.48fps.html: ")
    names = {"in.mp4", "in.48fps.mp4", "in.48fps.html"}
    assert {path.name for path in tmp_path.iterdir()} == names
    # Once more there is nothing to do; without its page that is made again.
    again = run(["upsample", "in.mp4", "--fps", "48", "--page"], tmp_path)
    assert again.code == 0 and "look at" not in again.stderr
    (tmp_path / "in.48fps.html").unlink()
    told = run(["upsample", "in.mp4", "--fps", "48", "--page", "--json"], tmp_path)
    (page,) = [event for event in events(told.stdout) if event["event"] == "page"]
    assert (page["path"], page["is_inside"]) == ("in.48fps.html", True)


def events(text: str) -> Iterator[dict[str, Any]]:
    return map(json.loads, text.splitlines())


def test_a_name_that_is_taken_is_found_before_the_work(tmp_path: Path) -> None:
    pattern(tmp_path / "in.mp4", 0.2, size="64x48")
    (tmp_path / "in.2x.html").write_text("mine")
    refused = run(["upsample", "in.mp4", "--page"], tmp_path)
    assert refused.code == 4 and "in.2x.html exists already" in refused.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", "in.2x.html"}
    assert run(["upsample", "in.mp4", "--page", "-y"], tmp_path).code == 0
    assert facts(tmp_path / "in.2x.html")["kinds"]


def lose_the_source() -> None:
    """Let the source vanish when the film is made."""
    from filmcli.pipeline.job import Job

    publish = Job.publish

    def strike(job: Job, overwrite: bool) -> None:
        publish(job, overwrite)
        Path("in.mp4").unlink()

    Job.publish = strike  # type: ignore[method-assign]


def test_a_page_that_fails_is_a_warning_and_the_film_stays(tmp_path: Path) -> None:
    pattern(tmp_path / "in.mp4", 0.2, size="64x48")
    done = run(["upsample", "in.mp4", "--page"], tmp_path, lose_the_source)
    assert done.code == 0 and done.stdout.strip() == "in.2x.mp4"
    assert done.stderr.splitlines()[-1].startswith("warning: the film is made, its page is not: ")
    assert [path.name for path in tmp_path.iterdir()] == ["in.2x.mp4"]


@pytest.mark.parametrize("words", [["in.mp4", "-o", "-"], ["-", "-o", "out.mkv"]])
def test_there_is_no_page_of_a_pipe(tmp_path: Path, words: list[str]) -> None:
    pattern(tmp_path / "in.mp4", 0.2, size="64x48")
    done = run(["upsample", *words, "--page"], tmp_path)
    assert done.code == 2 and "a page of what" in done.stderr
