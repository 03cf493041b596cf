"""Short lossless films for scoring: textures that glide, with cuts where asked."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from filmcli.evaluation.metrics import Picture
from filmcli.frames import Layout
from tests.clips import write_film, write_vfr

RGB = Layout("gbrp", "rgb")
WIDE, HIGH = 128, 96


def gliding(count: int, seed: int = 5, speed: int = 3) -> list[Picture]:
    """A smooth random texture that moves `speed` px a frame to the left."""
    coarse = np.random.default_rng(seed).integers(0, 256, (20, 40, 3), dtype=np.uint8)
    wide = cv2.resize(coarse, (WIDE + speed * count, HIGH), interpolation=cv2.INTER_CUBIC)
    return [np.ascontiguousarray(wide[:, speed * k : speed * k + WIDE]) for k in range(count)]


def film(path: Path, frames: Sequence[Picture], rate: Fraction | int = 24) -> str:
    """`frames` as a film that decodes to them, bit for bit."""
    return write_film(path, [planes(frame) for frame in frames], RGB, rate)


def uneven_film(path: Path, frames: Sequence[Picture], times_ms: Sequence[int]) -> str:
    """The same with a time, in milliseconds, for each frame."""
    return write_vfr(path, [planes(frame) for frame in frames], RGB, times_ms)


def planes(frame: Picture) -> tuple[np.ndarray, ...]:
    """Green, blue, red."""
    return tuple(np.ascontiguousarray(frame[..., channel]) for channel in (1, 2, 0))
