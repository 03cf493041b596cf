"""What is laid over motion is recognised, and nothing that moves is taken for it."""

from __future__ import annotations

import torch
from torch import Tensor

from filmcli.network.titles import laid_over


def slid(px: int) -> tuple[Tensor, Tensor]:
    """A texture that slides by `px`, with a 6 px wide bar standing over it at columns 30 to 35."""
    wall = torch.rand(1, 3, 64, 64 + px, generator=torch.Generator().manual_seed(0))
    left, right = wall[..., :64].clone(), wall[..., px:].clone()
    left[..., 30:36] = right[..., 30:36] = 0.9
    return left, right


def test_what_is_laid_over_motion_is_recognised_and_nothing_else() -> None:
    left, right = slid(5)
    found = laid_over(left, right)[0, 0]
    assert (found[:, 30:36] == 1).all()
    assert found[:, :29].max() == 0 and found[:, 37:].max() == 0
    assert laid_over(left, left).max() == 0  # nothing moves: the flow is right there
    noisy = right + torch.randn(right.shape, generator=torch.Generator().manual_seed(1)) / 255
    assert (laid_over(left, noisy)[0, 0, :, 31:35] > 0.5).float().mean() > 0.9
