"""Two processes train as one does, and go on from where one stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import footage
import pytest
import torch

from filmcli.errors import UsageError
from filmcli.network import weights
from filmcli.training.loop import Run, train
from filmcli.training.material import load_material
from filmcli.training.recipe import Recipe
from filmcli.training.stream import batches

SETTINGS = {"steps": 4, "batch": 4, "side": 32, "accumulate": 2, "warmup": 2}
RECIPE = replace(Recipe(**SETTINGS), bfloat16=False)  # type: ignore[arg-type]


@pytest.fixture
def stills(tmp_path: Path) -> str:
    folder = tmp_path / "stills"
    folder.mkdir()
    for number, picture in enumerate(footage.assets().photographs):
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return str(folder)


def test_the_shares_of_the_processes_are_the_batch(stills: str) -> None:
    material = load_material([], stills, None, 32)
    whole = list(batches(material, RECIPE, 2, 0))
    shares = [list(batches(material, RECIPE, 2, 0, rank, 2)) for rank in (0, 1)]
    for step, parts in enumerate(whole):
        for number, part in enumerate(parts):
            both = torch.cat([share[step][number].left for share in shares])
            assert torch.equal(both, part.left)
    with pytest.raises(UsageError, match="among 3 processes"):
        next(batches(material, RECIPE, 0, 0, 0, 3))


@pytest.mark.slow
@pytest.mark.parametrize(("begun", "lines"), [(True, 3 + 2), (False, 4)])
def test_two_processes_make_the_same_weights(
    tmp_path: Path, stills: str, begun: bool, lines: int
) -> None:
    """From the start, or from the second step on, where one was struck at the third."""

    def at(name: str) -> Run:
        (tmp_path / name).mkdir(exist_ok=True)
        output = str(tmp_path / name / "w.safetensors")
        return Run(output, {}, device="cpu", workers=0, report_every=1, save_every=2)

    material = load_material([], stills, None, RECIPE.side)
    train(RECIPE, at("alone"), material, lambda _: None)

    def interrupt(line: dict[str, float]) -> None:
        if line["step"] == 3:
            raise KeyboardInterrupt

    if begun:
        with pytest.raises(KeyboardInterrupt):
            train(RECIPE, at("together"), material, interrupt)
    done = torchrun(at("together").output, stills)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [at("together").output]
    alone, logged = (
        Path(f"{at(name).output}.log").read_text().splitlines() for name in ("alone", "together")
    )
    assert len(logged) == lines  # only one of them wrote
    for one, other in zip(map(json.loads, alone[-2:]), map(json.loads, logged[-2:]), strict=True):
        for term in RECIPE.weights_at(3):
            assert other[term] == pytest.approx(one[term], rel=1e-3), term
    expected, made = (weights.load(at(name).output).state_dict for name in ("alone", "together"))
    far = max(float((made[k] - value).abs().max()) for k, value in expected.items())
    assert far < 2e-3  # a few of Adam's first steps, whose size rounding can turn


def torchrun(output: str, stills: str) -> subprocess.CompletedProcess[str]:
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
            *("-m", "filmcli", "train", "--stills", stills, "-o", output, "--device", "cpu"),
            *(*settings, "--set=bfloat16=false", "--workers=0"),
            *("--report-every=1", "--save-every=2"),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
