"""The U-Net that the networks here find motion, depth and kernels with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.network.features import conv


class UNet(nn.Module):
    """Pictures in, `after` channels of the same size out; its last layer has no activation.

    `widths` are the channels of each level, the finest first; every level but the first is half
    as large as the one before. Sides of any length are continued to what halves evenly. A fresh
    network gives zeros.
    """

    def __init__(self, before: int, after: int, widths: Sequence[int], size: int = 3) -> None:
        super().__init__()
        self.enter = conv(before, widths[0], size)
        self.down = nn.ModuleList(
            nn.Sequential(conv(fine, coarse, 3), conv(coarse, coarse, 3))
            for fine, coarse in pairwise(widths)
        )
        self.up = nn.ModuleList(
            conv(coarse + fine, fine, 3) for fine, coarse in reversed(list(pairwise(widths)))
        )
        self.output_conv = zeroed(nn.Conv2d(widths[0], after, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return what the network makes of `x` `(B, before, H, W)`: `(B, after, H, W)` float32."""
        height, width = x.shape[-2:]
        multiple = 1 << len(self.down)
        beyond = (0, -width % multiple, 0, -height % multiple)
        net = self.enter(F.pad(x, beyond, mode="replicate"))
        kept = []
        for layer in self.down:
            kept.append(net)
            net = layer(F.avg_pool2d(net, 2))
        for layer, level in zip(self.up, reversed(kept), strict=True):
            net = layer(torch.cat((doubled(net), level), dim=1))
        out: Tensor = self.output_conv(net)
        return out[..., :height, :width].float()


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """Return `layer` with weights and biases of zero."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def doubled(x: Tensor) -> Tensor:
    """Return `x` at twice its size, bilinearly."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
