"""Whether a film's pictures are woven from two fields, and whether these are cinema film."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import ffmpeg

from filmcli.frames import FieldOrder
from filmcli.video.process import FileName, ask, command
from filmcli.video.source import fraction, source_args

_LONG_SECONDS = 30.0  # from here on fields are looked at in three places
_FILM_PERCENT = 15  # of the fields of pure pulldown 20 % are repeated top ones
_PART_PERCENT = 3  # true video has none


class Fields(NamedTuple):
    """Whether pictures are woven from two fields, in which order, and whether these are film.

    `pulldown` is true where at least a part is film.
    """

    woven: bool = False
    order: FieldOrder = "frames"
    film: bool = False
    pulldown: bool = False


def find_fields(
    path: str,
    raw: Mapping[str, Any],
    frames: Sequence[Mapping[str, Any]],
    duration: Fraction | None,
) -> Fields:
    """Look at the first `frames` of stream `raw`, and at more where they claim to be interlaced."""
    flagged = any(frame.get("interlaced_frame") for frame in frames)
    declared = raw.get("field_order", "progressive")
    if not flagged and declared not in ("tt", "bb", "tb", "bt"):
        return Fields()
    order: FieldOrder = "frames" if flagged else "top" if declared.endswith("t") else "bottom"
    total = float(duration or 0)
    places = [total * part / 3 for part in range(3)] if total > _LONG_SECONDS else [0.0]
    looks = [_look_for_combs(path, raw["index"], place) for place in places]
    combed, whole, top, bottom, all_of = map(sum, zip(*looks, strict=True))
    rate = fraction(raw.get("avg_frame_rate")) or Fraction(0)
    is_video_rate = abs(rate * 1001 / 30000 - 1) < Fraction(1, 100)
    # Of ten fields of pulldown one top and one bottom repeat the one before. True video has none,
    # and a film that is only in parts pulldown is better off with all its fields.
    repeated = min(top, bottom) * 100 if is_video_rate else 0
    is_film = bool(repeated) and repeated >= all_of * _FILM_PERCENT
    in_part = bool(repeated) and repeated >= all_of * _PART_PERCENT
    # Pictures that stand still tell nothing: then the claim is believed.
    return Fields(is_film or combed >= whole, order, is_film, in_part)


def _look_for_combs(path: str, index: int, place: float) -> tuple[int, int, int, int, int]:
    """Of 4 s from `place` on: combed and whole pictures, repeated top and bottom fields, all."""
    film = ffmpeg.input(FileName(path), ss=place, **source_args())[str(index)]
    words = ask(command(film.filter("idet").output("-", format="null", t=4))).words
    kinds = re.search(r"Multi frame detection: TFF: *(\d+) BFF: *(\d+) Progressive: *(\d+)", words)
    again = re.search(r"Repeated Fields: Neither: *(\d+) Top: *(\d+) Bottom: *(\d+)", words)
    if kinds is None or again is None:
        return 0, 0, 0, 0, 0
    tff, bff, progressive = map(int, kinds.groups())
    neither, top, bottom = map(int, again.groups())
    return tff + bff, progressive, top, bottom, neither + top + bottom
