"""Feature extractor: one small network shared by all levels of the image pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FramePyramids(NamedTuple):
    """Everything about one source frame that its two intervals share, finest level first."""

    images: list[Tensor]  # (B, 3, H >> i, W >> i)
    features: list[Tensor]  # (B, C_i, H >> i, W >> i)
    smears: Sequence[Tensor] = ()  # those of `sway.smear`, of a network that reads motion blur


def conv(in_channels: int, out_channels: int, size: int, *, activate: bool = True) -> nn.Sequential:
    """Return a square convolution, with a leaky ReLU of slope 0.2 behind it if `activate`.

    Odd sizes keep the picture's size. Weights are Glorot uniform and biases zero, as in
    the original.
    """
    layer = nn.Conv2d(in_channels, out_channels, size, padding=(size - 1) // 2)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    if not activate:
        return nn.Sequential(layer)
    return nn.Sequential(layer, nn.LeakyReLU(0.2, inplace=True))


class SubTree(nn.Module):
    """The stages applied to one image: two 3x3 convolutions each, 2x2 pooling between stages."""

    def __init__(self, filters: int, stages: int) -> None:
        super().__init__()
        widths = [3] + [filters << stage for stage in range(stages)]
        self.convs = nn.ModuleList(
            nn.Sequential(conv(before, after, 3), conv(after, after, 3))
            for before, after in pairwise(widths)
        )

    def forward(self, image: Tensor, stages: int) -> list[Tensor]:
        """Return the first `stages` feature maps of `image` `(B, 3, H, W)`, finest first.

        They are of the weights' type; images keep float32 whatever that is.
        """
        precision = self.convs[0][0][0].weight.dtype  # type: ignore[index]
        maps = [self.convs[0](image.to(precision))]
        for stage in self.convs[1:stages]:
            maps.append(stage(F.avg_pool2d(maps[-1], 2, 2)))
        return maps


class FeatureExtractor(nn.Module):
    """Scale-agnostic features: the stages' maps of neighbouring levels, by resolution."""

    def __init__(self, filters: int, sub_levels: int) -> None:
        super().__init__()
        self.extract_sublevels = SubTree(filters, sub_levels)
        self.sub_levels = sub_levels

    def forward(self, images: list[Tensor]) -> list[Tensor]:
        """Return one feature map a level of the image pyramid `images`.

        Level i has `filters * (2**min(i + 1, sub_levels) - 1)` channels: stage 0 of
        level i, stage 1 of level i - 1, and so on.
        """
        levels = len(images)
        maps = [
            self.extract_sublevels(image, min(levels - level, self.sub_levels))
            for level, image in enumerate(images)
        ]
        return [
            torch.cat([maps[i - j][j] for j in range(min(i + 1, self.sub_levels))], dim=1)
            for i in range(levels)
        ]
