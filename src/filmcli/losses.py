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


def dissimilarity(made: Tensor, truth: Tensor) -> Tensor:
    """Return 1 - SSIM (Wang et al. 2004), by an 11x11 Gaussian window of 1.5 px, of R, G and B."""
    products = made * made, truth * truth, made * truth
    means = _blurred(torch.cat((made, truth, *products), dim=1)).chunk(5, dim=1)
    of_made, of_truth, made_squared, truth_squared, both = means
    spread = made_squared - of_made**2 + truth_squared - of_truth**2
    together = both - of_made * of_truth
    light = (2 * of_made * of_truth + 1e-4) / (of_made**2 + of_truth**2 + 1e-4)
    return 1 - (light * (2 * together + 9e-4) / (spread + 9e-4)).mean()


def _blurred(x: Tensor) -> Tensor:
    line = torch.exp(-((torch.arange(11, device=x.device) - 5) ** 2) / (2 * 1.5**2))
    line = (line / line.sum()).to(x.dtype).expand(x.shape[1], 1, 1, 11)
    x = F.conv2d(x, line, groups=x.shape[1])
    return F.conv2d(x, line.transpose(2, 3), groups=x.shape[1])


def fetched_frames(
    fetched: Sequence[Sequence[Tensor]], known: Tensor, truth: Sequence[Tensor]
) -> Tensor:
    """Return how far what coarse flows fetch is from the truth, summed over levels.

    `fetched[i]` are the four frames `(B, 3, H_i, W_i)` as fetched to the moment of `truth[i]`;
    `known` `(B, 4)` tells which frames there are. Of left and right the nearer counts most: where
    one of them is covered, no flow into it is right.
    """
    total = truth[0].new_zeros(())
    for frames, wanted in zip(fetched, truth, strict=True):
        wrong = torch.stack([(frame - wanted).abs().mean(dim=1) for frame in frames], dim=1)
        inner, outer = wrong[:, :2], (wrong[:, 2:] * known[:, 2:, None, None]).mean()
        total = total + inner.amin(dim=1).mean() + 0.6 * inner.mean() + 0.3 * outer
    return total


def flow_supervision(
    motions: Sequence[Tensor], ways: Sequence[Tensor], truth: Tensor, known: Tensor
) -> Tensor:
    """Return how far flows at the moment are from the truth, in px, averaged over levels.

    `motions` are the full-size flows into left and right, `ways` those of levels 2, 3, ... into all
    four frames; `truth` is `(B, 8, H, W)`, `known` `(B, 4)` tells which flows count. The error of
    level i is weighted by 2 ** (i / 2 - 1): between its own pixels, which would leave the coarse
    levels to drift, and full-size pixels, which would drown the fine ones. Outer frames count half.
    """
    counts = torch.cat((known[:, :2], known[:, 2:] / 2), dim=1)
    total = 0.25 * _apart(torch.cat(tuple(motions), dim=1), truth[:, :4], counts[:, :2])
    truth = F.avg_pool2d(truth, 2, 2) / 2
    for level, way in enumerate(ways):
        truth = F.avg_pool2d(truth, 2, 2) / 2
        total = total + 2 ** (level / 2) * _apart(way, truth, counts)
    return total / len(ways)


def _apart(flows: Tensor, truth: Tensor, counts: Tensor) -> Tensor:
    """Return the end point errors of N flows `(B, 2 N, H, W)`, summed by `counts` `(B, N)`."""
    squares = (flows - truth) ** 2
    errors = torch.sqrt(squares[:, ::2] + squares[:, 1::2] + 1e-4).mean(dim=(2, 3))
    return (errors * counts).sum(dim=1).mean()
