"""Stereoscopic films, two views in each picture: how they say so, and who can say it for them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from filmcli.frames import VideoInfo
from filmcli.video.codecs import Encoding

# By ffprobe's name: Matroska's words (left eye first, right eye first), and H.264's number.
_ARRANGEMENTS = {
    "side by side": ("left_right", "right_left", 3),
    "top and bottom": ("top_bottom", "bottom_top", 4),
    "interleaved lines": ("row_interleaved_lr", "row_interleaved_rl", 2),
    "interleaved columns": ("col_interleaved_lr", "col_interleaved_rl", 1),
    "checkerboard": ("checkerboard_lr", "checkerboard_rl", 0),
}
_MATROSKA = ".mkv"


def read_stereo(side_data: Sequence[Mapping[str, Any]]) -> str | None:
    """How the two views lie in each picture, in Matroska's word; None if there are no two."""
    for item in side_data:
        known = _ARRANGEMENTS.get(item.get("type", ""))
        if item.get("side_data_type") == "Stereo 3D" and known:
            left_first, right_first, _ = known
            return right_first if item.get("inverted") else left_first
    return None


def stereo_tag(info: VideoInfo, output: str) -> str | None:
    """The tag of the film's stream that makes ffmpeg's muxer say it, where the container can."""
    return info.stereo if os.path.splitext(output)[1].lower() == _MATROSKA else None


def packing(info: VideoInfo, encoding: Encoding) -> int | None:
    """The number by which x264 says it inside the coded pictures; it knows the left eye first."""
    if encoding.encoder != "libx264":
        return None
    numbers = (number for first, _, number in _ARRANGEMENTS.values() if first == info.stereo)
    return next(numbers, None)


def says_stereo(info: VideoInfo, encoding: Encoding, output: str) -> bool:
    """Whether the new film says that it is stereoscopic, and how."""
    return stereo_tag(info, output) is not None or packing(info, encoding) is not None
