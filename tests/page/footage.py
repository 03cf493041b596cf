"""Two films of three seconds and one cut, whose every frame tells its number by a grey patch."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from filmcli.frames import Layout, Planes
from tests.clips import write_film

WIDE, HIGH = 160, 96
SECONDS, CUT_SECONDS = 3, Fraction(3, 2)
LAYOUT = Layout("yuv420p", "yuv", 8, 1, 1)
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "1", "-g", "30")
PER_FRAME = {24: 2, 60: 1}
"""Levels of luma from one frame's patch to the next one's, by the film's rate."""


def level(rate: int, frame: int) -> int:
    """Luma of the patch, which fills the upper half of the picture."""
    return 30 + PER_FRAME[rate] * frame


def numbered(rate: int) -> list[Planes]:
    """The frames of a film at 24 or 60 a second; what is shot changes at 1.5 s."""
    rng = np.random.default_rng(0)
    before = rng.integers(40, 200, (6, 10), np.uint8)
    coarse = before, 240 - before  # no cut is plainer
    shots = [cv2.resize(cells, (WIDE, HIGH), interpolation=cv2.INTER_CUBIC) for cells in coarse]
    grey = np.full((HIGH // 2, WIDE // 2), 128, np.uint8)
    frames: list[Planes] = []
    for frame in range(rate * SECONDS):
        luma = np.array(shots[frame >= rate * CUT_SECONDS], np.uint8)
        luma[: HIGH // 2] = level(rate, frame)
        frames.append((luma, grey, grey))
    return frames


def film(path: Path, rate: int) -> Path:
    """Write the film as browsers play it; the name decides the container."""
    write_film(path, numbered(rate), LAYOUT, rate, H264)
    return path
