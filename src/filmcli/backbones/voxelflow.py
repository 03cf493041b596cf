"""A small network unlike FILM with FILM's call signature: one U-Net, one flow, one mask.

After Liu et al., "Video Frame Synthesis using Deep Voxel Flow", ICCV 2017, without its batch
norm, and with a phase: every pixel of the wanted frame has one straight motion from left to
right. It shows that adaptation and meta-training are tied to no particular network.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.network.features import conv
from filmcli.network.pyramids import warp


class VoxelFlow(nn.Module):
    """Both frames in, `(dx, dy)` of the motion and a mask out; the frame is the masked blend.

    `reach_px` is the longest motion from left to right along one axis. A fresh network makes
    the plain blend of its inputs.
    """

    def __init__(self, filters: int = 16, reach_px: float = 32.0) -> None:
        super().__init__()
        self.reach_px = reach_px
        widths = [filters, 2 * filters, 4 * filters]
        self.down = nn.ModuleList(
            [conv(6, widths[0], 5), conv(widths[0], widths[1], 5), conv(widths[1], widths[2], 3)]
        )
        self.bottom = conv(widths[2], widths[2], 3)
        self.up = nn.ModuleList(
            [
                conv(widths[2] + widths[2], widths[2], 3),
                conv(widths[2] + widths[1], widths[1], 5),
                conv(widths[1] + widths[0], widths[0], 5),
            ]
        )
        self.output_conv = nn.Conv2d(widths[0], 3, 5, padding=2)
        nn.init.zeros_(self.output_conv.weight)
        nn.init.zeros_(self.output_conv.bias)  # type: ignore[arg-type]

    def forward(self, left: Tensor, right: Tensor, phase: Tensor) -> Tensor:
        """Return the frame at `phase` `(B,)` between `left` and `right` `(B, 3, H, W)`."""
        height, width = left.shape[-2:]
        beyond = (0, -width % 8, 0, -height % 8)
        net = F.pad(torch.cat((left, right), dim=1), beyond, mode="replicate")  # (B, 6, H', W')
        kept = []
        for layer in self.down:
            kept.append(layer(net))
            net = F.max_pool2d(kept[-1], 2)
        net = self.bottom(net)
        for layer, level in zip(self.up, reversed(kept), strict=True):
            net = F.interpolate(net, scale_factor=2, mode="bilinear", align_corners=False)
            net = layer(torch.cat((net, level), dim=1))
        out = self.output_conv(net)[..., :height, :width]  # (B, 3, H, W)
        time = phase[:, None, None, None]  # (B, 1, 1, 1)
        motion = self.reach_px * torch.tanh(out[:, :2])
        mask = torch.sigmoid(out[:, 2:] + torch.logit(1 - time, eps=1e-6))
        return mask * warp(left, -motion * time) + (1 - mask) * warp(right, motion * (1 - time))
