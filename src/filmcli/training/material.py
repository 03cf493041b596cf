"""What samples are drawn from: clips of real film, photographs and cut-outs, read into memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import cv2

from filmcli.errors import InputError, UsageError
from filmcli.training.clips import Clip, load_clips
from filmcli.training.samples import Picture
from filmcli.training.textures import Assets
from filmcli.training.vimeo import PREFIX, load_vimeo90k


class Material(NamedTuple):
    """Real clips by source, and what synthetic motion is made of; one may be empty, not both."""

    sources: list[list[Clip]]
    assets: Assets


def load_material(
    footage: Sequence[str],
    stills: str | None,
    cutouts: str | None,
    side: int,
    exclude: str | None = None,
) -> Material:
    """Read everything that samples of `side` px are drawn from; UsageError if that is nothing.

    Footage is a folder for `load_clips`, or "vimeo90k:" and the folder of that set.
    """
    if not footage and not stills:
        raise UsageError("There is nothing to train on.", "", "Give clips, --stills, or both.")
    sources = [source for given in footage for source in _sources(given, side, exclude)]
    return Material(sources, Assets(_pictures(stills, 3), _pictures(cutouts, 4)))


def _sources(given: str, side: int, exclude: str | None) -> list[list[Clip]]:
    if given.startswith(PREFIX):
        return load_vimeo90k(given.removeprefix(PREFIX))
    return load_clips(given, side, exclude)


def _pictures(folder: str | None, channels: int) -> list[Picture]:
    """Return the pictures of `folder` that have `channels` (3 RGB, 4 RGB and alpha) channels."""
    if folder is None:
        return []
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(
            f"'{folder}' cannot be read.", f"{error.strerror}.", "Check the path."
        ) from error
    read = (cv2.imread(os.path.join(folder, name), cv2.IMREAD_UNCHANGED) for name in names)
    code = cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGRA2RGBA
    pictures = [
        cv2.cvtColor(picture, code)
        for picture in read
        if picture is not None and picture.ndim == 3 and picture.shape[2] == channels
    ]
    if not pictures:
        kind = "opaque colour pictures" if channels == 3 else "pictures with an alpha channel"
        raise InputError(f"'{folder}' holds no {kind}.", "", "Check the path.")
    return pictures
