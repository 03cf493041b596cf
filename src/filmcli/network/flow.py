"""Flow estimator: residual flows from coarse to fine, one predictor shared by the coarse levels.

Two frames tell where things go, not how they get there. Two more, the one before and the one
after, tell how the motion bends in between (Xu et al., "Quadratic Video Interpolation", NeurIPS
2019): their flows are those of the neighbouring intervals, and cost nothing in a film.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from filmcli.network.correlation import correlate, neighbours
from filmcli.network.features import conv
from filmcli.network.pyramids import resize_like, warp


class FlowPyramids(NamedTuple):
    """Both flows of an interval at every level, finest first, float32 `(B, 2, H >> i, W >> i)`.

    `bends`, if known, are by how much faster things get from one interval to the next, in px an
    interval: at left on its grid, and at right on its own.
    """

    forward: list[Tensor]  # on left's grid, into right
    backward: list[Tensor]  # on right's grid, into left
    bends: tuple[list[Tensor], list[Tensor]] | None = None


Outwards = tuple[Sequence[Tensor], float]
"""The flow pyramid from left into the frame before it, or from right into the one after, and how
far that frame is, in intervals."""


def bent(flows: FlowPyramids, before: Outwards | None, after: Outwards | None) -> FlowPyramids:
    """Return `flows` with how their motion bends, as the frames around the interval tell.

    Where one end's bend is not known, the other's stands for it.
    """
    at_left = _second_differences(flows.forward, *before) if before else None
    at_right = _second_differences(flows.backward, *after) if after else None
    left, right = at_left or at_right, at_right or at_left
    return flows._replace(bends=(left, right)) if left and right else flows


def _second_differences(
    inwards: Sequence[Tensor], outwards: Sequence[Tensor], distance: float
) -> list[Tensor]:
    """Return the bend at a frame by its flows into the interval and out of it, `distance` long."""
    scale = 2 / (1 + distance)
    return [
        scale * (inward + outward / distance)
        for inward, outward in zip(inwards, outwards, strict=True)
    ]


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
    more: the width of all coarser ones, which share a predictor. `reaches[i]`, if there and not
    0, gives the predictor of that level the correlations within so many px as well. `finest` is
    the last level with a predictor: the flow of finer ones is that one's, enlarged.
    """

    def __init__(
        self,
        channels: Sequence[int],
        flow_convs: Sequence[int],
        flow_filters: Sequence[int],
        reaches: Sequence[int] = (),
        finest: int = 0,
    ) -> None:
        super().__init__()
        self._reaches = (*reaches, *[0] * (len(channels) - len(reaches)))
        self._finest = finest
        levels = list(zip(channels, flow_convs, flow_filters, self._reaches, strict=True))
        *specialised, shared = [
            ResidualPredictor(2 * width + neighbours(reach), depth, filters)
            for width, depth, filters, reach in levels[finest:]
        ]
        self._predictor = shared
        self._predictors = nn.ModuleList(reversed(specialised))  # coarsest first, as published

    def _predictor_at(self, level: int) -> nn.Module:
        place = len(self._predictors) - 1 - (level - self._finest)
        return self._predictors[place] if place >= 0 else self._predictor

    def _pair(self, level: int, start: Tensor, end: Tensor) -> Tensor:
        """Return what the predictor of `level` sees, `(B, 2 C_i + neighbours, H_i, W_i)`."""
        reach = self._reaches[min(level, len(self._reaches) - 1)]
        alike = [correlate(start, end, reach)] if reach else []
        return torch.cat([start, end, *alike], dim=1)

    def forward(self, start: Sequence[Tensor], end: Sequence[Tensor]) -> list[Tensor]:
        """Return the flow pyramid that lives on `start`'s grid and points into `end`."""
        coarsest = len(start) - 1
        flow = self._predictor_at(coarsest)(self._pair(coarsest, start[-1], end[-1]))
        flows = [flow]
        for level in range(coarsest - 1, -1, -1):
            flow = resize_like(2 * flow, start[level])
            if level >= self._finest:
                pair = self._pair(level, start[level], warp(end[level], flow))
                flow = flow + self._predictor_at(level)(pair)
            flows.append(flow)
        return flows[::-1]
