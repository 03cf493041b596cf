"""Pyramids and resampling: image pyramids, resizing, and warping along a flow.

Everything that touches a coordinate runs in float32 with autocast off.
"""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

# From here on a CPU is faster with the channels of a pixel side by side: 8 of them at 640x360 take
# 4.2 ms like that and 5.5 plane by plane, but 3 take 4.7 and 1.5.
_MANY_CHANNELS = 8


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
        pyramid.append(_halved(pyramid[-1]))
    return pyramid


def _halved(image: Tensor) -> Tensor:
    """Return the means of 2x2 pixels; sums of rows take a CPU a fifth of `avg_pool2d`'s time."""
    rows, columns = (side - side % 2 for side in image.shape[-2:])
    pairs = image[..., 0:rows:2, :columns] + image[..., 1:rows:2, :columns]
    return (pairs[..., 0::2] + pairs[..., 1::2]) / 4


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
    `(B, 2, H, W)` float32. Coordinates are clamped here rather than by `padding_mode="border"`,
    which not every device has.
    """
    height, width = flow.shape[-2:]
    with torch.autocast(flow.device.type, enabled=False):
        flow = flow.float()
        columns = torch.arange(width, device=flow.device, dtype=torch.float32)
        rows = torch.arange(height, device=flow.device, dtype=torch.float32)
        x = (flow[:, 0] + columns).clamp(0, width - 1)  # (B, H, W)
        y = (flow[:, 1] + rows[:, None]).clamp(0, height - 1)
        is_many = source.shape[1] >= _MANY_CHANNELS
        if is_many and flow.device.type == "cpu" and not torch.is_grad_enabled():
            return _gather(source, x, y)
        return _sample(source, x, y)


def _sample(source: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return `source` at `x`, `y` `(B, H, W)` in pixels, within the picture."""
    height, width = source.shape[-2:]
    # At the border the normalised coordinate is exact, so the padding is never read. The two lie
    # in planes: side by side they take ten times as long to put together on a CPU.
    grid = torch.stack((x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1), dim=1)
    warped = F.grid_sample(
        source.float(),
        grid.permute(0, 2, 3, 1),  # (B, H, W, 2), corners at -1 and 1
        padding_mode="zeros",
        align_corners=True,
    )
    return warped.to(source.dtype)


def _gather(source: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return what `_sample` does, as weighted sums of four rows of a table; channels last.

    With the channels of a pixel side by side in memory this is several times as fast on a CPU
    as `grid_sample` (51 channels at 640x384: 11 ms against 49), but has no second derivative.
    """
    B, height, width = x.shape
    left, top = x.floor().clamp_(max=max(width - 2, 0)), y.floor().clamp_(max=max(height - 2, 0))
    x, y = x - left, y - top
    columns = (0, 1 - x), (int(width > 1), x)  # how far right, how much
    rows = (0, 1 - y), (width * int(height > 1), y)
    first = torch.arange(0, B * height * width, height * width, dtype=torch.int32)
    # A flow that is not a number still needs a row; its weights make the result not a number.
    corner = (top * width + left).nan_to_num_(0).to(torch.int32) + first[:, None, None]
    # Written to where they are to lie: `torch.stack` takes twice as long.
    corners = torch.empty(B, height, width, 4, dtype=torch.int32)
    weights = torch.empty(B, height, width, 4)
    for k, ((down, vertical), (across, horizontal)) in enumerate(product(rows, columns)):
        torch.add(corner, down + across, out=corners[..., k])
        torch.mul(horizontal, vertical, out=weights[..., k])
    table = source.permute(0, 2, 3, 1).reshape(-1, source.shape[1])  # (B * H * W, C)
    sums = F.embedding_bag(
        corners.view(-1, 4),
        table,
        mode="sum",
        per_sample_weights=weights.view(-1, 4).to(source.dtype),
    )
    return sums.view(B, height, width, -1).permute(0, 3, 1, 2)
