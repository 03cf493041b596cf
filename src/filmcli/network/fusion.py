"""Fusion: both neighbours are warped to the wanted phase and decoded into one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.network.features import FramePyramids, conv
from filmcli.network.flow import FlowPyramids
from filmcli.network.pyramids import warp, warp_all

Head = Literal["rgb", "blend"]

# A residual is some hundredths, a telling mask logit or flow correction some units: without this
# factor 3000 steps moved the mask by nothing that could be measured.
_GAIN = 10.0


class Synthesis(NamedTuple):
    """A made frame, the warped neighbours it was made of, and how they were fetched and mixed."""

    frame: Tensor  # (B, 3, H, W), not clamped
    warped_left: list[Tensor]  # (B, 3, H >> i, W >> i), finest level first
    warped_right: list[Tensor]
    to_left: Tensor  # (B, 2, H, W), float32
    to_right: Tensor
    left_share: Tensor  # (B, 1, H or 1, W or 1) in 0..1

    def carried(self, left: Tensor, right: Tensor) -> Tensor:
        """Return what comes of two other planes `(B, C, H, W)` that move as the frames do."""
        from_left, from_right = warp(left, self.to_left), warp(right, self.to_right)
        return torch.lerp(from_right, from_left, self.left_share)


class Fusion(nn.Module):
    """Warping to the phase, a U-Net decoder over the aligned pyramid, and the output head.

    `feature_channels[i]` is the width of feature level i, `widths[i]` that of the decoder
    there; the coarsest level has no decoder of its own, so `widths` is one shorter.
    Head "rgb" is a free picture; "blend" is mask * warped left + (1 - mask) * warped
    right + residual, warped once more by corrected flows. A fresh network's mask is
    1 - phase, its residual and corrections 0.
    """

    def __init__(
        self, feature_channels: Sequence[int], widths: Sequence[int], head: Head, phase_plane: bool
    ) -> None:
        super().__init__()
        self.head = head
        self.phase_plane = phase_plane
        # Both sides' picture, features and flow, and the phase as a constant plane.
        channels = [2 * (3 + width + 2) + int(phase_plane) for width in feature_channels]
        self.convs = nn.ModuleList()
        below = channels[-1]
        for aligned, width in zip(reversed(channels[:-1]), reversed(widths), strict=True):
            expand = conv(below, width, 2, activate=False)
            self.convs.append(
                nn.ModuleList([expand, conv(aligned + width, width, 3), conv(width, width, 3)])
            )
            below = width
        self.output_conv = nn.Conv2d(below, 3 if head == "rgb" else 8, 1)
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
        """Return the frame at `phase` together with the warped neighbours, for losses."""
        time = phase.float()[:, None, None, None]  # (B, 1, 1, 1)
        aligned, warped_left, warped_right = [], [], []
        for level in range(len(self.convs) + 1):
            # The roles are crossed: right's flow into left, scaled, fetches left, as if it
            # were anchored at the wanted time.
            to_left = flows.backward[level] * time
            to_right = flows.forward[level] * (1 - time)
            from_left = warp_all((left.images[level], left.features[level]), to_left)
            from_right = warp_all((right.images[level], right.features[level]), to_right)
            warped_left.append(from_left[0])
            warped_right.append(from_right[0])
            motion = [to_left, to_right]
            if self.phase_plane:
                motion.append(time.expand_as(to_left[:, :1]))
            # 2 * (3 + C_i) + 4 channels, and the phase
            aligned.append([*from_left, *from_right, torch.cat(motion, dim=1)])
        out = self._decode(aligned, like=left.features[0])
        to_left, to_right = flows.backward[0] * time, flows.forward[0] * (1 - time)
        share = 1 - time
        if self.head == "blend":
            # The flows are anchored at the wrong frames; the decoder, which sees both sides,
            # can put them right.
            out = out.float().contiguous()  # plane by plane: a channel alone is then fast to take
            to_left = to_left + _GAIN * out[:, 4:6]
            to_right = to_right + _GAIN * out[:, 6:8]
            # The logit of 1 - phase makes the fresh mask 1 - phase; the bound keeps it finite.
            share = torch.sigmoid(_GAIN * out[:, :1] + torch.logit(1 - time, eps=1e-6))
            part_of_left = warp(left.images[0], to_left).contiguous()
            part_of_right = warp(right.images[0], to_right).contiguous()
            out = torch.lerp(part_of_right, part_of_left, share) + out[:, 1:4]
        return Synthesis(out, warped_left, warped_right, to_left, to_right, share)

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
