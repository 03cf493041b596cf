"""The film's own tags, and its time code: what a container holds of them, and how."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from filmcli.frames import VideoInfo

MP4 = (".mp4", ".m4v", ".mov")
TRANSPORT = (".ts", ".m2ts")
_STRUCTURE = ("major_brand", "minor_version", "compatible_brands", "encoder", "timecode")
_BOTH = "title artist album date comment genre copyright location creation_time"
_HELD = {  # what ffmpeg 5 writes without being told to write every tag by its own name
    ".mov": (*_BOTH.split(), "make", "model"),
    ".mp4": (
        *_BOTH.split(),
        *("album_artist", "composer", "grouping", "lyrics", "description", "synopsis", "show"),
        *("episode_id", "network", "keywords", "episode_sort", "season_number", "media_type"),
        *("hd_video", "gapless_playback", "compilation", "track", "disc"),
    ),
}
# Apple's and Android's names: make, model, place and date of a telephone's film.
_BY_NAME = "com."
_TIME_CODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d+)")
MAX_TIME_CODE_RATE = 255
"""The track of a time code counts pictures a second in a byte."""


def read_tags(report: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The film's tags in ffprobe's `report`, without what only describes the container."""
    tags: Mapping[str, str] = report.get("format", {}).get("tags", {})
    return tuple((key, value) for key, value in tags.items() if key.lower() not in _STRUCTURE)


def read_time_code(report: Mapping[str, Any], index: int) -> str | None:
    """The time code of stream `index`'s first picture: its own, or that of another track."""
    streams = report.get("streams", ())
    first = sorted(streams, key=lambda raw: raw["index"] != index)
    found = (holder.get("tags", {}) for holder in (*first, report.get("format", {})))
    codes = (value for tags in found for key, value in tags.items() if key.lower() == "timecode")
    return next((code for code in codes if _TIME_CODE.fullmatch(code)), None)


def by_name(info: VideoInfo, output: str) -> bool:
    """Whether an mp4 or mov must hold the tags of `info` by their own names."""
    return output.lower().endswith(MP4) and any(key.startswith(_BY_NAME) for key, _ in info.tags)


def lost_tags(info: VideoInfo, output: str) -> list[str]:
    """Names of the tags that a file like `output` does not hold."""
    extension = os.path.splitext(output)[1].lower()
    if extension in TRANSPORT:
        return [key for key, _ in info.tags]
    if extension not in MP4 or by_name(info, output):
        return []
    held = _HELD[".mov" if extension == ".mov" else ".mp4"]
    return [key for key, _ in info.tags if key.lower().partition("-")[0] not in held]


def new_time_code(code: str, old: Fraction, new: Fraction, later: Fraction = Fraction(0)) -> str:
    """The time code `later` seconds after `code`, for `new` pictures a second instead of `old`.

    Its clock stays what it is: 01:00:00:12 at 23.976 fps is 01:00:00:30 at 59.94. Drop-frame codes
    (;) stay such where the new rate has them, in multiples of 30000/1001.
    """
    match = _TIME_CODE.fullmatch(code)
    assert match is not None, code
    hours, minutes, seconds, mark, pictures = match.groups()
    drops = mark != ":"
    before, after = round(old), round(new)
    count = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * before + int(pictures)
    per_minute = 2 * before // 30 if drops else 0
    at = int(hours) * 60 + int(minutes)
    count -= per_minute * (at - at // 10)
    count += round(later * old)
    if drops:  # a minute's first numbers are left out, but in every tenth
        tens, rest = divmod(count, 600 * before - 9 * per_minute)
        left_out = max(0, (rest - per_minute) // (60 * before - per_minute))
        count += per_minute * (9 * tens + left_out)
    clock, pictures_in = divmod(count, before)
    minute, second = divmod(clock, 60)
    keeps = drops and (new / Fraction(30000, 1001)).denominator == 1
    shown = pictures_in * after // before
    digits = f"{minute // 60 % 24:02}:{minute % 60:02}:{second:02}"
    return f"{digits}{';' if keeps else ':'}{shown:02}"
