"""Animated WebP, which ffmpeg 5 cannot decode: OpenCV reads it, and an APNG holds it without loss.

OpenCV reads the whole animation at once, so its size is checked before, by its own header.
"""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np

from filmcli.errors import InputError

_MOST_BYTES = 1 << 30
"""Of decoded pictures: all of them lie in memory; 128 of 1920x1080 are this much."""


def is_animated_webp(path: str) -> bool:
    """True for a WebP file whose header says that it moves."""
    if not os.path.isfile(path):  # a pipe would be waited for
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(21)
    except (OSError, ValueError):
        return False
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20:21] and head[20] & 2)


def write_apng(path: str, apng: str) -> None:
    """Write the animation at `path` to the file `apng`, delays kept to the millisecond.

    Raises InputError if it cannot be read, or is too large to be.
    """
    with open(path, "rb") as file:
        content = file.read(_MOST_BYTES)
    width, height = (1 + int.from_bytes(content[at : at + 3], "little") for at in (24, 27))
    if width * height * 4 * content.count(b"ANMF") > _MOST_BYTES:
        raise _unread(path, f"Its pictures of {width}x{height} would fill the memory.")
    if not hasattr(cv2, "imdecodeanimation"):
        raise _unread(path, f"OpenCV {cv2.__version__} cannot; a later one can.")
    try:
        read, animation = cv2.imdecodeanimation(np.frombuffer(content, np.uint8))
        good = read and _write(apng, animation)
    except cv2.error as error:
        raise _unread(path, str(error)) from error
    if not good:
        raise _unread(path, "OpenCV finds no picture in it.")


def _write(apng: str, animation: Any) -> bool:
    return bool(len(animation.frames) and cv2.imwriteanimation(apng, animation))


def _unread(path: str, why: str) -> InputError:
    return InputError(
        f"The animated WebP {path} cannot be read.", why,
        "Turn it into pictures first: webpmux or `magick FILM.webp %05d.png`.",
    )  # fmt: skip
