"""Flows carried to the moment between two frames; where several arrive, the near ones count.

After section 3.1 of Bao et al., "Depth-Aware Video Frame Interpolation", CVPR 2019, in plain torch:
what arrives between pixels is shared by the four around it, so that the place has a gradient too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_FAINT = 1e-3
"""How much what is known half as finely counts beside what is known here: only in holes."""


def projected(flow: Tensor, nearness: Tensor, time: Tensor) -> Tensor:
    """Return the flow from the moment `time` back to the frame that `flow` leaves.

    `flow` `(B, 2, H, W)` px leads to the other frame, at a distance of 1; `nearness`
    `(B, 1, H, W)`, over 0, is the inverse of depth; `time` `(B, 1, 1, 1)`. Each pixel carries its
    flow along it for that time, and those that arrive at one place are averaged by nearness, never
    so that the far ones hide the near. Places where none arrive take the flow around them.
    """
    with torch.autocast(flow.device.type, enabled=False):
        way = time * flow
        weighed = torch.cat((-way * nearness, nearness), dim=1)
        arrived = splatted(weighed, way)
        filled = _filled(arrived)
        return filled[:, :2] / filled[:, 2:].clamp(min=1e-12)


def splatted(values: Tensor, way: Tensor) -> Tensor:
    """Return `values` `(B, C, H, W)`, each moved `way` `(B, 2, H, W)` px; sums, zero where none.

    A value between pixels goes to the four around it, by how near they are; beyond the edges it is
    lost.
    """
    B, C, height, width = values.shape
    columns = torch.arange(width, device=way.device, dtype=way.dtype)
    rows = torch.arange(height, device=way.device, dtype=way.dtype)
    x = (way[:, 0] + columns).clamp(-2, width + 1)  # (B, H, W), never far outside
    y = (way[:, 1] + rows[:, None]).clamp(-2, height + 1)
    left, top = x.detach().floor(), y.detach().floor()
    first = torch.arange(B, device=way.device)[:, None, None] * (height * width)
    table = values.permute(0, 2, 3, 1).reshape(-1, C)
    sums = torch.zeros_like(table)
    for right, below in ((0, 0), (0, 1), (1, 0), (1, 1)):
        at_x, at_y = left + right, top + below
        share = (1 - (x - at_x).abs()) * (1 - (y - at_y).abs())
        inside = (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
        place = first + at_y.clamp(0, height - 1).long() * width + at_x.clamp(0, width - 1).long()
        moved = table * (share * inside).reshape(-1, 1)
        sums = sums.index_add(0, place.reshape(-1), moved)
    return sums.view(B, height, width, C).permute(0, 3, 1, 2)


def _filled(known: Tensor) -> Tensor:
    """Return sums and weights `(B, 3, H, W)` with a little of what is known around in each."""
    height, width = known.shape[-2:]
    if min(height, width) < 2:
        return known
    coarse = _filled(F.avg_pool2d(known, 2, ceil_mode=True, count_include_pad=False))
    around = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return known + _FAINT * around[..., :height, :width]
