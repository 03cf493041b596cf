"""What motion blur tells: where things are between two frames, if they do not go straight.

Two frames tell how far a thing went, and the frames around how its way bends, if it bends evenly.
A camera in a hand does neither. But each frame is smeared along the way it went just then, and so
far as it was fast: through two places at two known speeds goes one cubic (Hermite's).

How much a picture changes along a direction says how smeared it is along it; what is seen in both
frames has the same texture, so that the difference of both is a difference of speeds. The same
small network looks along four directions, and what it says is turned round with the motion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.network.layers import conv
from filmcli.network.matching import Matched, Times
from filmcli.network.pyramids import warp

CELL = 16
"""Px of the full size in what is looked at as one."""
_PX = 4  # of the full size in one of level 2, the finest that is matched

_SCALES = 0, 1, 2, 3  # times that an image is halved before its slopes are taken
_HALF = 0.5**0.5
_DIRECTIONS = ((1.0, 0.0), (0.0, 1.0), (_HALF, _HALF), (-_HALF, _HALF))
_ACROSS = (1, 0, 3, 2)  # which of them stands upright on each
_LONGER = 0.35  # about what pixels that are further apart differ more, in spreads
_LEVELS = 255 / 2  # grey levels a px, of a difference over two
_USUAL = 4.0, 2.0  # mean and spread of the log of squared slopes, of grey levels
_SLOW = 4.0  # px; of slower motion no direction is sure
_NOISE = 0.5  # px; what strays by less is noise as often as not
_MANY = 720  # cells; of fewer the mean is noisier, as means are
_FARTHEST = 0.2  # of the way from left to right: nothing strays further
_TOLD = 4 * len(_SCALES) + 6
_ENDS = 2


class Sway(nn.Module):
    """Reads from the smear of left and right how far the picture strays from the way it is known to
    go.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = conv(_TOLD, width, 1)
        self.deepen = conv(width, width, 1)
        self.near = conv(width, width)
        self.whole = conv(2 * width, width, 1)
        self.far = conv(width, width)
        self.leave = nn.Conv2d(width, _ENDS, 1)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(
        self, left: Sequence[Tensor], right: Sequence[Tensor], known: Matched, times: Times
    ) -> Tensor:
        """Return by how much the picture stands aside of where it is `known`, `(B, 2)`, px there.

        `left` and `right` are what `smear` says of them, `known` is of level 2.
        """
        with torch.autocast(known.ways.device.type, enabled=False):
            ways = _PX * F.avg_pool2d(known.ways, CELL // _PX)
            cells = ways.shape[2] * ways.shape[3]
            noise = _NOISE * max(1.0, math.sqrt(_MANY / cells))
            return self.aside(fetched_smears(left, right, ways), ways, times, noise) / _PX

    def aside(self, smears: Tensor, ways: Tensor, times: Times, noise: float = _NOISE) -> Tensor:
        """Return by how much the picture stands aside, `(B, 2)`, px of the full size.

        About `noise` px are let through as by Wiener's filter, and never much more than the way.
        `smears` are those of left and right, as `fetched_smears` gives them, of cells of `CELL` px,
        and so are the ways `(B, 8, H, W)`, px of the full size.
        """
        seen, sign = _told(smears, ways, times)
        said = self._said(seen.to(self.leave.weight.dtype)).float()
        pace = (ways[:, 2:4] - ways[:, 0:2]).norm(dim=1, keepdim=True).mean(dim=(2, 3))
        return _believed(_strayed(said, sign, times.moment), pace, noise)

    def _said(self, seen: Tensor) -> Tensor:
        """Return for every direction, `(B, 4, 2, H, W)`, by how much speeds at the ends differ."""
        B, _, _, H, W = seen.shape
        x = self.enter(seen.flatten(0, 1))
        x = x + self.deepen(x)
        x = x + self.near(x)
        # How long the shutter was open shows in the whole picture best.
        mean = x.mean(dim=(2, 3)).view(B, len(_DIRECTIONS), -1).mean(dim=1)
        whole = mean[:, None, :, None, None].expand(-1, len(_DIRECTIONS), -1, H, W).flatten(0, 1)
        x = x + self.whole(torch.cat((x, whole), dim=1))
        said: Tensor = self.leave(x + self.far(x))
        return said.view(B, len(_DIRECTIONS), _ENDS, H, W)


def fetched_smears(left: Sequence[Tensor], right: Sequence[Tensor], ways: Tensor) -> Tensor:
    """Return the smears of left and right where the ways `(B, 8, H, W)` lead, px of full size."""
    both = ((left, ways[:, 0:2]), (right, ways[:, 2:4]))
    return torch.cat([warp(torch.cat(tuple(of), dim=1), way / CELL) for of, way in both], dim=1)


def smear(images: Sequence[Tensor]) -> list[Tensor]:
    """Return how much the picture changes along each direction in every cell, as logarithms.

    `images` is a pyramid of `(B, 3, H, W)` in [0, 1]; returns `(B, 4, H / 16, W / 16)`, float32,
    for each of four scales.
    """
    found = []
    for scale in _SCALES:
        grey = F.pad(images[scale].float().mean(dim=1), (1, 1, 1, 1), mode="replicate")
        slopes = (
            grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2],
            grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1],
            grey[:, 2:, 2:] - grey[:, :-2, :-2],
            grey[:, 2:, :-2] - grey[:, :-2, 2:],
        )
        # Each by itself: side by side in memory they take a CPU twice as long.
        means = [F.avg_pool2d(slope.square()[:, None], CELL >> scale) for slope in slopes]
        found.append(torch.log(_LEVELS**2 * torch.cat(means, dim=1) + 1))
    return found


