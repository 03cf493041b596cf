"""FILM's flow: residuals from coarse to fine, one predictor shared by the coarse levels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from filmcli.network.features import conv
from filmcli.network.pyramids import resize_like, warp


class FlowPyramids(NamedTuple):
    """Both flows of an interval at every level, finest first, float32 `(B, 2, H >> i, W >> i)`."""

    forward: list[Tensor]  # on left's grid, into right
    backward: list[Tensor]  # on right's grid, into left


class ResidualPredictor(nn.Module):
    """Convolutions that read a residual flow from two feature maps."""

    def __init__(self, in_channels: int, depth: int, filters: int) -> None:
        super().__init__()
        widths = [in_channels] + [filters] * depth
        self._convs = nn.ModuleList(conv(before, after, 3) for before, after in pairwise(widths))
        self._convs.append(conv(filters, filters // 2, 1))
        self._convs.append(conv(filters // 2, 2, 1, activate=False))

    def forward(self, pair: Tensor) -> Tensor:
        """Return the float32 residual flow `(B, 2, H, W)` of `pair` `(B, in_channels, H, W)`."""
        for layer in self._convs:
            pair = layer(pair)
        return pair.float().contiguous()


class FlowEstimator(nn.Module):
    """Coarse-to-fine flow from a feature pyramid to another.

    `channels[i]` is the width of feature level i, for the specialised levels and one
    more: the width of all coarser ones, which share a predictor.
    """

    def __init__(
        self, channels: Sequence[int], flow_convs: Sequence[int], flow_filters: Sequence[int]
    ) -> None:
        super().__init__()
        *specialised, shared = [
            ResidualPredictor(2 * width, depth, filters)
            for width, depth, filters in zip(channels, flow_convs, flow_filters, strict=True)
        ]
        self._predictor = shared
        self._predictors = nn.ModuleList(reversed(specialised))  # coarsest first, as published

    def _predictor_at(self, level: int) -> nn.Module:
        place = len(self._predictors) - 1 - level
        return self._predictors[place] if place >= 0 else self._predictor

    def forward(self, start: Sequence[Tensor], end: Sequence[Tensor]) -> list[Tensor]:
        """Return the flow pyramid that lives on `start`'s grid and points into `end`."""
        coarsest = len(start) - 1
        flow = self._predictor_at(coarsest)(torch.cat((start[-1], end[-1]), dim=1))
        flows = [flow]
        for level in range(coarsest - 1, -1, -1):
            flow = resize_like(2 * flow, start[level])
            pair = torch.cat((start[level], warp(end[level], flow)), dim=1)
            flow = flow + self._predictor_at(level)(pair)
            flows.insert(0, flow)
        return flows
