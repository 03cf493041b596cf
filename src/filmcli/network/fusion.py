"""Fusion: both neighbours are warped to the wanted phase and decoded into one picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.network.features import FramePyramids, conv
from filmcli.network.flow import FlowPyramids
from filmcli.network.pyramids import warp
from filmcli.network.titles import laid_over

Head = Literal["rgb", "blend"]

# A residual is some hundredths, a telling mask logit or flow correction some units: without this
# factor 3000 steps moved the mask by nothing that could be measured.
_GAIN = 10.0

_CANDIDATES = 5
_BEND_PLANES = 3
RESIDUAL = slice(_CANDIDATES, _CANDIDATES + 3)
"""Where the residual stands among the channels of the "blend" head's `output_conv`."""

_PARTS = _CANDIDATES, 3, 4, 1  # logits, residual, corrections of two flows, sharpness
_STILL_SHARE = 0.01  # of a fresh network
_DIFFERENCES = 5


class Synthesis(NamedTuple):
    """A made frame, what it was mixed of, and how."""

    frame: Tensor  # (B, 3, H, W), not clamped
    warped_left: list[Tensor]  # (B, 3, H >> i, W >> i), finest level first
    warped_right: list[Tensor]
    candidates: list[Tensor]  # (B, 3, H, W)
    motions: Sequence[Tensor]  # (B, 2, H, W), which fetch left, right, left ...
    shares: Tensor  # (B, candidates, H or 1, W or 1), 1 in all
    time: Tensor  # (B, 1, 1, 1)

    def carried(self, left: Tensor, right: Tensor) -> Tensor:
        """Return what comes of two other planes `(B, C, H, W)` that move as the frames do."""
        pairs = zip(self.motions, cycle((left, right)), strict=False)
        fetched = [warp(plane, motion) for motion, plane in pairs]
        if len(fetched) < len(self.candidates):
            fetched.append(torch.lerp(left, right, self.time))
        return _mixed(fetched, self.shares)


class _Level(NamedTuple):
    """What is known of a level: both neighbours, and what they are at the wanted moment."""

    images: Tensor  # (2 B, 3, H, W), left's, then right's
    motions: tuple[Tensor, Tensor]  # (2 B, 2, H, W), each for `images`
    bend: Tensor | None  # (B, 2, H, W), which is in the motions already
    pictures: list[Tensor]  # (B, 3, H, W), left and right by the first motions, then by the second
    seen: list[Tensor]  # by the decoder, in the order of its weights


