"""Short clips read whole: every frame, in the right colours."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from filmcli.errors import InputError
from filmcli.video.footage import read_rgb


def test_frames_come_back_bit_for_bit(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 18, 22, 3), dtype=np.uint8)
    path = tmp_path / "100% 'odd' name.mkv"
    words = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "22x18"]
    words += ["-i", "pipe:", "-c:v", "ffv1", "-pix_fmt", "gbrp", f"file:{path}"]
    subprocess.run(words, input=frames.tobytes(), check=True)
    assert np.array_equal(read_rgb(str(path)), frames)


@pytest.mark.parametrize("content", [b"", b"not a film", None])
def test_what_is_no_film_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as video"):
        read_rgb(str(path))
