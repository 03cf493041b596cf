"""Lessons on motion blur: what they teach is true, and the command teaches it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import sway
from filmcli.network.matching import Times
from filmcli.network.weights import load
from filmcli.training.recipe import Recipe
from filmcli.training.synthetic import synthetic_sample
from tests.training import footage

ROOT = Path(__file__).parents[2]


def ways_of(moment: float, places: dict[float, float]) -> Tensor:
    """The ways of a thing that is at so many px (x, and twice so many y) at these times."""
    here = places[moment]
    along = torch.tensor([places[at] - here for at in (0.0, 1.0, -1.0, 2.0)])
    return torch.stack((along, 2 * along), dim=1).reshape(1, 8, 1, 1)


@pytest.mark.parametrize("known", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_what_is_off_is_where_the_curve_through_known_frames_goes(
    known: tuple[float, float],
) -> None:
    places = {-1.0: 3.0, 0.0: -2.0, 0.3: 1.7, 1.0: 5.0, 2.0: 4.0}
    times = Times(
        torch.tensor([0.3]), torch.tensor([[0.0, 1, -1, 2]]), torch.tensor([[1.0, 1, *known]])
    )
    seen = [0.0, 1.0, *(at for at, k in zip((-1.0, 2.0), known, strict=True) if k)]
    curve = np.polyfit(seen, [places[at] for at in seen], len(seen) - 1)
    off = float(np.polyval(curve, 0.3)) - places[0.3]
    found = sway.off_at(ways_of(0.3, places), times)
    assert found.flatten().tolist() == pytest.approx([off, 2 * off], abs=1e-5)


def test_a_lesson_holds_the_ways_of_its_sample() -> None:
    sample = synthetic_sample(footage.assets(), Recipe(side=64), np.random.default_rng(3))
    assert sample.ways is not None
    lesson = sway.lesson_of(sample, sample.ways, np.ones((64, 64, 1)))
    assert lesson.told == (sample.phase, 1.0, 1.0)
    assert lesson.smears.shape == (32, 4, 4) and (lesson.counts == 1).all()
    for row, column in ((0, 0), (3, 1)):
        cell = sample.ways[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        told = lesson.ways[:, row, column].numpy()
        assert np.allclose(told, cell.mean(axis=(0, 1)), rtol=2e-3, atol=0.01)


@pytest.mark.slow
def test_the_command_teaches_what_reads_blur_and_nothing_else(tmp_path: Path) -> None:
    for folder in ("clips", "stills"):
        (tmp_path / folder).mkdir()
    footage.write(tmp_path / "clips" / "one_00.mkv", footage.gliding(30, 5, 3, 256, 352))
    for seed in range(3):
        picture = footage.texture(240, 320, seed)
        cv2.imwrite(str(tmp_path / "stills" / f"{seed}.png"), picture)
    taught = tmp_path / "taught.safetensors"
    command = [sys.executable, "-m", "benchmarks.sway", tmp_path / "clips", "-o", taught]
    command += ["--stills", tmp_path / "stills", "--draw", "0.6", "--minutes", "0.1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    before, after = load(None).state_dict, load(str(taught)).state_dict
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("sway.") for name in changed)
