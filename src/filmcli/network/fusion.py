"""FILM's fusion: both neighbours are warped to the wanted phase and decoded into one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.network.features import FramePyramids, conv
from filmcli.network.flow import FlowPyramids
from filmcli.network.pyramids import warp
from filmcli.network.synthesis import Synthesis


class Fusion(nn.Module):
    """Warping to the phase and a U-Net decoder over the aligned pyramid, which paints freely.

    `feature_channels[i]` is the width of feature level i, `widths[i]` that of the decoder
    there; the coarsest level has no decoder of its own, so `widths` is one shorter.
    """

    def __init__(self, feature_channels: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        # Both sides' picture, features and flow.
        channels = [2 * (3 + width + 2) for width in feature_channels]
        self.convs = nn.ModuleList()
        below = channels[-1]
        for aligned, width in zip(reversed(channels[:-1]), reversed(widths), strict=True):
            expand = conv(below, width, 2, activate=False)
            self.convs.append(
                nn.ModuleList([expand, conv(aligned + width, width, 3), conv(width, width, 3)])
            )
            below = width
        self.output_conv = nn.Conv2d(below, 3, 1)
        nn.init.xavier_uniform_(self.output_conv.weight)
        nn.init.zeros_(self.output_conv.bias)  # type: ignore[arg-type]

    def forward(
        self, left: FramePyramids, right: FramePyramids, flows: FlowPyramids, phase: Tensor
    ) -> Synthesis:
        """Return the frame `(B, 3, H, W)` at `phase` `(B,)`, not clamped."""
        time = phase.float()[:, None, None, None]  # (B, 1, 1, 1)
        aligned, motions = [], []
        for level in range(len(self.convs) + 1):
            to_left, to_right = flows.backward[level] * time, flows.forward[level] * (1 - time)
            aligned.append(
                [
                    warp(left.images[level], to_left),
                    warp(left.features[level], to_left),
                    warp(right.images[level], to_right),
                    warp(right.features[level], to_right),
                    to_left,
                    to_right,
                ]
            )
            motions.append((to_left, to_right))
        # Of one picture: several that share their memory (`for_all`) tell no format.
        frame = self._decode(aligned, like=left.features[0][:1])
        return Synthesis(frame, motions[0], torch.cat((1 - time, time), 1), time)

    def _decode(self, aligned: list[list[Tensor]], like: Tensor) -> Tensor:
        net = joined(aligned[-1], like)
        for layers, level in zip(self.convs, reversed(aligned[:-1]), strict=True):
            expand, join, refine = cast(nn.ModuleList, layers)
            # "nearest-exact" is the original's half-pixel rule; plain "nearest" is off by
            # 1.7e-3 at 200x300, where a level has an odd size.
            net = F.interpolate(net, size=level[0].shape[-2:], mode="nearest-exact")
            # The original's even kernel pads one row and column, behind.
            net = expand(F.pad(net, (0, 1, 0, 1)))
            net = refine(join(joined([*level, net], like)))
        return self.output_conv(net)  # type: ignore[no-any-return]


def joined(parts: Sequence[Tensor], like: Tensor) -> Tensor:
    """Return the channels of `parts` in one tensor, of the type and memory format of `like`.

    One part in another format, or of a single channel, which tells no format, would make the
    whole one slow to fill and to convolve.
    """
    is_last = like.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if is_last else torch.contiguous_format
    alike = [part.to(like.dtype).contiguous(memory_format=layout) for part in parts]
    return torch.cat(alike, dim=1)
