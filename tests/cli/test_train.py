"""`filmcli train` as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from filmcli.adaptation.film import recipe_of
from filmcli.adaptation.subsets import subset
from filmcli.cli import run
from filmcli.network.networks import CONFIGS, build
from filmcli.network.weights import load, save
from tests import forked
from tests.clips import pattern

TINY = ["steps=2", "batch=1", "side=32"]


def words(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


@pytest.fixture
def clips(tmp_path: Path) -> str:
    folder = tmp_path / "clips"
    folder.mkdir()
    pattern(folder / "a_1.mp4", 0.5)
    return str(folder)


def test_weights_are_trained_from_clips_and_stills_and_gone_on_with(
    tmp_path: Path, clips: str
) -> None:
    (tmp_path / "stills").mkdir()
    still = np.random.default_rng(0).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "stills" / "a.png"), still)
    output = tmp_path / "out.safetensors"
    command = ["train", clips, "--stills", "stills"]
    command += ["-o", str(output), *words(*TINY), "--workers", "0", "--report-every", "1"]
    command += ["--validate", clips, "--validate-every", "2"]
    done = forked.run(command, tmp_path)
    assert done.code == 0, done.stderr
    assert done.stdout.splitlines() == [str(output)]
    first, second, third = done.stderr.splitlines()
    assert first.startswith("filmcli: step 1/2 charbonnier ") and "samples/s (data " in first
    assert all(f" {term} " in second for term in ("lpips", "fetched", "flow", "decibels"))
    assert third.startswith("filmcli: step 2/2 validated ") and " validated_lpips 0." in third
    assert cv2.imread(f"{output}.png") is not None
    assert load(str(output)).metadata["steps"] == "2"
    assert "side=32" in load(str(output)).metadata["recipe"]
    # Done is done: the same command has nothing left to do.
    again = forked.run(command, tmp_path)
    assert (again.code, again.stderr) == (0, "")


def test_training_goes_on_from_other_weights_of_the_same_network(
    tmp_path: Path, clips: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "out.safetensors")
    said = ["train", clips, "-o", output, "--workers", "0", "--init", "film-m", *words(*TINY)]
    assert run(said) == 0
    before, after = load("film-m"), load(output)
    assert after.config == "film-m"
    moved = [(after.state_dict[n] - value).abs().max() for n, value in before.state_dict.items()]
    assert 0 < max(moved) < 0.01  # two steps further
    said[3] = f"{output}.2"
    assert run([*said, "--set", "config=film"]) == 2
    assert "'film' cannot begin with the weights 'film-m'" in capsys.readouterr().err


def test_programs_are_told_in_json(
    tmp_path: Path, clips: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "out.safetensors")
    said = ["train", clips, "-o", output, *words(*TINY), "--workers", "0", "--json"]
    assert run(said) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["progress", "done"]
    assert events[0]["step"] == 2 and events[0]["network_samples_per_second"] > 0


def test_rates_are_learned_by_meta_training(tmp_path: Path, clips: str) -> None:
    torch.manual_seed(0)
    base, output = str(tmp_path / "base.safetensors"), str(tmp_path / "meta.safetensors")
    save(base, "film-m", build(CONFIGS["film-m"]).state_dict(), {"recipe": "of the base"})
    settings = ("side=64", "tasks=1", "steps=2", "queries=1", "first_inner_rate=1e-3")
    said = ["train", clips, "--meta", "--init", base, "-o", output]
    assert run([*said, *words(*settings, "rate_of_rates=1", "rule=sgd")]) == 0
    before, after = load(base), load(output)
    assert after.metadata["recipe"] == "of the base"
    assert after.metadata["lessons"] == "0 1"
    assert "steps=2" in after.metadata["meta_recipe"]
    (rates,) = after.rates
    assert rates.keys() == subset(after.state_dict, "tail").start.keys()
    # the logarithms have moved from where they began
    assert any(abs(rate / 1e-3 - 1) > 0.005 for rate in rates.values())
    assert any(not torch.equal(after.state_dict[n], before.state_dict[n]) for n in rates)
    recipe = recipe_of(after, 1)
    assert (recipe.rates, recipe.rule) == (after.rates, "sgd")


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        ([], 2, "nothing to train on"),
        (["none"], 3, "cannot be read"),
        (["."], 3, "no clip to train on"),
        ([".", "--preset", "huge"], 2, "no preset 'huge'"),
        ([".", "--set", "speed=1"], 2, "makes no sense"),
        ([".", "--meta", "--stills", "."], 2, "--meta takes no"),
        ([".", "--meta", "--set", "rule=newton"], 2, "no rule 'newton'"),
        ([".", "--meta", "--set", "subset=eyes"], 2, "no subset 'eyes'"),
        (["--stills", "."], 3, "no opaque colour pictures"),
    ],
)
def test_what_cannot_be_is_one_error(
    said: list[str],
    code: int,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["train", *said, "-o", "out.safetensors"]) == code
    assert why in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert run(["train", ".", "-o", "nowhere/out.safetensors"]) == 2
