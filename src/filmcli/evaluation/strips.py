"""Strips of pictures for people who would rather look than read.

A strip shows one rebuilt frame: the kept frame before it, the truth, ours, the best of the rivals,
and our error enlarged; whole in the upper row, and in the lower one the part that is most wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from filmcli.evaluation.metrics import Picture

ERROR_GAIN = 4
"""How much errors are enlarged: 8 levels of 255 are seen, 2 are not."""

_CELL_PX = 400  # the widest that a whole frame is shown
_ZOOM = 2  # of the lower row
_GAP_PX = 4
_JPEG = (
    *(cv2.IMWRITE_JPEG_QUALITY, 95),
    # Full chroma, or the strip's own losses would look like ours.
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
)


Wrong = NDArray[np.float32]
"""How wrong each pixel of a made frame is, (H, W)."""


class Cell(NamedTuple):
    """A picture with the words that stand above it."""

    words: str
    picture: Picture


def error(made: Picture, truth: Picture) -> Picture:
    """The absolute difference, ERROR_GAIN times enlarged; white is 64 levels or more."""
    difference = cv2.absdiff(made, truth).astype(np.uint16) * ERROR_GAIN
    return np.asarray(np.minimum(difference, 255), np.uint8)


def strip(cells: Sequence[Cell], wrong: Wrong) -> bytes:
    """The strip of `cells` as a JPEG file; arguments are those of `draw_strip`."""
    done, file = cv2.imencode(".jpg", draw_strip(cells, wrong)[..., ::-1], _JPEG)
    assert done, "OpenCV writes JPEG always"
    return file.tobytes()


def draw_strip(cells: Sequence[Cell], wrong: Wrong) -> Picture:
    """The strip of `cells`, pictures of the size of `wrong`, whose worst part stands below."""
    height, width = wrong.shape
    cell = min(width, _CELL_PX), max(1, round(height * min(width, _CELL_PX) / width))
    rows, columns = worst_part(wrong, (cell[1] // _ZOOM, cell[0] // _ZOOM))
    upper = [_whole(shown, cell, rows, columns) for shown in cells]
    lower = [
        cv2.resize(shown.picture[rows, columns], cell, interpolation=cv2.INTER_NEAREST)
        for shown in cells
    ]
    return np.vstack([_in_a_row(upper), _in_a_row(lower)])


def worst_part(wrong: Wrong, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the part of `size` (h, w) that is most wrong in all."""
    tall, wide = (max(1, min(have, want)) for have, want in zip(wrong.shape, size, strict=True))
    sums = cv2.integral(wrong)  # (H + 1, W + 1)
    inside = sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide] + sums[:-tall, :-wide]
    top, left = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return slice(int(top), int(top) + tall), slice(int(left), int(left) + wide)


def _whole(shown: Cell, size: tuple[int, int], rows: slice, columns: slice) -> Picture:
    """The whole frame, its words on a dark bar above it, and a frame around the worst part."""
    scale = size[0] / shown.picture.shape[1]
    small = cv2.resize(shown.picture, size, interpolation=cv2.INTER_AREA)
    first = round(columns.start * scale), round(rows.start * scale)
    last = round(columns.stop * scale) - 1, round(rows.stop * scale) - 1
    cv2.rectangle(small, first, last, (255, 255, 255), 1)
    bar = np.full((18, size[0], 3), 32, np.uint8)
    letters = min(0.45, 0.45 * (size[0] - 8) / max(1, _width(shown.words)))
    cv2.putText(
        bar, shown.words, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, letters, (255, 255, 255), 1,
        cv2.LINE_AA,
    )  # fmt: skip
    return np.vstack([bar, small])


def _width(words: str) -> int:
    (width, _), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    return int(width)


def _in_a_row(pictures: Sequence[Picture]) -> Picture:
    bordered = [
        cv2.copyMakeBorder(picture, 0, _GAP_PX, 0, _GAP_PX, cv2.BORDER_CONSTANT, value=(255,) * 3)
        for picture in pictures
    ]
    return np.hstack(bordered)
