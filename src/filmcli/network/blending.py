"""Blending: both neighbours, fetched to the moment, become one picture.

A U-Net over half, quarter and eighth of the size says how the flows have to be corrected at full
size; what the corrected flows fetch is looked at once more, folded (space to depth), before it is
blended. Full size itself sees two warps, a blend and no convolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.network.features import FramePyramids
from filmcli.network.layers import Block, conv, joined, roomy
from filmcli.network.matching import Matched, Times
from filmcli.network.pyramids import resize_like, warp
from filmcli.network.synthesis import Synthesis, mixed
from filmcli.network.titles import laid_over

_SIDES = 2
_FOLDED = 4  # pixels of full size in one of half size
_PAINTED = 1, 3, 1  # mask, residual, sharpness
_ROOM = 8


class Blender(nn.Module):
    """Makes the picture from left, right (their features from level 1 on) and what matching found.

    `features` are the widths of the features of levels 1, 2 and 3, `widths` those of the U-Net
    there, `state` that of what matching remembers.
    """

    def __init__(
        self, features: tuple[int, int, int], widths: tuple[int, int, int], state: int
    ) -> None:
        super().__init__()
        half, quarter, eighth = widths
        # Both sides' features and pictures, how these differ, flows, mask and moment.
        self._channels = roomy(2 * features[0] + 6 + 1 + 4 + 1 + 1)
        self.enter = conv(self._channels, half)
        self.down = conv(half, quarter, 2, 2)
        self.join = conv(quarter + 2 * features[1] + state, quarter, 1)
        self.middle = Block(quarter)
        self.down2 = conv(quarter, eighth, 2, 2)
        self.join2 = conv(eighth + 2 * features[2] + state, eighth, 1)
        self.bottom = Block(eighth)
        self.up2 = conv(eighth, quarter, 1)
        self.rejoin2 = nn.Sequential(conv(2 * quarter, quarter, 1), Block(quarter))
        self.up = conv(quarter, half, 1)
        self.rejoin = nn.Sequential(conv(2 * half, half), conv(half, half))
        self.correct = nn.Conv2d(half, _FOLDED * 2 * _SIDES, 3, padding=1)
        self.look = nn.Sequential(conv(half + _FOLDED * 3 * _SIDES, half), conv(half, half))
        self.paint = nn.Conv2d(half, _FOLDED * _ROOM, 3, padding=1)
        for last in (self.correct, self.paint):
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]
            with torch.no_grad():
                last.weight *= 0.1

    def forward(
        self, left: FramePyramids, right: FramePyramids, levels: Sequence[Matched], times: Times
    ) -> Synthesis:
        """Return the picture at the moment; `levels` is what matching knows at levels 2, 3, ..."""
        seen, motion = self._decode(left, right, levels, times)
        full = left.images[0]
        motion = motion + _unfolded(self.correct(seen))
        to_left, to_right = motion.chunk(2, dim=1)
        at_left, lost_left = _fetched(full, to_left)
        at_right, lost_right = _fetched(right.images[0], to_right)
        folded = [F.pixel_unshuffle(picture, 2) for picture in (at_left, at_right)]
        painted = _unfolded(self.paint(self.look(joined([seen, *folded], seen))))
        logit, residual, sharpness, _ = torch.split(
            painted, [*_PAINTED, _ROOM - sum(_PAINTED)], dim=1
        )
        time = times.moment[:, None, None, None]
        logit = logit + resize_like(levels[0].mask, full) + torch.logit(1 - time, eps=1e-3)
        both = full, right.images[0]
        still = laid_over(*both, to_right - to_left)
        share = torch.sigmoid(logit)
        shares = torch.cat((share * (1 - still), (1 - share) * (1 - still), still), dim=1)
        lost = share * lost_left + (1 - share) * lost_right
        moving = residual + sharpness * lost
        frame = mixed([at_left, at_right, torch.lerp(*both, time)], shares) + (1 - still) * moving
        ways = [level.ways for level in levels]
        return Synthesis(frame, (to_left, to_right), shares, time, ways)

    def _decode(
        self, left: FramePyramids, right: FramePyramids, levels: Sequence[Matched], times: Times
    ) -> tuple[Tensor, Tensor]:
        """Return what the U-Net makes of both sides at half size, and the motion at full size."""
        quarter = levels[0].ways[:, : 2 * _SIDES]
        half = resize_like(2 * quarter, left.features[0])
        eighth = resize_like(quarter / 2, left.features[2])
        maps = [
            [warp(side.features[level], way) for side, way in zip((left, right), ways, strict=True)]
            for level, ways in enumerate(at.chunk(2, dim=1) for at in (half, quarter, eighth))
        ]
        pictures = [
            warp(side.images[1], way)
            for side, way in zip((left, right), half.chunk(2, dim=1), strict=True)
        ]
        differ = (pictures[0] - pictures[1]).abs().mean(dim=1, keepdim=True)
        mask = resize_like(levels[0].mask, half)
        moment = times.moment[:, None, None, None].expand_as(mask)
        like = maps[0][0]
        planes = torch.cat((*pictures, differ, half / 8, mask, moment), dim=1)
        x1 = self.enter(joined([*maps[0], planes], like, self._channels))
        x2 = self.middle(self.join(joined([self.down(x1), *maps[1], levels[0].state], like)))
        x3 = [self.down2(x2), *maps[2], levels[1].state]
        x3 = self.bottom(self.join2(joined(x3, like)))
        x2 = self.rejoin2(joined([_enlarged(self.up2(x3), x2), x2], like))
        x1 = self.rejoin(joined([_enlarged(self.up(x2), x1), x1], like))
        return x1, resize_like(4 * quarter, left.images[0])


def _enlarged(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="nearest-exact")


def _unfolded(x: Tensor) -> Tensor:
    """Return `x` `(B, 4 C, H, W)` as float32 `(B, C, 2 H, 2 W)`."""
    return F.pixel_shuffle(x.float(), 2)


def _fetched(image: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Return `image` warped by `motion`, and what of its brightness that took, `(B, 1, H, W)`.

    Between two pixels a bilinear sample follows a line, which at a share f of the way is off by
    f (1 - f) / 2 times the second derivative: the first term of the error of interpolation.
    """
    light = image.mean(dim=1, keepdim=True)
    around = F.pad(light, (1, 1, 1, 1), mode="replicate")
    across = (around[..., 1:-1, 2:] + around[..., 1:-1, :-2]).sub_(light, alpha=2)
    down = (around[..., 2:, 1:-1] + around[..., :-2, 1:-1]).sub_(light, alpha=2)
    fetched = warp(torch.cat((image, across, down), dim=1), motion)
    between = motion - motion.floor()
    twice = (torch.addcmul(-between, between, between) * fetched[:, 3:]).sum(dim=1, keepdim=True)
    return fetched[:, :3], twice / 2
