"""What a data folder holds: which films, of which source, and which are left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from filmcli.errors import InputError
from filmcli.training.samples import Picture
from filmcli.video.footage import read_rgb

VIDEO_ENDINGS = (".mp4", ".mkv", ".mov", ".avi", ".webm")
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
EXCLUDED = "exclude.txt"


class Listed(NamedTuple):
    """A film: a video, or a folder whose pictures are its frames, in the order of their names."""

    path: str
    source: str  # the name up to the last underscore


def films_in(folder: str, exclude: str | None = None) -> Iterator[Listed]:
    """Yield the films of `folder`, by name, without those that its exclude.txt or `exclude` name.

    Such a file has a name a line; what stands behind a # is not read. Raises InputError if the
    folder or `exclude` cannot be read.
    """
    out = _excluded(exclude) if exclude else set()
    names = _names(folder)
    if EXCLUDED in names:
        out |= _excluded(os.path.join(folder, EXCLUDED))
    for name in names:
        path = os.path.join(folder, name)
        is_film = name.lower().endswith(VIDEO_ENDINGS) or os.path.isdir(path)
        if is_film and not name.startswith(".") and name not in out:
            yield Listed(path, name.rsplit("_", 1)[0])


def read_film(path: str) -> Picture | None:
    """Return all frames `(N, H, W, 3)` RGB of a video or of a folder of pictures of one size.

    None if a folder holds no such pictures. Raises InputError for a video without picture.
    """
    if not os.path.isdir(path):
        return read_rgb(path)
    names = [name for name in _names(path) if name.lower().endswith(PICTURE_ENDINGS)]
    frames = [read_frame(os.path.join(path, name)) for name in names]
    return np.stack(frames) if len({frame.shape for frame in frames}) == 1 else None


def read_frame(path: str) -> Picture:
    """Return the picture in a file, `(H, W, 3)` RGB; InputError if there is none."""
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError(f"'{path}' is no picture.", "", "Copy it again, or leave it out.")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def lines_of(path: str) -> list[str]:
    """Return the lines of a list that hold anything but a comment; InputError if unreadable."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.partition("#")[0].strip() for line in file]
    except OSError as error:
        raise _unreadable(path, error) from error
    return [line for line in lines if line]


def _excluded(path: str) -> set[str]:
    return set(lines_of(path))


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(path: str, error: OSError) -> InputError:
    return InputError(f"'{path}' cannot be read.", f"{error.strerror}.", "Check the path.")
