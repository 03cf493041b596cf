"""Ours beside RIFE: the command as it is run, and RIFE itself where its wheels lie."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks.rivals import rife
from benchmarks.rivals.__main__ import Timed
from benchmarks.rivals.places import pieced_together, place_of
from filmcli.evaluation.entries import Entry
from filmcli.evaluation.makers import RIVALS, Run
from filmcli.evaluation.metrics import psnr
from filmcli.evaluation.rivals import blend
from tests.evaluation.footage import HIGH, WIDE, film, gliding

ROOT = Path(__file__).parents[2]
HALF = (Fraction(1, 2),)


@pytest.mark.slow
def test_ours_and_the_old_way_are_scored_timed_and_shown(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    film(tmp_path / "films" / "one.mkv", gliding(7))
    film(tmp_path / "films" / "two.mkv", gliding(5, seed=2))
    command = [sys.executable, "-m", "benchmarks.rivals", tmp_path / "films", "--judge", "--rife"]
    command += ["--places", "--limit", "2", "--strips", tmp_path / "looks", "--show", "one:3"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    head = "| mean | PSNR, dB | SSIM | LPIPS | ST-LPIPS | s a frame | CPU s a frame |"
    at = lines.index(head)
    ours, dis = (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in lines[at + 2 : at + 4]
    )
    assert (ours[0], dis[0]) == ("film-m", "dis")
    told = json.loads(last)
    for row in (ours, dis):
        scores = told["scores"][row[0]].values()
        assert [float(cell) for cell in row[1:5]] == pytest.approx(list(scores), abs=6e-3)
        assert all(seconds > 0 for seconds in told["seconds_a_frame"][row[0]].values())
    assert "| one | 2 |" in done.stdout
    for title in ("PSNR, in its place, px off", "PSNR, LPIPS, each piece in its place"):
        assert f"| {title} | film-m | dis |" in done.stdout
    # four frames were made, and the five that look worst are all of them
    names = sorted(path.name for path in (tmp_path / "looks").iterdir())
    assert names == ["one-001.png", "one-003.png", "two-001.png", "two-003.png"]
    shown = cv2.imread(str(tmp_path / "looks" / "one-003.png"))
    assert shown is not None and shown.shape[1] >= 3 * WIDE and shown.shape[0] >= 2 * HIGH


def test_a_frame_that_is_off_as_a_whole_scores_as_it_would_in_its_place() -> None:
    wide = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8), (0, 0), 3
    )
    wide = cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX)

    def seen(dx: float, dy: float) -> np.ndarray:
        return cv2.warpAffine(wide, np.float32([[1, 0, -50 - dx], [0, 1, -50 - dy]]), (300, 200))

    place = place_of(seen(1.5, -2.0), seen(0, 0))
    assert place.off == pytest.approx(2.5, abs=0.05)
    assert place.made == pytest.approx(
        psnr(*(seen(*by)[16:-16, 16:-16] for by in ((1.5, -2), (0, 0))))
    )
    assert place.placed > place.made + 10
    still = place_of(seen(0, 0), seen(0, 0))
    assert still.off < 0.01 and still.placed > 45
    torn = np.hstack((seen(1.5, -2.0)[:, :150], seen(-2, 1)[:, 150:]))
    pieced = pieced_together(torn, seen(0, 0))
    halves = np.s_[16:-16, 16:100], np.s_[16:-16, 200:-16]
    assert all(psnr(pieced[half], seen(0, 0)[half]) > 35 for half in halves)
    assert place_of(torn, seen(0, 0)).placed < 30
    grey = np.full((200, 300, 3), 128, np.uint8)
    assert place_of(grey, seen(0, 0)).off == 0


@pytest.mark.parametrize("given", ["none.mkv", "none"])
def test_a_film_that_is_not_there_is_told_in_words(given: str, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    command = [sys.executable, "-m", "benchmarks.rivals", tmp_path / given, "--rife"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert given in done.stderr and "Traceback" not in done.stderr


def test_a_timed_maker_makes_the_same_and_counts() -> None:
    timed = Timed(Entry("blend", RIVALS["blend"]))
    frames = gliding(5)
    run = Run(frames[::2], [HALF, HALF])
    made = timed(run)
    assert np.array_equal(made[1][0], RIVALS["blend"](run)[1][0])
    assert timed.frames == 2
    assert timed.wall > 0


@pytest.mark.parametrize("version", rife.VERSIONS)
def test_rife_makes_the_middle_of_a_glide(version: str) -> None:
    if not rife.VERSIONS[version][0].path.exists():
        pytest.skip("its wheel is not here; python -m benchmarks.rivals fetches it")
    make = rife.load(version, torch.device("cpu"))
    left, middle, right = gliding(3)
    made = make(left, right, 0.5)
    assert made.shape == middle.shape
    assert psnr(made, middle) > psnr(blend(left, right, 0.5), middle) + 3
    assert psnr(make(left, left, 0.5), left) > 40