def _told(smears: Tensor, ways: Tensor, times: Times) -> tuple[Tensor, Tensor]:
    """Return what the network sees along each direction, `(B, 4, C, H, W)`, and which way it goes.

    The latter, `(B, 4, H, W)`, is the sign of the motion along it, and small where that is slow, so
    that all is turned round with the motion; ways are in px of the full size.
    """
    B, _, H, W = ways.shape
    motion = _along(ways[:, 2:4] - ways[:, 0:2])
    time = times.moment[:, None, None, None]
    bend = _along(-((1 - time) * ways[:, 0:2] + time * ways[:, 2:4]))  # by the frames around
    sign = torch.tanh(motion / _SLOW)
    sides = smears.view(B, 2, len(_SCALES), -1, H, W).transpose(2, 3).unbind(dim=1)
    along = [_usual(side) for side in sides]
    lengths = torch.log1p(motion.abs()) - 2
    planes = torch.stack((lengths, _across(lengths), bend * sign / _SLOW), dim=2)
    around = times.known[:, None, 2:, None, None].expand(-1, motion.shape[1], -1, H, W)
    oblique = torch.cat((0 * motion[:, :2], 0 * motion[:, 2:] + 1), dim=1)[:, :, None]
    return torch.cat((*along, *map(_across, along), planes, around, oblique), dim=2), sign


def _along(vectors: Tensor) -> Tensor:
    """Return vectors `(B, 2, H, W)` as how far they go along each direction, `(B, 4, H, W)`."""
    across, down = vectors.unbind(dim=1)
    return torch.stack([x * across + y * down for x, y in _DIRECTIONS], dim=1)


def _across(x: Tensor) -> Tensor:
    """Return `x` `(B, 4, ...)` with each direction's place taken by the one that crosses it."""
    return torch.stack([x[:, direction] for direction in _ACROSS], dim=1)


def _usual(squares: Tensor) -> Tensor:
    """Return logs of squared slopes `(B, 4, scales, H, W)`, moved and scaled to be about 1."""
    mean, spread = _USUAL
    even, oblique = torch.split((squares - mean) / spread, 2, dim=1)
    return torch.cat((even, oblique - _LONGER), dim=1)


def _strayed(said: Tensor, sign: Tensor, moment: Tensor) -> Tensor:
    """Return by how much the picture stands aside at the `moment` `(B,)`, `(B, 2)`, px.

    Along each direction, by its `sign`, `said` is by how much the speeds at both ends differ from
    that of the way that is known, px an interval; four directions tell everything twice.
    """
    first, last = (said * sign[:, :, None] / 2).mean(dim=(3, 4)).unbind(dim=2)  # (B, 4)
    time = moment[:, None]
    aside = time * (1 - time) * ((1 - time) * first - time * last)
    across, down, falling, rising = aside.unbind(dim=1)
    return torch.stack(
        (across + _HALF * (falling - rising), down + _HALF * (falling + rising)), dim=1
    )


def _believed(strayed: Tensor, pace: Tensor, noise: float) -> Tensor:
    """Return what of `strayed` `(B, 2)` is to be believed at a `pace` `(B, 1)`, all in px."""
    squares = (strayed**2).sum(dim=1, keepdim=True)
    most = _FARTHEST * pace / torch.sqrt(squares + 1e-12)
    return strayed * (squares / (squares + noise**2)) * most.clamp(max=1)


def moved(known: Matched, by: Tensor) -> Matched:
    """Return what is `known` where everything stands `by` `(B, 2)` px further."""
    by = by[:, :, None, None].expand_as(known.ways[:, :2])
    told = warp(torch.cat((known.ways, known.mask), dim=1), -by)
    ways = told[:, :-1] - by.repeat(1, known.ways.shape[1] // 2, 1, 1)
    return Matched(ways.contiguous(), told[:, -1:].contiguous(), warp(known.state, -by))
