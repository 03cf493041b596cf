"""Super SloMo, small: two U-Nets, one for the motion between the frames, one for what is seen.

After Jiang et al., "Super SloMo: High Quality Estimation of Multiple Intermediate Frames for Video
Interpolation", CVPR 2018. The flows at the wanted moment are first guessed from the two flows
between the frames; a second network, which sees both frames fetched by the guess, corrects it and
says where each frame is hidden.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from filmcli.backbones.unet import UNet
from filmcli.network.pyramids import warp

PACE_PX = 8.0
"""Pixels that a network's 1 stands for where it speaks of motion."""


class SuperSloMo(nn.Module):
    """Both frames and a phase in, the frame at the phase out, by what of it each frame shows.

    A fresh network makes the plain blend of its inputs.
    """

    def __init__(self, widths: Sequence[int] = (16, 24, 32, 64, 128)) -> None:
        super().__init__()
        self.flow = UNet(6, 4, widths, size=5)
        self.refine = UNet(20, 5, widths)

    def forward(self, left: Tensor, right: Tensor, phase: Tensor) -> Tensor:
        """Return the frame at `phase` `(B,)` between `left` and `right` `(B, 3, H, W)`."""
        time = phase[:, None, None, None]  # (B, 1, 1, 1)
        onwards, back = self.flow(torch.cat((left, right), dim=1)).chunk(2, dim=1)
        to_left, to_right = at_moment(onwards, back, time)
        fetched = warp(left, PACE_PX * to_left), warp(right, PACE_PX * to_right)
        seen = (left, right, onwards, back, to_left, to_right, *fetched)  # 20 channels
        out = self.refine(torch.cat(seen, dim=1))
        to_left, to_right = to_left + out[:, :2], to_right + out[:, 2:4]
        visible = torch.sigmoid(out[:, 4:])  # (B, 1, H, W), of left; of right it is the rest
        share = (1 - time) * visible
        share = share / (share + time * (1 - visible))
        fetched = warp(left, PACE_PX * to_left), warp(right, PACE_PX * to_right)
        return share * fetched[0] + (1 - share) * fetched[1]


def at_moment(onwards: Tensor, back: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Return the flows from the moment `time` to left and to right, as far as two flows tell.

    `onwards` goes from left to right, `back` from right to left, `(B, 2, H, W)`. Motion is taken to
    be even, and the pixel at the moment to move as those at its place in both frames do, of which
    the nearer in time counts more (equation 4 of the paper).
    """
    to_left = time * (time * back - (1 - time) * onwards)
    to_right = (1 - time) * ((1 - time) * onwards - time * back)
    return to_left, to_right
