"""DAIN, small: motion that knows what is in front, and kernels that fetch along it.

After Bao et al., "Depth-Aware Video Frame Interpolation", CVPR 2019: flows are carried to the
moment, near ones before far ones; frames and their context are fetched along them, frames by
kernels of 4x4 of each pixel's own; a last network corrects what comes of it. The depth is learned
without labels, as what makes the frames come out best: only its order is used, and nothing says
that it is depth where no motions meet.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from filmcli.backbones.projection import projected
from filmcli.backbones.unet import UNet, zeroed
from filmcli.network.features import conv
from filmcli.network.pyramids import warp

PACE_PX = 8.0
"""Pixels that a network's 1 stands for where it speaks of motion."""

_WINDOW = 4
_CONTEXT = 8  # channels


class Dain(nn.Module):
    """Both frames and a phase in, the frame at the phase out.

    A fresh network makes the plain blend of its inputs. `fuse` is what the paper on adaptation
    adapts of it.
    """

    def __init__(self, widths: Sequence[int] = (16, 24, 32, 64, 128)) -> None:
        super().__init__()
        self.flow = UNet(6, 4, widths, size=5)
        self.depth = UNet(3, 1, (8, 16, 32))
        self.kernel = UNet(6, 2 * _WINDOW**2, widths[:3])
        self.context = nn.Sequential(conv(3, 16, 5), conv(16, _CONTEXT, 3))
        self.fuse = _Fuse(2 * (3 + _CONTEXT + 2 + _WINDOW**2) + 3)

    def forward(self, left: Tensor, right: Tensor, phase: Tensor) -> Tensor:
        """Return the frame at `phase` `(B,)` between `left` and `right` `(B, 3, H, W)`."""
        time = phase[:, None, None, None]  # (B, 1, 1, 1)
        both = torch.cat((left, right), dim=1)
        flows = self.flow(both).chunk(2, dim=1)
        kernels = self.kernel(both).chunk(2, dim=1)
        fetched, parts = [], []
        for frame, flow, kernel, way in zip(
            (left, right), flows, kernels, (time, 1 - time), strict=True
        ):
            nearness = torch.exp(self.depth(frame).clamp(-8, 8))
            to_frame = projected(PACE_PX * flow, nearness, way)
            fetched.append(fetch(frame, to_frame, kernel))
            context = warp(self.context(frame).float(), to_frame)
            parts += [fetched[-1], context, to_frame / PACE_PX, kernel]
        blend = (1 - time) * fetched[0] + time * fetched[1]
        out: Tensor = blend + self.fuse(torch.cat((*parts, blend), dim=1))
        return out


class _Fuse(nn.Module):
    """What is wrong with the blend of the fetched frames, by all that is known of them."""

    def __init__(self, before: int, width: int = 24) -> None:
        super().__init__()
        self.enter = conv(before, width, 3)
        self.middle = nn.Sequential(conv(width, width, 3), conv(width, width, 3))
        self.leave = zeroed(nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, known: Tensor) -> Tensor:
        """Return what to add, `(B, 3, H, W)` float32."""
        net = self.enter(known)
        out: Tensor = self.leave(net + self.middle(net))
        return out.float()


def fetch(frame: Tensor, flow: Tensor, kernel: Tensor) -> Tensor:
    """Return `frame` `(B, 3, H, W)` fetched along `flow` px by each pixel's window of 4x4.

    The window stands around the place between pixels that the flow leads to; its four quarters
    count as the corners do in bilinear sampling, times one more than `kernel`
    `(B, 16, H, W)` where the corners are, and times `kernel` elsewhere: zeros are that sampling.
    """
    B, channels, height, width = frame.shape
    with torch.autocast(frame.device.type, enabled=False):
        columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
        rows = torch.arange(height, device=flow.device, dtype=flow.dtype)
        x = (flow[:, 0] + columns).clamp(0, width - 1)  # (B, H, W)
        y = (flow[:, 1] + rows[:, None]).clamp(0, height - 1)
        left, top = x.detach().floor(), y.detach().floor()
        pixels = frame.float().reshape(B, channels, -1)
        made = torch.zeros_like(frame, dtype=torch.float32)
        for k in range(_WINDOW**2):
            down, across = divmod(k, _WINDOW)
            down, across = down - 1, across - 1  # -1, 0 | 1, 2
            vertical = y - top if down > 0 else 1 - (y - top)
            horizontal = x - left if across > 0 else 1 - (x - left)
            at_y = (top + down).clamp(0, height - 1).long()
            at_x = (left + across).clamp(0, width - 1).long()
            place = (at_y * width + at_x).view(B, 1, -1).expand(-1, channels, -1)
            taken = pixels.gather(2, place).view(B, channels, height, width)
            is_corner = float(down in (0, 1) and across in (0, 1))
            share = (is_corner + kernel[:, k]) * vertical * horizontal  # (B, H, W)
            made = made + share[:, None] * taken
    return made
