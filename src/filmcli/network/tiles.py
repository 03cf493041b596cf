"""Tiles: a picture too large for the memory is made in overlapping windows, faded into each other.

Along each axis the windows are of one size and evenly spread; between two neighbours the weight
fades over `OVERLAP_PX`, and all weights at a pixel add up to 1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

OVERLAP_PX = 64
SMALLEST_TILE_PX = 3 * OVERLAP_PX
"""Below this the fades on both sides of a window would meet."""


class Window(NamedTuple):
    """Rows `top` to `bottom` and columns `left` to `right` of a picture, half-open."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, picture: Tensor) -> Tensor:
        """Return this part of `picture` `(B, C, H, W)`, as a view."""
        return picture[:, :, self.top : self.bottom, self.left : self.right]


def split(height: int, width: int, tile_px: int | None) -> list[Window]:
    """Return the windows of at most `tile_px` a side that cover a picture; None asks for one.

    Raises ValueError for tiles below `SMALLEST_TILE_PX`.
    """
    if tile_px is None:
        return [Window(0, height, 0, width)]
    if tile_px < SMALLEST_TILE_PX:
        raise ValueError(f"a tile of {tile_px} px is below {SMALLEST_TILE_PX}")
    return [
        Window(top, bottom, left, right)
        for top, bottom in _spans(height, tile_px)
        for left, right in _spans(width, tile_px)
    ]


def weight(window: Window, windows: list[Window], device: torch.device) -> Tensor:
    """Return how much of each pixel `window` gives: float32 `(h, w)` in [0, 1]."""
    rows = sorted({(w.top, w.bottom) for w in windows})
    columns = sorted({(w.left, w.right) for w in windows})
    vertical = _fade(rows, rows.index((window.top, window.bottom)))
    horizontal = _fade(columns, columns.index((window.left, window.right)))
    return torch.outer(vertical, horizontal).to(device)


def _spans(size: int, tile_px: int) -> list[tuple[int, int]]:
    """Return half-open spans of one length, evenly spread over `size`."""
    if size <= tile_px:
        return [(0, size)]
    count = -(-(size - OVERLAP_PX) // (tile_px - OVERLAP_PX))
    # No longer than needed, in steps of 64 px, to which the network would pad anyway.
    length = -(-(size + (count - 1) * OVERLAP_PX) // (count * 64)) * 64
    length = min(length, tile_px)
    starts = [(size - length) * i // (count - 1) for i in range(count)]
    return [(start, start + length) for start in starts]


def _fade(spans: list[tuple[int, int]], index: int) -> Tensor:
    """Return the weight of one span's samples: 1 inside, a ramp at the middle of each overlap."""
    start, end = spans[index]
    place = torch.arange(start, end, dtype=torch.float32) + 0.5
    fade = torch.ones(end - start)
    if index > 0:
        seam = (spans[index - 1][1] + start) / 2
        fade *= ((place - seam) / OVERLAP_PX + 0.5).clamp(0, 1)
    if index < len(spans) - 1:
        seam = (end + spans[index + 1][0]) / 2
        fade *= (0.5 - (place - seam) / OVERLAP_PX).clamp(0, 1)
    return fade
