"""The scoreboard on a film whose middle frames are known."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from filmcli.errors import InputError
from filmcli.evaluation.rivals import blend, dis_flow
from filmcli.evaluation.score import main, network, pairwise, score
from filmcli.network import weights
from filmcli.network.film import CONFIGS, Film


def write(path: Path, count: int) -> None:
    """A smooth texture that glides 3 px a frame, losslessly."""
    coarse = np.random.default_rng(5).integers(0, 256, (20, 40, 3), dtype=np.uint8)
    wide = cv2.resize(coarse, (240, 96), interpolation=cv2.INTER_CUBIC)
    frames = np.stack([wide[:, 3 * i : 3 * i + 128] for i in range(count)])
    words = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "128x96"]
    words += ["-i", "pipe:", "-c:v", "ffv1", "-pix_fmt", "gbrp", str(path)]
    subprocess.run(words, input=frames.tobytes(), check=True)


@pytest.fixture
def fresh(tmp_path: Path) -> str:
    """Weights whose flows are zero: an even blend."""
    net = Film(CONFIGS["film-xs"])
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "_convs.4" in name:
                parameter.zero_()
    path = str(tmp_path / "fresh.safetensors")
    weights.save(path, "film-xs", net.state_dict())
    return path


def test_methods_score_as_they_should(tmp_path: Path, fresh: str) -> None:
    write(tmp_path / "a.mkv", 7)
    makers = {"net": network(fresh), "blend": pairwise(blend), "DIS": pairwise(dis_flow)}
    result = score(str(tmp_path / "a.mkv"), makers)
    assert result["net"] == pytest.approx(result["blend"], abs=0.05)
    assert result["DIS"] > result["blend"] + 6


def test_even_counts_and_limits_rebuild_only_frames_between_two(tmp_path: Path) -> None:
    write(tmp_path / "a.mkv", 8)
    seen: list[int] = []

    def watch(kept: list[np.ndarray]) -> list[np.ndarray]:
        seen.append(len(kept))
        return pairwise(blend)(kept)

    score(str(tmp_path / "a.mkv"), {"watch": watch})
    score(str(tmp_path / "a.mkv"), {"watch": watch}, limit=2)
    assert seen == [4, 3]
    write(tmp_path / "b.mkv", 2)
    with pytest.raises(InputError, match="too short"):
        score(str(tmp_path / "b.mkv"), {"watch": watch})


def test_the_table_has_a_row_a_sequence_and_a_mean(
    tmp_path: Path, fresh: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    write(folder / "a.mkv", 5)
    write(folder / "b.mkv", 7)
    assert main([str(folder), "--weights", fresh, "--rivals", "--limit", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| sequence | fresh.safetensors | blend | DIS flow | minterpolate |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| a", "| b", "| mean"]
    assert main([str(tmp_path)]) == 3  # the weights file is no film
