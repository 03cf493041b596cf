"""Animated WebP: the pictures and delays that were put in come out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from filmcli.errors import InputError
from filmcli.video.decode import decode
from filmcli.video.probe import probe
from filmcli.video.spool import as_film
from filmcli.video.webp import is_animated_webp

LOSSLESS = [cv2.IMWRITE_WEBP_QUALITY, 101]

pytestmark = pytest.mark.skipif(
    not hasattr(cv2, "imdecodeanimation"), reason="this OpenCV has no animations"
)


def animated(path: Path, delays_ms: list[int]) -> list[np.ndarray]:
    """Write noise as an animated WebP; returns its pictures, (H, W, 3) BGR."""
    rng = np.random.default_rng(0)
    animation = cv2.Animation()
    animation.frames = [rng.integers(0, 255, (48, 64, 3)).astype(np.uint8) for _ in delays_ms]
    animation.durations = np.array(delays_ms)
    assert cv2.imwriteanimation(str(path), animation, LOSSLESS)
    return list(animation.frames)


def test_pictures_and_delays_come_out_as_they_went_in(tmp_path: Path) -> None:
    path = tmp_path / "in.webp"
    sent = animated(path, [100, 50, 200, 100])
    with as_film(str(path), Fraction(24)) as film:
        frames = list(decode(probe(film)))
    assert [frame.time for frame in frames] == [Fraction(ms, 1000) for ms in (0, 100, 150, 350)]
    for frame, picture in zip(frames, sent, strict=True):
        green, blue, red = frame.planes
        assert np.array_equal(np.dstack([blue, green, red]), picture)


def test_what_only_looks_like_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.webp"
    animated(path, [100, 100])
    content = path.read_bytes()
    path.write_bytes(content[:60])
    assert is_animated_webp(str(path))
    with pytest.raises(InputError, match="WebP"), as_film(str(path), Fraction(24)):
        pass
    huge = content[:24] + b"\xff\xff\xff" * 2 + content[30:]
    path.write_bytes(huge)
    with pytest.raises(InputError) as failure, as_film(str(path), Fraction(24)):
        pass
    assert "memory" in failure.value.why
