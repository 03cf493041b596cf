"""Planes to RGB and back, on the device, with the source's own matrix, range and chroma siting.

RGB exists only here, between the source's planes and the network. The way there and back is an
identity on every picture that the network leaves alone: chroma is brought down by an exact
inverse of how it was brought up, so a still picture cannot flicker between kept and made frames.
For the same reason RGB is not clipped to [0, 1]: codes below black, above white and outside the
RGB cube pass through, and only the final codes are clamped to what the sample type can hold.
PQ and HLG are code values like any others: the network sees them as they are.

Where there is alpha, RGB is multiplied by it, as seen before black: what lies unseen in transparent
places must not bleed into what is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from filmcli.frames import Color, Layout, Planes
from filmcli.network.transfer import Returning, sent

Siting = Literal["first", "center", "last"]
"""Where a chroma sample sits along one axis: on the first, between, or on the last luma sample."""

# Red's and blue's share of luma (ITU-T H.273, table 4), by ffmpeg's name of the matrix.
_SHARES = {
    "bt709": (0.2126, 0.0722),
    "smpte170m": (0.299, 0.114),
    "bt470bg": (0.299, 0.114),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
    "bt2020c": (0.2627, 0.0593),
}


class _Codes(NamedTuple):
    """Code values: black and the span to white of luma, neutral and span of chroma."""

    black: float
    white_span: float
    neutral: float
    chroma_span: float


def upload(planes: Planes, device: torch.device) -> tuple[Tensor, ...]:
    """Return each plane as float32 code values `(1, 1, H, W)` on `device`.

    Whole numbers travel, all planes in one piece.
    """
    if planes[0].itemsize == 1:
        codes = sent(planes, device)
    else:  # uint16 is not for arithmetic
        codes = sent([plane.view(np.int16) for plane in planes], device).to(torch.int32) & 0xFFFF
    parts = torch.split(codes.float(), [plane.size for plane in planes])
    return tuple(part.view(1, 1, *plane.shape) for part, plane in zip(parts, planes, strict=True))


def download(planes: Sequence[Tensor], layout: Layout) -> list[Planes]:
    """Return the pictures of a batch of code values `(B, 1, H, W)`, rounded to the nearest code."""
    (samples,) = Returning([rounded(planes, layout)]).arrays()
    return pictures(samples, [plane.shape for plane in planes], layout)


def rounded(planes: Sequence[Tensor], layout: Layout) -> Tensor:
    """Return code values `(B, 1, H, W)` as samples, flat, one plane after the other."""
    largest = _largest(layout)
    codes = torch.cat([(plane + 0.5).floor().clamp(0, largest).flatten() for plane in planes])
    # From float to int16 what is above its largest is undefined, from int32 it wraps.
    return codes.to(torch.uint8) if layout.depth == 8 else codes.to(torch.int32).to(torch.int16)


def pictures(
    samples: NDArray[Any], shapes: Sequence[Sequence[int]], layout: Layout
) -> list[Planes]:
    """Return the pictures of a batch of which `rounded` made `samples` of planes of `shapes`."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    parts = np.split(samples.view(layout.dtype), ends)
    arrays = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    return [tuple(array[b, 0] for array in arrays) for b in range(len(arrays[0]))]


def to_rgb(planes: Sequence[Tensor], layout: Layout, color: Color) -> Tensor:
    """Return float32 RGB `(B, 3, H, W)` of `planes`, code values `(B, 1, h, w)`.

    Black is 0 and white 1; codes outside the nominal range go outside [0, 1]. With alpha it is
    `(B, 4, H, W)`, alpha in [0, 1] last, and RGB is multiplied by it.
    """
    if layout.alpha:
        alpha = planes[3] / _largest(layout)
        return torch.cat((_to_rgb(planes[:3], layout, color) * alpha, alpha), dim=1)
    return _to_rgb(planes, layout, color)


def _to_rgb(planes: Sequence[Tensor], layout: Layout, color: Color) -> Tensor:
    codes = _codes(layout, color)
    if layout.model == "rgb":
        green, blue, red = ((plane - codes.black) / codes.white_span for plane in planes)
        return torch.cat((red, green, blue), dim=1)
    luma = (planes[0] - codes.black) / codes.white_span
    if layout.model == "gray":
        return luma.repeat(1, 3, 1, 1)
    height, width = luma.shape[-2:]
    horizontal, vertical = _siting(color)
    chroma = (torch.cat((planes[1], planes[2]), dim=1) - codes.neutral) / codes.chroma_span
    for _ in range(layout.chroma_y):
        chroma = _up(chroma, -2, vertical)
    for _ in range(layout.chroma_x):
        chroma = _up(chroma, -1, horizontal)
    blue_difference, red_difference = chroma[:, :, :height, :width].chunk(2, dim=1)
    red_share, blue_share = matrix_shares(color, height)
    red = luma + (2 - 2 * red_share) * red_difference
    blue = luma + (2 - 2 * blue_share) * blue_difference
    green = (luma - red_share * red - blue_share * blue) / (1 - red_share - blue_share)
    return torch.cat((red, green, blue), dim=1)


