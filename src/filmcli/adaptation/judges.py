"""How different a made frame looks from the true one, where decibels do not see it.

By LPIPS if its weights are installed; if not, by how sharp a frame is, since what decibels like and
eyes do not is a blur. The one that is used is part of a recipe: another may let other weights pass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from filmcli.lpips import is_lpips_here, load_lpips

LPIPS, SHARPNESS = "LPIPS", "sharpness"

Judge = Callable[[Tensor, Tensor], Tensor]
"""(made, true), `(B, 3, H, W)` in [0, 1] -> how different they look `(B,)`, less is better."""


def judge_here() -> str:
    """Return the name of the best judge that is installed; nothing is loaded for that."""
    return LPIPS if is_lpips_here() else SHARPNESS


@lru_cache(maxsize=1)
def judge_named(name: str, device: torch.device) -> Judge:
    """Return the judge of that name; MachineError if its weights are not there."""
    return load_lpips().to(device) if name == LPIPS else unsharpness


def unsharpness(made: Tensor, true: Tensor) -> Tensor:
    """Return how many times too blurred or too sharp the made frames are `(B,)`, from 1."""
    times = (_steepness(made) + 1e-4) / (_steepness(true) + 1e-4)
    return torch.maximum(times, 1 / times)


def _steepness(frame: Tensor) -> Tensor:
    """Return the mean of differences between neighbours, down and to the right, `(B,)`."""
    down, right = frame.diff(dim=2).abs(), frame.diff(dim=3).abs()
    return down.mean(dim=(1, 2, 3)) + right.mean(dim=(1, 2, 3))
