"""Titles: what is laid over a moving picture, words and logos, stands still."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_EQUAL_LEVELS = 3.0, 6.0  # certainly, no longer
_MOVING_LEVELS = 6.0, 12.0  # not yet, certainly


@torch.no_grad()
def laid_over(left: Tensor, right: Tensor) -> Tensor:
    """Return how surely pixels stand still over motion, `(B, 1, H, W)` in 0..1: titles and logos.

    They lie in 3x3 equal pixels, and what is around them changes. The flow follows what moves, and
    nothing else in two frames tells a title from what passes behind it: without this, white
    words over a slide of 8 px are off by 118 levels, with it by 2 (`python -m benchmarks.overlay`).
    """
    change = (left - right).abs().amax(dim=1, keepdim=True) * 255  # levels of 8 bits
    calmest = -_largest_around(-_largest_around(change))  # of the 3x3 that the pixel is in
    around = F.avg_pool2d(
        F.avg_pool2d(change, 8, 8, ceil_mode=True), 5, 1, 2, count_include_pad=False
    )
    around = F.interpolate(around, size=change.shape[-2:], mode="bilinear", align_corners=False)
    equal = ((_EQUAL_LEVELS[1] - calmest) / (_EQUAL_LEVELS[1] - _EQUAL_LEVELS[0])).clamp(0, 1)
    moving = (around - _MOVING_LEVELS[0]) / (_MOVING_LEVELS[1] - _MOVING_LEVELS[0])
    return equal * moving.clamp(0, 1)


def _largest_around(plane: Tensor) -> Tensor:
    """Return the largest value in the 3x3 around each; `max_pool2d` takes several times as long."""
    plane = F.pad(plane, (1, 1, 1, 1), mode="replicate")
    plane = torch.maximum(torch.maximum(plane[..., :-2], plane[..., 1:-1]), plane[..., 2:])
    rows = plane[..., :-2, :], plane[..., 1:-1, :], plane[..., 2:, :]
    return torch.maximum(torch.maximum(rows[0], rows[1]), rows[2])