def from_rgb(rgb: Tensor, layout: Layout, color: Color) -> tuple[Tensor, ...]:
    """Return code values `(B, 1, h, w)`, not yet rounded, of float32 `rgb` as `to_rgb` gives it."""
    if not layout.alpha:
        return _from_rgb(rgb, layout, color)
    seen, alpha = rgb[:, :3], rgb[:, 3:].clamp(0, 1)
    # What rounds to fully transparent has no colour: black.
    is_seen = alpha * _largest(layout) >= 0.5
    straight = torch.where(is_seen, seen / alpha.where(is_seen, torch.ones_like(alpha)), 0.0)
    return (*_from_rgb(straight, layout, color), alpha * _largest(layout))


def _from_rgb(rgb: Tensor, layout: Layout, color: Color) -> tuple[Tensor, ...]:
    codes = _codes(layout, color)
    red, green, blue = rgb.chunk(3, dim=1)
    if layout.model == "rgb":
        return tuple(x * codes.white_span + codes.black for x in (green, blue, red))
    if layout.model == "gray":
        return (rgb.mean(dim=1, keepdim=True) * codes.white_span + codes.black,)
    height, width = rgb.shape[-2:]
    red_share, blue_share = matrix_shares(color, height)
    luma = red_share * red + blue_share * blue + (1 - red_share - blue_share) * green
    chroma = torch.cat(
        ((blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share)), dim=1
    )
    horizontal, vertical = _siting(color)
    right, below = -width % (1 << layout.chroma_x), -height % (1 << layout.chroma_y)
    if right or below:
        chroma = F.pad(chroma, (0, right, 0, below), mode="replicate")
    for _ in range(layout.chroma_x):
        chroma = _down(chroma, -1, horizontal)
    for _ in range(layout.chroma_y):
        chroma = _down(chroma, -2, vertical)
    chroma = chroma * codes.chroma_span + codes.neutral
    return (luma * codes.white_span + codes.black, chroma[:, :1], chroma[:, 1:])


def matrix_shares(color: Color, height: int) -> tuple[float, float]:
    """Return red's and blue's share of luma.

    Untagged pictures, and matrices that have no such shares, are BT.601 below 720 lines and
    BT.709 from there on, which is what players assume.
    """
    default = "bt709" if height >= 720 else "smpte170m"
    return _SHARES.get(color.matrix or default, _SHARES[default])


def _largest(layout: Layout) -> int:
    return (1 << layout.depth) - 1


def _codes(layout: Layout, color: Color) -> _Codes:
    """Return the layout's code values; untagged YUV is of limited range, RGB and grey of full."""
    unit, largest = float(1 << (layout.depth - 8)), float(_largest(layout))
    limited = color.range == "tv" or (color.range is None and layout.model == "yuv")
    if limited:
        return _Codes(16 * unit, 219 * unit, 128 * unit, 224 * unit)
    return _Codes(0.0, largest, 128 * unit, largest)


def _siting(color: Color) -> tuple[Siting, Siting]:
    """Return the horizontal and vertical siting; untagged is "left", as H.264 and HEVC assume."""
    name = color.chroma_location or "left"
    horizontal: Siting = "center" if name in ("center", "top", "bottom") else "first"
    vertical: Siting = "center"
    if name.startswith("top"):
        vertical = "first"
    elif name.startswith("bottom"):
        vertical = "last"
    return horizontal, vertical


def _up(x: Tensor, axis: int, siting: Siting) -> Tensor:
    """Return `x` with twice the samples along `axis`, by linear interpolation at its siting."""
    if siting == "last":
        return _reversed(x, axis, lambda y: _up(y, axis, "first"))
    size = x.shape[axis]
    after = torch.cat((x.narrow(axis, 1, size - 1), x.narrow(axis, size - 1, 1)), dim=axis)
    if siting == "first":
        pair = (x, (x + after) * 0.5)
    else:
        before = torch.cat((x.narrow(axis, 0, 1), x.narrow(axis, 0, size - 1)), dim=axis)
        pair = (torch.lerp(x, before, 0.25), torch.lerp(x, after, 0.25))
    # (..., size, 2) or (..., size, 2, W): the pair alternates along the axis
    return torch.stack(pair, dim=axis).flatten(axis - 1, axis)


def _down(x: Tensor, axis: int, siting: Siting) -> Tensor:
    """Return `x` with half the samples along `axis`; takes back `_up` exactly.

    The taps are the shortest symmetric inverse for centred samples, and for co-sited ones the
    inverse of five taps that passes the least noise (0.71 of white noise's amplitude).
    """
    if siting == "last":
        return _reversed(x, axis, lambda y: _down(y, axis, "first"))
    center = siting == "center"
    taps = (-1 / 4, 3 / 4, 3 / 4, -1 / 4) if center else (-1 / 7, 2 / 7, 5 / 7, 2 / 7, -1 / 7)
    around = (1, 1) if center else (2, 1)
    padding = (*around, 0, 0) if axis == -1 else (0, 0, *around)
    padded = F.pad(x, padding, mode="replicate")
    count = x.shape[axis] // 2
    total = torch.zeros((), device=x.device)
    for start, tap in enumerate(taps):
        samples = padded.narrow(axis, start, 2 * count - 1)
        samples = samples[..., ::2] if axis == -1 else samples[..., ::2, :]
        total = total + tap * samples
    return total


def _reversed(x: Tensor, axis: int, function: Callable[[Tensor], Tensor]) -> Tensor:
    return function(x.flip(axis)).flip(axis)
