"""Meta-training from a folder of videos to a weights file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from filmcli.adaptation.film import recipe_of
from filmcli.adaptation.subsets import subset
from filmcli.network.film import CONFIGS, Film
from filmcli.network.weights import load, save
from filmcli.training.meta_run import main
from tests.clips import pattern


def test_weights_and_rates_are_learned_from_clips(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    pattern(clips / "a_1.mp4", 0.5)
    torch.manual_seed(0)
    base, output = tmp_path / "base.safetensors", tmp_path / "meta.safetensors"
    save(str(base), "film-xs", Film(CONFIGS["film-xs"]).state_dict(), {"recipe": "of the base"})
    words = [str(clips), "--init", str(base), "-o", str(output), "--side", "64", "--tasks", "1"]
    assert (
        main(
            [
                *words,
                "--steps",
                "2",
                "--queries",
                "1",
                "--first-inner-rate",
                "1e-3",
                "--rate-of-rates",
                "1",
            ]
        )
        == 0
    )
    before, after = load(str(base)), load(str(output))
    assert after.metadata["recipe"] == "of the base"
    assert "steps=2" in after.metadata["meta_recipe"]
    (rates,) = after.rates
    assert rates.keys() == subset(after.state_dict, "tail").start.keys()
    # the logarithms have moved from where they began
    assert any(abs(rate / 1e-3 - 1) > 0.005 for rate in rates.values())
    assert any(not torch.equal(after.state_dict[n], before.state_dict[n]) for n in rates)
    assert recipe_of(after, 1).rates == after.rates


def test_a_folder_without_clips_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "base.safetensors"
    save(str(base), "film-xs", Film(CONFIGS["film-xs"]).state_dict())
    assert main([str(tmp_path), "--init", str(base), "-o", str(tmp_path / "o.safetensors")]) == 3
    assert "no clip" in capsys.readouterr().err
