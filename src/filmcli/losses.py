"""What makes a made frame, a warped frame or a flow wrong.

Frames are float32 `(B, 3, H, W)` in [0, 1], flows `(B, 2, H, W)` in px of their level;
every loss is a scalar, computed in float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def charbonnier(made: Tensor, truth: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Return the mean of sqrt(difference² + epsilon²): an L1 with a smooth foot."""
    return torch.sqrt((made - truth) ** 2 + epsilon**2).mean()


def l1(made: Tensor, truth: Tensor) -> Tensor:
    """Return the mean absolute difference."""
    return (made - truth).abs().mean()


def census(made: Tensor, truth: Tensor, reach: int = 3) -> Tensor:
    """Return how much the local order of brightness differs, in [0, 1].

    Every pixel is described by its soft-signed differences to its (2 * reach + 1)²
    neighbours (7x7 by default); descriptions are compared by a soft Hamming distance.
    Blind to brightness, keen on edges and texture. Border pixels within `reach` are left out.
    """
    distance: Tensor = (_census_transform(made, reach) - _census_transform(truth, reach)) ** 2
    return (distance / (0.1 + distance)).mean()


def _census_transform(frame: Tensor, reach: int) -> Tensor:
    """Return `(B, (2 * reach + 1)² - 1, H - 2 * reach, W - 2 * reach)` in (-1, 1)."""
    grey = frame.mean(dim=1, keepdim=True) * 255  # (B, 1, H, W)
    height, width = (size - 2 * reach for size in grey.shape[-2:])
    centre = grey[..., reach : reach + height, reach : reach + width]
    steps = range(2 * reach + 1)
    neighbours = torch.cat(
        [
            grey[..., y : y + height, x : x + width]
            for y in steps
            for x in steps
            if (y, x) != (reach, reach)
        ],
        dim=1,
    )
    difference = neighbours - centre
    # 0.81 puts the soft sign's knee at about one grey level, under which it is mostly noise.
    return difference / torch.sqrt(0.81 + difference**2)


def laplacian_pyramid(made: Tensor, truth: Tensor, levels: int = 5) -> Tensor:
    """Return the L1 distance of the Laplacian pyramids, level i weighted by 2**i.

    The pyramids are of 2x2 means. Raises ValueError if the frames are under
    `2 ** (levels - 1)` px.
    """
    if min(made.shape[-2:]) < 1 << (levels - 1):
        raise ValueError(f"{tuple(made.shape[-2:])} is too small for {levels} levels")
    difference = made - truth  # the pyramid is linear: that of the difference is enough
    terms = []
    for level in range(levels - 1):
        coarse = F.avg_pool2d(difference, 2, 2)
        back = F.interpolate(
            coarse, size=difference.shape[-2:], mode="bilinear", align_corners=False
        )
        terms.append(2**level * (difference - back).abs().mean())
        difference = coarse
    terms.append(2 ** (levels - 1) * difference.abs().mean())
    return torch.stack(terms).sum()


VGG_WEIGHTS = (1 / 2.6, 1 / 4.8, 1 / 3.7, 1 / 5.6, 10 / 1.5)
"""FILM's weights of the five levels of `filmcli.network.vgg.Vgg19`, finest first."""


def perceptual(made: Sequence[Tensor], truth: Sequence[Tensor]) -> Tensor:
    """Return FILM's VGG loss of two lists of features `(B, C, H, W)`: their weighted L1, by 255."""
    levels = zip(VGG_WEIGHTS, made, truth, strict=True)
    return torch.stack([weight * l1(a, b) for weight, a, b in levels]).sum() / 255


def style(made: Sequence[Tensor], truth: Sequence[Tensor]) -> Tensor:
    """Return FILM's Gram loss: the weighted squared distance of the features' Gram matrices."""
    levels = zip(VGG_WEIGHTS, made, truth, strict=True)
    terms = [weight * ((_gram(a) - _gram(b)) ** 2).mean() for weight, a, b in levels]
    return torch.stack(terms).sum()


def _gram(features: Tensor) -> Tensor:
    """Return how channels go together, `(B, C, C)`: over pixels, means of products, by 255²."""
    flat = features.flatten(2) / 255  # (B, C, H * W)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def warped_frames(warped: Sequence[Tensor], truth: Tensor) -> Tensor:
    """Return the mean over levels of the Charbonnier loss of `warped` against `truth`.

    `warped[i]` is `(B, 3, H >> i, W >> i)`; `truth` is the full-size frame.
    """
    total = truth.new_zeros(())
    for level in warped:
        total = total + charbonnier(level, truth)
        truth = F.avg_pool2d(truth, 2, 2)
    return total / len(warped)


def choice(shares: Tensor, candidates: Sequence[Tensor], truth: Tensor) -> Tensor:
    """Return the mean error of the candidates by the shares they are given.

    `shares` is `(B, K, H, W)`, of 1 in all; the candidates are K frames. Unlike the error of
    their mixture, where wrong candidates may cancel out, it asks for the best one at every
    pixel. Only the shares are taught; errors are means of 3x3 pixels, as noise should not choose.
    """
    wrong = torch.stack([(frame.detach() - truth).abs().mean(dim=1) for frame in candidates], dim=1)
    return (shares * F.avg_pool2d(wrong, 3, 1, 1, count_include_pad=False)).sum(dim=1).mean()


def flow_supervision(flows: Sequence[Tensor], truth: Tensor, known: Tensor) -> Tensor:
    """Return how far a flow pyramid is from the truth, in px, averaged over levels.

    `flows[i]` is `(B, 2, H >> i, W >> i)` in px of level i; `truth` `(B, 2, H, W)`;
    `known` `(B, 1, H, W)` is 1 where the truth counts; elsewhere the error is taken for 0, so
    that a batch's loss is the mean of its samples' losses. The error of level i is weighted
    by 2 ** (i / 2): between its own pixels, which would leave the coarse levels to drift,
    and full-size pixels, which would drown the fine ones.
    """
    total = truth.new_zeros(())
    for level, flow in enumerate(flows):
        error = torch.sqrt(((flow - truth) ** 2).sum(dim=1, keepdim=True) + 1e-4)
        total = total + 2 ** (level / 2) * (error * known).mean()
        # The mean of the known flow of the 2x2 pixels below, in px of the coarser level.
        share = F.avg_pool2d(known, 2, 2)
        truth = F.avg_pool2d(truth * known, 2, 2) / share.clamp(min=1e-6) / 2
        known = (share > 0.5).float()
    return total / len(flows)