class Fusion(nn.Module):
    """Warping to the phase, a U-Net decoder over the aligned pyramid, and the output head.

    `feature_channels[i]` is the width of feature level i, `widths[i]` that of the decoder
    there; the coarsest level has no decoder of its own, so `widths` is one shorter.
    Head "rgb" is a free picture. "blend" is a mixture of five candidates and a residual: each
    neighbour, warped by either of the two flows that pass the wanted moment, and both as they
    stand, for what is laid over a moving picture. The decoder, which sees them all, corrects the
    first flow of each neighbour, and says how much of the sharpness that warping took is given
    back: all where a film is clean, none where that would be noise. A fresh network mixes by the
    phase alone, corrects nothing and gives nothing back. With `bends`, the decoder sees how the
    motion bends, and how sure that is, and says how far the first flows follow it: a fresh one,
    all the way.
    """

    def __init__(
        self,
        feature_channels: Sequence[int],
        widths: Sequence[int],
        head: Head,
        phase_plane: bool,
        bends: bool = False,
    ) -> None:
        super().__init__()
        self.head = head
        self.phase_plane = phase_plane
        self.bends = bends
        # Both sides' picture, features and flow, the phase as a constant plane, and for "blend"
        # the pictures of two more candidates and how far all of them differ, and the bend.
        more = int(phase_plane) + (6 + _DIFFERENCES if head == "blend" else 0)
        more += _BEND_PLANES if bends else 0
        channels = [2 * (3 + width + 2) + more for width in feature_channels]
        self.convs = nn.ModuleList()
        below = channels[-1]
        for aligned, width in zip(reversed(channels[:-1]), reversed(widths), strict=True):
            expand = conv(below, width, 2, activate=False)
            self.convs.append(
                nn.ModuleList([expand, conv(aligned + width, width, 3), conv(width, width, 3)])
            )
            below = width
        # Of a motion that bends, besides, how far it is followed.
        self._parts = [*_PARTS, 1] if bends else [*_PARTS]
        self.output_conv = nn.Conv2d(below, 3 if head == "rgb" else sum(self._parts), 1)
        if head == "rgb":
            nn.init.xavier_uniform_(self.output_conv.weight)
        else:
            nn.init.zeros_(self.output_conv.weight)
        nn.init.zeros_(self.output_conv.bias)  # type: ignore[arg-type]

    def forward(
        self, left: FramePyramids, right: FramePyramids, flows: FlowPyramids, phase: Tensor
    ) -> Tensor:
        """Return the frame `(B, 3, H, W)` at `phase` `(B,)`, not clamped."""
        return self.synthesize(left, right, flows, phase).frame

    def synthesize(
        self, left: FramePyramids, right: FramePyramids, flows: FlowPyramids, phase: Tensor
    ) -> Synthesis:
        """Return the frame at `phase` together with what it was made of."""
        time = phase.float()[:, None, None, None]  # (B, 1, 1, 1)
        aligned = [
            self._align(level, left, right, flows, time) for level in range(len(self.convs) + 1)
        ]
        out = self._decode([level.seen for level in aligned], like=left.features[0])
        warped_left, warped_right = ([level.pictures[k] for level in aligned] for k in (0, 1))
        first, turned = aligned[0].motions
        if self.head == "rgb":
            frame, motions = out, first.chunk(2)
            candidates, shares = aligned[0].pictures, torch.cat((1 - time, time), 1)
        else:
            # Plane by plane: a channel alone is then fast to take.
            out = out.contiguous().float()
            logits, residual, corrections, sharpness, *follows = torch.split(out, self._parts, 1)
            first = first + _GAIN * torch.cat(corrections.chunk(2, dim=1))
            if follows and aligned[0].bend is not None:
                # Twice at most; a fresh network's 0 is once, which is in `first` already.
                more = torch.tanh(_GAIN * follows[0]) * aligned[0].bend
                first = first + torch.cat((more, more))
            motions = *first.chunk(2), *turned.chunk(2)
            both = left.images[0], right.images[0]
            corrected, lost = _fetched(aligned[0].images, first)
            candidates = [*corrected.chunk(2), *aligned[0].pictures[2:], torch.lerp(*both, time)]
            still = laid_over(*both, (flows.forward[0] - flows.backward[0]) / 2)
            shares = _shares(_GAIN * logits, time, still)
            sides = shares[:, 0:2] + shares[:, 2:4]
            lost = (sides * torch.cat(lost.chunk(2), dim=1)).sum(dim=1, keepdim=True)
            frame = _mixed(candidates, shares) + residual + _GAIN * sharpness * lost
        return Synthesis(frame, warped_left, warped_right, candidates, motions, shares, time)

    def _align(
        self,
        level: int,
        left: FramePyramids,
        right: FramePyramids,
        flows: FlowPyramids,
        time: Tensor,
    ) -> _Level:
        """Return a level's pictures at the wanted moment, and what the decoder sees of it.

        First left's picture and features, then right's, then planes: the motions and the phase,
        and for the head "blend" two pictures more and how far all of them differ.
        """
        bend = None if flows.bends is None else _bend(flows.bends, level, time)
        first, turned = motions = _motions(flows, level, time, bend)
        images = torch.cat((left.images[level], right.images[level]))
        pictures = [*warp(images, first).chunk(2)]
        to_left, to_right = first.chunk(2)
        from_left = warp(left.features[level], to_left)
        from_right = warp(right.features[level], to_right)
        planes = [to_left, to_right]
        if self.phase_plane:
            planes.append(time.expand_as(to_left[:, :1]))
        if self.head == "blend":
            pictures += warp(images, turned).chunk(2)
            planes += [*pictures[2:], _differences(*pictures, *images.chunk(2))]
        if self.bends:
            planes.append(_bend_planes(flows, level, bend))
        seen = [pictures[0], from_left, pictures[1], from_right, torch.cat(planes, dim=1)]
        return _Level(images, motions, bend, pictures, seen)

    def _decode(self, aligned: list[list[Tensor]], like: Tensor) -> Tensor:
        net = _join(aligned[-1], like)
        for layers, level in zip(self.convs, reversed(aligned[:-1]), strict=True):
            expand, join, refine = cast(nn.ModuleList, layers)
            # "nearest-exact" is the original's half-pixel rule; plain "nearest" is off by
            # 1.7e-3 at 200x300, where a level has an odd size.
            net = F.interpolate(net, size=level[0].shape[-2:], mode="nearest-exact")
            # The original's even kernel pads one row and column, behind.
            net = expand(F.pad(net, (0, 1, 0, 1)))
            net = refine(join(_join([*level, net], like)))
        return self.output_conv(net)  # type: ignore[no-any-return]


