"""Pyramids and resampling: image pyramids, resizing, and warping along a flow.

Everything that touches a coordinate runs in float32 with autocast off.
"""

from __future__ import annotations

from collections.abc import Sequence

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
        # Plane by plane: two channels side by side take three times as long on a CPU.
        x = x.float().contiguous()
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def warp(source: Tensor, flow: Tensor) -> Tensor:
    """Return `source(p + flow(p))`, bilinear, with the border pixels repeated outwards.

    `source` is `(B, C, H, W)` of any float type, kept in the result; `flow` is
    `(B, 2, H, W)` float32.
    """
    return warp_all((source,), flow)[0]


def warp_all(sources: Sequence[Tensor], flow: Tensor) -> list[Tensor]:
    """Return every one of `sources` warped along the same `flow`, as `warp` does.

    Coordinates are clamped here rather than by `padding_mode="border"`, which not every
    device has.
    """
    height, width = flow.shape[-2:]
    with torch.autocast(flow.device.type, enabled=False):
        flow = flow.float()
        columns = torch.arange(width, device=flow.device, dtype=torch.float32)
        rows = torch.arange(height, device=flow.device, dtype=torch.float32)
        x = (flow[:, 0] + columns).clamp(0, width - 1)  # (B, H, W)
        y = (flow[:, 1] + rows[:, None]).clamp(0, height - 1)
        if flow.device.type == "cpu" and not torch.is_grad_enabled():
            return _gather(sources, x, y)
        # At the border the normalised coordinate is exact, so the padding is never read.
        grid = torch.stack(
            (x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1), dim=-1
        )  # (B, H, W, 2), corners at -1 and 1
        return [
            F.grid_sample(source.float(), grid, padding_mode="zeros", align_corners=True).to(
                source.dtype
            )
            for source in sources
        ]


def _gather(sources: Sequence[Tensor], x: Tensor, y: Tensor) -> list[Tensor]:
    """Return `sources` at `x`, `y` `(B, H, W)` in pixels, as weighted sums of four table rows.

    With the channels of a pixel side by side in memory this is several times as fast on a CPU
    as `grid_sample` (51 channels at 640x384: 11 ms against 49), but has no second derivative.
    The results are in the channels-last format.
    """
    B, height, width = x.shape
    left, top = x.floor().clamp_(max=max(width - 2, 0)), y.floor().clamp_(max=max(height - 2, 0))
    x, y = x - left, y - top
    left_weight, top_weight = 1 - x, 1 - y
    first = torch.arange(0, B * height * width, height * width, dtype=torch.int32)
    # A flow that is not a number still needs a row; its weights make the result not a number.
    corner = (top * width + left).nan_to_num_(0).to(torch.int32) + first[:, None, None]
    across, down = int(width > 1), width * int(height > 1)
    corners = torch.stack(
        (corner, corner + across, corner + down, corner + down + across), dim=-1
    ).view(-1, 4)  # (B * H * W, 4)
    weights = torch.stack(
        (left_weight * top_weight, x * top_weight, left_weight * y, x * y), dim=-1
    ).view(-1, 4)
    warped = []
    for source in sources:
        table = source.permute(0, 2, 3, 1).reshape(-1, source.shape[1])  # (B * H * W, C)
        rows = F.embedding_bag(
            corners, table, mode="sum", per_sample_weights=weights.to(source.dtype)
        )
        warped.append(rows.view(B, height, width, -1).permute(0, 3, 1, 2))
    return warped
