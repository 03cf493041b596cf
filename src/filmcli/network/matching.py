"""Matching at the wanted moment: up to four frames are fetched there, coarse to fine.

Flow lives on the grid of the wanted picture, as in RIFE (Huang et al., ECCV 2022), and points into
left, right, the frame before left and the one after right. Two frames tell where things go, not how
they get there; through four places at four moments goes one cubic (the idea is that of Xu et al.,
"Quadratic Video Interpolation", NeurIPS 2019). Where it is at the moment is where the thing is: all
four flows are moved there, as far as the network follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.network.correlation import correlate, neighbours, unit
from filmcli.network.layers import Block, conv, joined, roomy
from filmcli.network.pyramids import resize_like, warp

FRAMES = 4
"""Left, right, the frame before left and the one after right, in this order everywhere."""

_OUTER_REACH = 2  # px of a level, for the frames before and after
_WAYS = 2 * FRAMES
_TOLD = 2 + _WAYS + 1 + 1  # velocity, each frame's own, how far bends are followed, mask
_ROOM = 16  # for what is told: matrix units want such numbers of channels
_TRUSTING = 2.0  # logit of how far a fresh network follows the cubic


class Times(NamedTuple):
    """When four frames stand, left at 0 and right at 1, and which of them are known."""

    moment: Tensor  # (B,)
    frames: Tensor  # (B, 4)
    known: Tensor  # (B, 4), 1 or 0; left and right always are


class Matched(NamedTuple):
    """What is known at a level of the wanted picture."""

    ways: Tensor  # (B, 8, H, W) float32: flows into the four frames, px of this level
    mask: Tensor  # (B, 1, H, W) float32: logit of left against right
    state: Tensor  # (B, C, H, W): what the network remembers

    def on(self, finer: Tensor) -> Matched:
        """Return this on the grid of a level of twice the size, that of `finer`."""
        size = finer.shape[-2:]
        return Matched(
            resize_like(2 * self.ways, finer),
            resize_like(self.mask, finer),
            F.interpolate(self.state, size=size, mode="nearest-exact"),
        )


def cubic_shares(times: Times) -> Tensor:
    """Return by what shares the places at the frames make up the place at the moment, `(B, 4)`.

    They are Lagrange's, through the frames that are known; all 0 where only left and right are.
    """
    moment, frames, known = times
    shares = []
    for i in range(FRAMES):
        share = known[:, i]
        for j in range(FRAMES):
            if j != i:
                factor = (moment - frames[:, j]) / (frames[:, i] - frames[:, j])
                share = share * torch.where(known[:, j] > 0, factor, torch.ones_like(factor))
        shares.append(share)
    bends = known[:, 2:].amax(dim=1, keepdim=True)
    return torch.stack(shares, dim=1) * bends


class Matcher(nn.Module):
    """Reads from frames, fetched to the moment as well as is known, what is still missing.

    `features` is the width of the feature maps, `width` and `depth` are the network's, `reach` is
    how far, in px, left is sought in right, `state` the width of what it remembers.
    """

    def __init__(self, features: int, width: int, depth: int, reach: int, state: int) -> None:
        super().__init__()
        self._reach = reach
        alike = neighbours(reach) + 2 * neighbours(_OUTER_REACH)
        # The moment, whether the outer frames are known, the ways, their bend, the mask.
        planes = 1 + 2 + _WAYS + 2 + 1
        self._channels = roomy(2 * features + alike + planes + state)
        self.enter = conv(self._channels, width, 1)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(depth // 2)])
        self.leave = nn.Conv2d(width, _ROOM + state, 3, padding=1)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.leave.weight[:_TOLD] *= 0.1  # a fresh network moves things by little

    def forward(self, features: Tensor, known: Matched, times: Times, shares: Tensor) -> Matched:
        """Return what is known after a look at the four frames' features, `batched`.

        `shares` are those of `cubic_shares`.
        """
        ways, mask, state = known
        fetched = warp(features, ways.reshape(-1, 2, *ways.shape[-2:]))
        planes = _planes(ways, mask, times, shares)
        sides = _parted(fetched, FRAMES)[:, :2].unbind(dim=1)
        seen = [*sides, *self._alike(fetched, times), planes, state]
        x = self.enter(joined(seen, features, self._channels))
        out = self.leave(self.blocks(x))
        told = out[:, :_TOLD].float().contiguous()
        velocity, own, follow, side = torch.split(told, [2, _WAYS, 1, 1], dim=1)
        elapsed = (times.frames - times.moment[:, None])[:, :, None, None, None]  # (B, 4, 1, 1, 1)
        ways = ways + own + (elapsed * velocity[:, None]).flatten(1, 2)
        followed = torch.sigmoid(follow + _TRUSTING) * _bend(ways, shares)
        ways = (ways - followed.repeat(1, FRAMES, 1, 1)).contiguous()
        return Matched(ways, mask + side, F.leaky_relu(out[:, _ROOM:], 0.1))

    def _alike(self, fetched: Tensor, times: Times) -> list[Tensor]:
        """Return how alike right is to left, and the outer frames to the inner ones beside them."""
        frames = _parted(unit(fetched), FRAMES)
        inner, outer = (two.flatten(0, 1) for two in (frames[:, :2], frames[:, 2:]))
        beside = _parted(correlate(inner, outer, _OUTER_REACH), 2)
        known = times.known[:, 2:, None, None, None].to(beside.dtype)
        left, right = frames[:, 0], frames[:, 1]
        return [correlate(left, right, self._reach), *(beside * known).unbind(dim=1)]


def batched(maps: Sequence[Tensor]) -> Tensor:
    """Return the maps `(B, C, H, W)` of the four frames as one batch, `(4 B, C, H, W)`.

    A moment's four stand side by side, so that an operator asked once does for all: at the coarse
    levels a CPU takes as long for one map as for four, and a GPU always counts its operators.
    """
    moments = torch.stack([features.permute(0, 2, 3, 1) for features in maps], dim=1)
    return moments.flatten(0, 1).permute(0, 3, 1, 2)  # channels last, as they were


def _parted(batch: Tensor, frames: int) -> Tensor:
    """Return a batch of so many frames for every moment as `(B, frames, C, H, W)`."""
    return batch.view(-1, frames, *batch.shape[1:])


def _planes(ways: Tensor, mask: Tensor, times: Times, shares: Tensor) -> Tensor:
    """Return what is known besides pictures, `(B, 14, H, W)`; ways into unknown frames are 0."""
    B, _, H, W = ways.shape
    known = times.known[:, :, None, None]
    planes = [
        times.moment[:, None, None, None].expand(B, 1, H, W),
        known[:, 2:].expand(B, 2, H, W),
        ways * known.repeat_interleave(2, dim=1),
        _bend(ways, shares),
        mask,
    ]
    return torch.cat(planes, dim=1)


def _bend(ways: Tensor, shares: Tensor) -> Tensor:
    """Return where the path through the places at all frames is at the moment, `(B, 2, H, W)`."""
    B, _, H, W = ways.shape
    places = ways.view(B, FRAMES, 2, H, W)
    return (places * shares[:, :, None, None, None]).sum(dim=1)
