"""What is told while a film is made: how long it will take, how far it is, how much is written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from filmcli.cli.console import Teller, size
from filmcli.pipeline.estimate import Estimate
from filmcli.pipeline.plan import Plan
from filmcli.pipeline.request import Settings
from filmcli.pipeline.upsample import Progress, upsample
from tests.clips import ffmpeg, pattern
from tests.forked import run


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    film = pattern(tmp_path_factory.mktemp("film") / "in.mp4", 0.5, size="64x48")
    events: list[Any] = []
    upsample(film, Settings(fps="60", device="cpu", dry_run=True), events.append)
    (plan,) = (event for event in events if isinstance(event, Plan))
    return plan


@pytest.mark.parametrize(("each", "length"), [(0.01, "16:40"), (0.07, "1:56:40")])
def test_the_time_it_will_take_is_said(
    plan: Plan, each: float, length: str, capsys: pytest.CaptureFixture[str]
) -> None:
    teller = Teller("lines", quiet=False, to_stdout=True)
    teller(plan)
    teller(Estimate(plan.source, 100_000, each))
    assert f"about {length} on this machine" in (words := capsys.readouterr().err)
    assert "warning" not in words


@pytest.mark.parametrize("quiet", [False, True])
def test_hours_are_a_warning_that_says_what_helps(
    plan: Plan, quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    teller = Teller("lines", quiet=quiet, to_stdout=True)
    teller(plan)
    teller(Estimate(plan.source, 100_000, 0.5))
    words = capsys.readouterr().err
    assert "will take about 14 hours" in words
    for way in ("--preview 10", "--fps", "NVIDIA"):
        assert way in words
    assert ("on this machine:" in words) is not quiet


def test_progress_has_scene_speed_and_size(
    plan: Plan, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 140.0])  # seconds
    monkeypatch.setattr("filmcli.cli.console.time.monotonic", lambda: next(clock))
    teller = Teller("lines", quiet=False, to_stdout=True)
    teller(plan)
    teller(Progress(plan.source, 1, 1000, 1, 3, 1, 5))
    teller(Progress(plan.source, 240, 1000, 2, 3, 4, 5, 4_321_000))
    line = capsys.readouterr().err.splitlines()[-1]
    words = "24% 240/1000 frames scene 2/3 6.0 fps, 0.10x real time, eta 127s, 4.3 MB written"
    assert line == f"filmcli: {plan.source} {words}"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0.0 kB"),
        (870_000, "870 kB"),
        (4_321_000, "4.3 MB"),
        (10**10, "10 GB"),
        (5e15, "5000 TB"),
    ],
)
def test_sizes_are_said_as_people_say_them(count: int, words: str) -> None:
    assert size(count) == words


def test_programs_hear_the_same(tmp_path: Path) -> None:
    two = "color=red:size=64x48:rate=24:duration=1[a];testsrc2=size=64x48:rate=24:duration=1[b]"
    joined = f"{two};[a][b]concat=n=2,format=yuv420p"
    ffmpeg("-filter_complex", joined, "-preset", "ultrafast", str(tmp_path / "in.mp4"))
    done = run(["upsample", "in.mp4", "--fps", "60", "--json"], tmp_path)
    assert done.code == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[:3] == ["plan", "estimate", "progress"] and kinds[-2:] == ["done", "summary"]
    last = [event for event in events if event["event"] == "progress"][-1]
    assert (last["scene"], last["scenes"], last["done"]) == (2, 2, last["total"])
    assert 0 < last["written"] <= 2 * os.path.getsize(tmp_path / "in.60fps.mp4")
