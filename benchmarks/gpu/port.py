"""FILM as its public PyTorch port runs it: a pair at a time, nothing shared, nothing recorded.

Written anew from the published description, plainly: every layer a call, each direction of flow on
its own, pictures and features warped one after the other. It reads the weights of `film` by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Params = Mapping[str, Tensor]

LEVELS, SUB_LEVELS, FUSED = 7, 4, 5
_SPECIAL = 3  # levels of flow with a predictor of their own


def film(params: Params, left: Tensor, right: Tensor, phase: float) -> Tensor:
    """Return the frame at `phase` between two `(B, 3, H, W)`, H and W multiples of 64."""
    images = [_pyramid(frame) for frame in (left, right)]
    features = [_features(params, of_frame) for of_frame in images]
    forward, backward = (_flows(params, features[i], features[1 - i]) for i in (0, 1))
    aligned = []
    for level in range(FUSED):
        ways = backward[level] * phase, forward[level] * (1 - phase)
        parts = [
            _warp(kind[side][level], ways[side]) for side in (0, 1) for kind in (images, features)
        ]
        aligned.append(torch.cat((*parts, *ways), dim=1))
    net = aligned.pop()
    for stage, level in enumerate(reversed(aligned)):
        net = F.interpolate(net, size=level.shape[-2:], mode="nearest")
        net = _conv(params, f"fuse.convs.{stage}.0.0", net, active=False)
        net = torch.cat((level, net), dim=1)
        for layer in (1, 2):
            net = _conv(params, f"fuse.convs.{stage}.{layer}.0", net)
    return _conv(params, "fuse.output_conv", net, active=False)


def _conv(params: Params, name: str, x: Tensor, *, active: bool = True) -> Tensor:
    """Return `x` convolved at its own size; an even kernel looks behind."""
    weight = params[f"{name}.weight"]
    around, behind = (weight.shape[-1] - 1) // 2, 1 - weight.shape[-1] % 2
    x = F.pad(x, (0, behind, 0, behind)) if behind else x
    x = F.conv2d(x, weight, params[f"{name}.bias"], padding=around)
    return F.leaky_relu(x, 0.2) if active else x


def _pyramid(frame: Tensor) -> list[Tensor]:
    images = [frame]
    while len(images) < LEVELS:
        images.append(F.avg_pool2d(images[-1], 2, 2))
    return images


def _features(params: Params, images: Sequence[Tensor]) -> list[Tensor]:
    maps: list[list[Tensor]] = []
    for level, image in enumerate(images):
        x, stages = image, []
        for stage in range(min(LEVELS - level, SUB_LEVELS)):
            x = F.avg_pool2d(x, 2, 2) if stage else x
            for layer in (0, 1):
                x = _conv(params, f"extract.extract_sublevels.convs.{stage}.{layer}.0", x)
            stages.append(x)
        maps.append(stages)
    return [
        torch.cat([maps[level - stage][stage] for stage in range(min(level + 1, SUB_LEVELS))], 1)
        for level in range(LEVELS)
    ]


def _flows(params: Params, start: Sequence[Tensor], end: Sequence[Tensor]) -> list[Tensor]:
    """Return the flow from `start` into `end` at every level, finest first."""
    flow, flows = start[-1].new_zeros(()), []
    for level in range(LEVELS - 1, -1, -1):
        to = end[level]
        if flows:
            size = to.shape[-2:]
            flow = F.interpolate(2 * flow, size=size, mode="bilinear", align_corners=False)
            to = _warp(to, flow)
        place = _SPECIAL - 1 - level
        name = "predict_flow._predictor" + (f"s.{place}" if place >= 0 else "")
        x = torch.cat((start[level], to), dim=1)
        for layer in range(4):
            x = _conv(params, f"{name}._convs.{layer}.0", x)
        flow = flow + _conv(params, f"{name}._convs.4.0", x, active=False)
        flows.insert(0, flow)
    return flows


def _warp(source: Tensor, flow: Tensor) -> Tensor:
    """Return `source(p + flow(p))`, the border's pixels repeated outwards."""
    _, _, height, width = flow.shape
    x = torch.arange(width, device=flow.device) + 0.5 + flow[:, 0].float()
    y = (torch.arange(height, device=flow.device) + 0.5)[:, None] + flow[:, 1].float()
    grid = torch.stack((2 * x / width - 1, 2 * y / height - 1), dim=-1).to(source.dtype)
    return F.grid_sample(source, grid, padding_mode="border", align_corners=False)
