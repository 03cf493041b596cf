"""`upsample --steps`: adaptation inside the main path, with and without what `adapt` wrote."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from filmcli.network.weights import save
from tests import nets
from tests.clips import ffmpeg
from tests.forked import run, started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of two scenes of eight frames, and weights with a tint to unlearn."""
    folder = tmp_path_factory.mktemp("steps")
    for name, source in (("a", "testsrc2"), ("b", "mandelbrot")):
        ffmpeg(
            "-f", "lavfi", "-i", f"{source}=size=128x96:rate=8", "-t", "1", "-pix_fmt", "yuv420p",
            "-c:v", "ffv1", folder / f"{name}.mkv",
        )  # fmt: skip
    joined = "[0:v][1:v]concat=n=2"
    words = ("-i", folder / "a.mkv", "-i", folder / "b.mkv", "-filter_complex", joined)
    ffmpeg(*words, "-c:v", "ffv1", folder / "in.mkv")
    net = nets.tinted(nets.still(), 0.05)
    save(str(folder / "tinted.safetensors"), "film-m", net.state_dict())
    return folder


def words(output: str, steps: int) -> list[str]:
    return [
        "upsample", "in.mkv", "-o", output, "-c", "ffv1", "--steps", str(steps),
        "-w", "tinted.safetensors", "--json",
    ]  # fmt: skip


def upsample(folder: Path, output: str, steps: int) -> list[dict[str, object]]:
    """Run it and return what was told of the scenes."""
    done = run(words(output, steps), folder)
    assert done.code == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [line for line in told if line["event"] == "scene"]


def pictures(path: Path) -> list[str]:
    """A hash of each decoded picture."""
    told = ffmpeg("-i", path, "-map", "0:v", "-f", "framemd5", "-").decode()
    return [line.split(",")[-1] for line in told.splitlines() if not line.startswith("#")]


@pytest.fixture(scope="module")
def scenes(folder: Path) -> list[dict[str, object]]:
    """What is told of the scenes while steps.mkv is made."""
    return upsample(folder, "steps.mkv", 2)


def test_made_frames_are_of_adapted_weights_and_kept_ones_untouched(
    folder: Path, scenes: list[dict[str, object]]
) -> None:
    assert [scene["scene"] for scene in scenes] == [0, 1]
    assert any(scene["kept"] for scene in scenes)
    assert upsample(folder, "plain.mkv", 0) == []
    adapted, plain = pictures(folder / "steps.mkv"), pictures(folder / "plain.mkv")
    assert len(adapted) == len(plain) == 32
    changed = {k for k in range(32) if adapted[k] != plain[k]}
    assert changed
    assert all(k % 2 for k in changed)


def test_a_run_that_was_killed_goes_on_to_the_same_end(
    folder: Path, scenes: list[dict[str, object]]
) -> None:
    with started(words("killed.mkv", 2), folder) as running:
        deadline = time.monotonic() + 60
        while not list(folder.glob(".filmcli-*/000000.nut")) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(running.pid, signal.SIGTERM)
        assert running.end().code == 143
    assert [scene["scene"] for scene in upsample(folder, "killed.mkv", 2)] == [1]
    assert pictures(folder / "killed.mkv") == pictures(folder / "steps.mkv")
    assert len(scenes) == 2


def test_what_adapt_wrote_is_used_and_gives_the_same_pictures(
    folder: Path, scenes: list[dict[str, object]]
) -> None:
    adapt = ["adapt", "in.mkv", "--steps", "2", "-w", "tinted.safetensors", "--json"]
    done = run(adapt, folder)
    assert done.code == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()][: len(scenes)]
    assert [scene["after"] for scene in found] == [scene["after"] for scene in scenes]
    # told again to the last digit of the seconds: nothing was computed anew
    assert upsample(folder, "stored.mkv", 2) == found
    assert pictures(folder / "stored.mkv") == pictures(folder / "steps.mkv")