def _join(parts: list[Tensor], like: Tensor) -> Tensor:
    """Return the channels of `parts` in one tensor, of the type and memory format of `like`.

    One part in another format, or of a single channel, which tells no format, would make the
    whole one slow to fill and to convolve.
    """
    is_last = like.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if is_last else torch.contiguous_format
    alike = [part.to(like.dtype).contiguous(memory_format=layout) for part in parts]
    return torch.cat(alike, dim=1)


def _motions(
    flows: FlowPyramids, level: int, time: Tensor, bend: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return flows `(2 B, 2, H, W)` that fetch left and right, and others that do so again.

    Both flows pass the wanted moment somewhere near the pixel they are anchored at. First each
    frame by the flow from the other, scaled, as published; then by its own, turned round. Where
    something moves over something else the two differ, and which is right depends on the place:
    the plain mean of all four candidates is 0.26 dB better than that of the first two.
    """
    forward, backward = flows.forward[level], flows.backward[level]
    first = torch.cat((backward * time, forward * (1 - time)))
    turned = torch.cat((forward * -time, backward * (time - 1)))
    if bend is None:
        return first, turned
    both = torch.cat((bend, bend))
    return first + both, turned + both


def _bend(bends: tuple[list[Tensor], list[Tensor]], level: int, time: Tensor) -> Tensor:
    """Return how far an even motion runs ahead of the true one, `(B, 2, H, W)`, 0 at both ends.

    The true one is the cubic through the places at four moments, -1, 0, 1 and 2: its line from 0 to
    1, less t (1 - t) / 6 times (2 - t) of the second difference at 0 and 1 + t of that at 1.
    """
    at_left, at_right = (of[level] for of in bends)
    return time * (1 - time) / 6 * ((2 - time) * at_left + (1 + time) * at_right)


def _bend_planes(flows: FlowPyramids, level: int, bend: Tensor | None) -> Tensor:
    """Return the bend and how far what both ends tell of it differs, `(B, 3, H, W)`; 0: unknown."""
    if flows.bends is None or bend is None:
        flow = flows.forward[level]
        return flow.new_zeros(len(flow), _BEND_PLANES, *flow.shape[-2:])
    at_left, at_right = (bends[level] for bends in flows.bends)
    apart = (at_left - at_right).abs().sum(dim=1, keepdim=True)
    return torch.cat((bend, apart), dim=1)


def _differences(*pictures: Tensor) -> Tensor:
    """Return how far pairs of `(B, 3, H, W)` pictures differ: one of left with one of right each.

    The two agree where both are right, which eight channels, all that the finest level of
    `film-xs` has, are too few to find out.
    """
    lefts, rights = pictures[::2], pictures[1::2]
    pairs = [(0, 0), (1, 1), (0, 1), (1, 0), (2, 2)]
    each = [(lefts[i] - rights[j]).abs().mean(dim=1, keepdim=True) for i, j in pairs]
    return torch.cat(each, dim=1)


def _fetched(images: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Return `images` warped by `motion`, and what of their brightness that took, `(B, 1, H, W)`.

    Between two pixels a bilinear sample follows a line, which at a share f of the way is off by
    f (1 - f) / 2 times the second derivative: the first term of the error of interpolation.
    """
    light = images.mean(dim=1, keepdim=True)
    around = F.pad(light, (1, 1, 1, 1), mode="replicate")
    across = around[..., 1:-1, 2:] + around[..., 1:-1, :-2] - 2 * light
    down = around[..., 2:, 1:-1] + around[..., :-2, 1:-1] - 2 * light
    fetched = warp(torch.cat((images, across, down), dim=1), motion)
    between = motion - motion.floor()
    lost = (between * (between - 1) / 2 * fetched[:, 3:]).sum(dim=1, keepdim=True)
    return fetched[:, :3], lost


def _shares(logits: Tensor, time: Tensor, still: Tensor) -> Tensor:
    """Return the candidates' shares: by the phase, tipped by `logits`.

    Where pixels are `still` `(B, 1, H, W)`, 1 at most, the decoder has no say.
    """
    share = _STILL_SHARE + (1 - 2 * _STILL_SHARE) * still
    # Left counts 1 - time, right time, each divided among its two; the bound keeps it finite.
    moved = torch.cat((1 - time, time), dim=1).clamp(min=1e-6).log() + ((1 - share) / 2).log()
    even = torch.cat((moved, moved, share.log()), dim=1)
    return torch.softmax(logits * (1 - still) + even, dim=1)


def _mixed(pictures: Sequence[Tensor], shares: Tensor) -> Tensor:
    mixture = torch.zeros_like(pictures[0])
    for picture, share in zip(pictures, torch.split(shares, 1, dim=1), strict=True):
        mixture.addcmul_(picture, share)
    return mixture
