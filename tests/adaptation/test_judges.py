"""How different frames look, with and without LPIPS's weights."""

from __future__ import annotations

from importlib import metadata

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from filmcli.adaptation.judges import LPIPS, SHARPNESS, judge_here, judge_named, unsharpness
from filmcli.errors import MachineError

CPU = torch.device("cpu")


def texture() -> Tensor:
    grain = np.random.default_rng(0).uniform(0.2, 0.8, (64, 64, 3)).astype(np.float32)
    return tensor(cv2.GaussianBlur(grain, (0, 0), 1.0))


def tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


def blurred(frame: Tensor, sigma: float) -> Tensor:
    return tensor(cv2.GaussianBlur(frame[0].permute(1, 2, 0).numpy(), (0, 0), sigma))


@pytest.mark.parametrize("name", [LPIPS, SHARPNESS])
def test_a_blur_looks_the_more_different_the_more_it_blurs(name: str) -> None:
    judge, frame = judge_named(name, CPU), texture()
    same, soft, softer = (
        float(judge(made, frame)) for made in (frame, blurred(frame, 0.7), blurred(frame, 1.5))
    )
    assert same < soft < softer


def test_too_sharp_is_as_wrong_as_too_soft() -> None:
    ramp = torch.linspace(0, 0.4, 32).expand(1, 3, 32, 32)
    flat = torch.full_like(ramp, 0.5)
    assert float(unsharpness(ramp, ramp)) == 1
    assert float(unsharpness(2 * ramp, ramp)) == pytest.approx(2, abs=0.02)
    assert float(unsharpness(ramp / 2, ramp)) == pytest.approx(2, abs=0.03)
    assert float(unsharpness(flat, flat)) == 1  # nothing to be sharp


def test_frames_of_a_batch_are_judged_alone() -> None:
    frame = texture()
    made = torch.cat([frame, blurred(frame, 1.0)])
    apart = [float(unsharpness(one, frame)) for one in made[:, None]]
    assert unsharpness(made, frame.expand_as(made)).tolist() == pytest.approx(apart)


def test_without_the_weights_sharpness_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judge_here() == LPIPS

    def nothing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", nothing)
    assert judge_here() == SHARPNESS
    judge_named.cache_clear()
    with pytest.raises(MachineError):
        judge_named(LPIPS, CPU)
