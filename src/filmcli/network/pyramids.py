"""Pyramids and resampling: image pyramids, resizing, and warping along a flow.

Everything that touches a coordinate runs in float32 with autocast off.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def image_pyramid(frame: Tensor, levels: int) -> list[Tensor]:
    """Return `levels` images, each the 2x2 mean of the one before.

    `frame` is `(B, C, H, W)`; an odd last row or column is dropped, so level i is
    `(B, C, H >> i, W >> i)`. Raises ValueError if the coarsest level would be empty.
    """
    height, width = frame.shape[-2:]
    if min(height, width) >> (levels - 1) < 1:
        raise ValueError(f"a {width}x{height} frame is too small for {levels} pyramid levels")
    pyramid = [frame]
    for _ in range(levels - 1):
        pyramid.append(F.avg_pool2d(pyramid[-1], 2, 2))
    return pyramid


def resize_like(x: Tensor, reference: Tensor) -> Tensor:
    """Return `x` in float32, bilinearly resized (half-pixel centres) to `reference`'s H and W."""
    with torch.autocast(x.device.type, enabled=False):
        size = reference.shape[-2:]
        return F.interpolate(x.float(), size=size, mode="bilinear", align_corners=False)


def warp(source: Tensor, flow: Tensor) -> Tensor:
    """Return `source(p + flow(p))`, bilinear, with the border pixels repeated outwards.

    `source` is `(B, C, H, W)` of any float type, kept in the result; `flow` is
    `(B, 2, H, W)` float32. Coordinates are clamped here rather than by
    `padding_mode="border"`, which not every device has; at the border the
    normalised coordinate is exact, so the padding is never read.
    """
    height, width = flow.shape[-2:]
    with torch.autocast(source.device.type, enabled=False):
        flow = flow.float()
        columns = torch.arange(width, device=flow.device, dtype=torch.float32)
        rows = torch.arange(height, device=flow.device, dtype=torch.float32)
        x = (flow[:, 0] + columns).clamp(0, width - 1)  # (B, H, W)
        y = (flow[:, 1] + rows[:, None]).clamp(0, height - 1)
        grid = torch.stack(
            (x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1), dim=-1
        )  # (B, H, W, 2), corners at -1 and 1
        sampled = F.grid_sample(source.float(), grid, padding_mode="zeros", align_corners=True)
    return sampled.to(source.dtype)
