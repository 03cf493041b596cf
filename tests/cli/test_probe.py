"""`filmcli probe` as a user runs it, on films whose times and cuts are known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filmcli.frames import Layout, Planes
from filmcli.survey.scenes import read_cuts
from tests.clips import add_sound, write_film, write_vfr
from tests.forked import Done, run

LAYOUT = Layout("yuv420p", "yuv", chroma_x=1, chroma_y=1)


def shot(seed: int, frames: int) -> list[Planes]:
    """Soft blobs that drift by 2 px a picture, 160x96."""
    rng = np.random.default_rng(seed)
    wall = np.kron(rng.integers(20, 230, (12, 40), np.uint8), np.ones((8, 8), np.uint8))
    grey = np.full((48, 80), 128, np.uint8)
    return [(np.ascontiguousarray(wall[:, 2 * k : 2 * k + 160]), grey, grey) for k in range(frames)]


def filmcli(*args: str | Path) -> Done:
    return run([str(arg) for arg in args], Path.cwd())


def probe_json(*args: str | Path) -> list[dict[str, Any]]:
    done = filmcli("probe", "--json", *args)
    assert done.code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shots of 12 and 15 pictures at 23.976 fps in milliseconds, and a tone beside them."""
    folder = tmp_path_factory.mktemp("probe")
    frames = shot(1, 12) + shot(2, 15)
    silent = write_film(folder / "silent.mkv", frames, LAYOUT, Fraction(24000, 1001))
    add_sound(folder / "two shots.mkv", silent)
    return folder / "two shots.mkv"


def test_scenes_are_told_exactly_and_can_be_given_back(film: Path, tmp_path: Path) -> None:
    (facts,) = probe_json("--scenes", film)
    assert facts["rate"] == "24000/1001" and not facts["variable"] and not facts["gaps"]
    assert facts["frames"] == 27 and facts["counted"]
    assert facts["duration"] == pytest.approx(27 * 1001 / 24000, abs=1e-5)
    assert (facts["width"], facts["height"], facts["pix_fmt"]) == (160, 96, "yuv420p")
    assert [stream["kind"] for stream in facts["streams"]] == ["video", "audio"]
    assert [(scene["first"], scene["frames"]) for scene in facts["scenes"]] == [(0, 12), (12, 15)]
    (tmp_path / "cuts").write_text(json.dumps(facts))
    start = Fraction(str(facts["scenes"][0]["start"]))  # the sound begins a little earlier
    stored = [start + Fraction(round(k * 1001 / 24), 1000) for k in range(27)]
    assert read_cuts(str(tmp_path / "cuts"), stored) == [12]


def test_people_get_plain_lines_when_nobody_is_at_a_terminal(film: Path) -> None:
    done = filmcli("probe", film, "--scenes")
    assert done.code == 0 and done.stderr == ""
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["rate"] == "23.976 fps (24000/1001)"
    assert lines["length"] == "1.126 s, 27 frames"
    assert lines["colour"].startswith("untagged") or "tv" in lines["colour"]
    assert ": 15 frames, 0.626 s" in lines["scene"]  # the last line of that name: scene 2


def test_variable_rates_and_missing_frames_are_told_apart(tmp_path: Path) -> None:
    variable = write_vfr(
        tmp_path / "v.mkv", shot(3, 8), LAYOUT, [0, 40, 90, 120, 180, 190, 260, 300]
    )
    with_gap = write_vfr(
        tmp_path / "g.mkv", shot(3, 8), LAYOUT, [0, 40, 80, 120, 240, 280, 320, 360]
    )
    first, second = probe_json(variable, with_gap)
    assert first["variable"] and not first["gaps"]
    assert second["gaps"] and not second["variable"] and second["rate"] == "25"


def test_a_long_film_is_judged_by_its_beginning_unless_scenes_are_asked_for(tmp_path: Path) -> None:
    dot = [(np.full((16, 16), k % 256, np.uint8),) * 1 for k in range(300)]
    path = write_film(tmp_path / "long.mkv", dot, Layout("gray", "gray"), 50)
    (facts,) = probe_json(path)
    assert facts["rate"] == "50" and not facts["counted"] and facts["frames"] is None
    assert facts["duration"] == pytest.approx(6, abs=0.05)
    assert "by the first 240 frames" in filmcli("probe", path).stdout


def test_a_bad_film_among_good_ones_fails_the_run_after_the_others(
    film: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no film")
    done = filmcli("probe", bad, film)
    assert done.code == 1 and "23.976 fps" in done.stdout
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    alone = filmcli("probe", "--json", tmp_path / "missing.mp4")
    assert alone.code == 3
    assert json.loads(alone.stdout)["error"]["exit_code"] == 3


def test_probe_needs_no_torch(film: Path) -> None:
    code = (
        "import sys; from filmcli.cli import run; "
        f"assert run(['probe', {os.fspath(film)!r}]) == 0; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
