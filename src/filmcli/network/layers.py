"""The layers that the networks of ours are built of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SLOPE = 0.1
_GRAIN = 16  # channels; matrix units are slow with numbers between


class Conv(nn.Sequential):
    """A convolution with a leaky ReLU behind it."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` `(B, C, H, W)` convolved, and what is under 0 made small."""
        layer = self[0]
        if not _at_once(x):
            return F.leaky_relu_(layer(x), _SLOPE)
        sizes = layer.padding, layer.stride, layer.dilation
        # One way through memory instead of two: a seventh of the time that both take on a CPU.
        fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, layer.weight, layer.bias, *sizes, layer.groups, "leaky_relu", [_SLOPE], ""
        )
        return fused


def _at_once(x: Tensor) -> bool:
    """True if both are one operator here: of oneDNN, which torch's own compiler uses so."""
    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.bfloat16):
        return False
    has_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return has_onednn and not torch.is_grad_enabled()


def conv(before: int, after: int, size: int = 3, stride: int = 1) -> Conv:
    """Return a convolution with a leaky ReLU behind it.

    Of stride 1 it keeps the picture's size, of stride 2 it halves it, an odd last row dropped.
    """
    return Conv(nn.Conv2d(before, after, size, stride, (size - 1) // 2))


class Block(nn.Module):
    """Two convolutions around which the input goes straight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = conv(width, width)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` `(B, width, H, W)` with what the convolutions add."""
        return F.leaky_relu_(self.second(self.first(x)).add_(x), _SLOPE)


def roomy(channels: int) -> int:
    """Return how many channels to make of `channels`: as many, or a few more."""
    return channels + -channels % _GRAIN


def joined(parts: Sequence[Tensor], like: Tensor, channels: int = 0) -> Tensor:
    """Return the channels of `parts` side by side, zeros behind up to `channels` if that is more.

    They are of the type of `like` and lie channels last: one part in another format, or of a single
    channel, which tells no format, would make the whole slow to fill and to convolve.
    """
    B, _, H, W = parts[0].shape
    missing = channels - sum(part.shape[1] for part in parts)
    alike = [p.to(like.dtype).contiguous(memory_format=torch.channels_last) for p in parts]
    if missing > 0:
        nothing = like.new_zeros(B, missing, H, W)
        alike.append(nothing.contiguous(memory_format=torch.channels_last))
    return torch.cat(alike, dim=1)
