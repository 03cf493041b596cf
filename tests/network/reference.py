"""FILM a second time, straight from the published description and sharing no code with the first.

Slow and plain on purpose: parameters by name from a dict, sampling by four explicit
neighbours in float64 coordinates, every direction of flow on its own, flows rebuilt from
their residuals as the original does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Params = dict[str, Tensor]


def conv(params: Params, name: str, x: Tensor, padding: int) -> Tensor:
    return F.conv2d(x, params[f"{name}.weight"], params[f"{name}.bias"], padding=padding)


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def halve(x: Tensor) -> Tensor:
    height, width = x.shape[-2] // 2 * 2, x.shape[-1] // 2 * 2
    x = x[..., :height, :width]
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def sample(source: Tensor, flow: Tensor) -> Tensor:
    """out(p) = source(p + flow(p)): floor index bounded to [0, n - 2], fraction to [0, 1]."""
    batch, _, height, width = source.shape
    rows = torch.arange(height, dtype=torch.float64)[None, :, None]
    columns = torch.arange(width, dtype=torch.float64)[None, None, :]
    x, y = columns + flow[:, 0].double(), rows + flow[:, 1].double()
    x0 = x.floor().clamp(0, max(width - 2, 0))
    y0 = y.floor().clamp(0, max(height - 2, 0))
    fx, fy = (x - x0).clamp(0, 1)[:, None], (y - y0).clamp(0, 1)[:, None]
    item = torch.arange(batch)[:, None, None]

    def at(row: Tensor, column: Tensor) -> Tensor:
        row, column = row.long().clamp(0, height - 1), column.long().clamp(0, width - 1)
        return source.permute(0, 2, 3, 1)[item, row, column].permute(0, 3, 1, 2).double()

    top = at(y0, x0) * (1 - fx) + at(y0, x0 + 1) * fx
    bottom = at(y0 + 1, x0) * (1 - fx) + at(y0 + 1, x0 + 1) * fx
    return (top * (1 - fy) + bottom * fy).float()


def nearest(x: Tensor, height: int, width: int) -> Tensor:
    rows = ((torch.arange(height) + 0.5) * x.shape[-2] / height).long()
    columns = ((torch.arange(width) + 0.5) * x.shape[-1] / width).long()
    return x[..., rows, :][..., columns]


def resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def features(params: Params, images: list[Tensor], sub_levels: int) -> list[Tensor]:
    levels = len(images)
    maps: dict[tuple[int, int], Tensor] = {}
    for i, image in enumerate(images):
        x = image
        for j in range(min(levels - i, sub_levels)):
            x = halve(x) if j else x
            for b in (0, 1):
                x = leaky(conv(params, f"extract.extract_sublevels.convs.{j}.{b}.0", x, 1))
            maps[i, j] = x
    return [
        torch.cat([maps[i - j, j] for j in range(sub_levels) if i - j >= 0], 1)
        for i in range(levels)
    ]


def residual(params: Params, level: int, specialised: int, pair: Tensor) -> Tensor:
    name = f"predict_flow._predictors.{specialised - 1 - level}"
    name = name if level < specialised else "predict_flow._predictor"
    for c in range(4):
        pair = leaky(conv(params, f"{name}._convs.{c}.0", pair, 1 if c < 3 else 0))
    return conv(params, f"{name}._convs.4.0", pair, 0)


def flow_pyramid(
    params: Params, a: list[Tensor], b: list[Tensor], specialised: int
) -> list[Tensor]:
    coarsest = len(a) - 1
    residuals = {coarsest: residual(params, coarsest, specialised, torch.cat((a[-1], b[-1]), 1))}
    v = residuals[coarsest]
    for i in range(coarsest - 1, -1, -1):
        v = resize(2 * v, a[i])
        pair = torch.cat((a[i], sample(b[i], v)), 1)
        residuals[i] = residual(params, i, specialised, pair)
        v = v + residuals[i]
    flows = {coarsest: residuals[coarsest]}
    for i in range(coarsest - 1, -1, -1):
        flows[i] = residuals[i] + resize(2 * flows[i + 1], residuals[i])
    return [flows[i] for i in range(coarsest + 1)]


def film(
    params: Params,
    left: Tensor,
    right: Tensor,
    phase: float,
    *,
    levels: int = 7,
    sub_levels: int = 4,
    specialised: int = 3,
    fusion_levels: int = 5,
) -> Tensor:
    """The published network (head "rgb", no phase plane) at `phase`."""
    pyramids = []
    for frame in (left, right):
        images = [frame]
        while len(images) < levels:
            images.append(halve(images[-1]))
        pyramids.append((images, features(params, images, sub_levels)))
    (images0, features0), (images1, features1) = pyramids
    forward = flow_pyramid(params, features0, features1, specialised)
    backward = flow_pyramid(params, features1, features0, specialised)
    aligned = []
    for i in range(fusion_levels):
        to0, to1 = backward[i] * phase, forward[i] * (1 - phase)
        parts = [sample(images0[i], to0), sample(features0[i], to0)]
        parts += [sample(images1[i], to1), sample(features1[i], to1), to0, to1]
        aligned.append(torch.cat(parts, 1))
    net = aligned[-1]
    for n, i in enumerate(range(fusion_levels - 2, -1, -1)):
        net = nearest(net, *aligned[i].shape[-2:])
        net = F.pad(net, (0, 1, 0, 1))
        net = conv(params, f"fuse.convs.{n}.0.0", net, 0)
        net = torch.cat((aligned[i], net), 1)
        net = leaky(conv(params, f"fuse.convs.{n}.1.0", net, 1))
        net = leaky(conv(params, f"fuse.convs.{n}.2.0", net, 1))
    return conv(params, "fuse.output_conv", net, 0)
