"""Films as browsers play them: as they are where that is possible, else packed or coded anew.

Frames are never scaled, and their times stay as they are. What is coded is H.264 in 4:2:0 of 8
bits, in mp4, which every browser plays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Any

import ffmpeg

from filmcli.errors import InputError
from filmcli.frames import Span, StreamInfo, VideoInfo
from filmcli.video.decode import last_duration
from filmcli.video.probe import probe, read_ticks
from filmcli.video.process import FileName, run
from filmcli.video.source import source_args
from filmcli.video.streams import EXPERIMENTAL

Progress = Callable[[int], None]

_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}
_PICTURES = {
    "h264": ("yuv420p", "yuvj420p"),
    "vp8": ("yuv420p",),
    "vp9": ("yuv420p", "yuv420p10le"),
    "av1": ("yuv420p", "yuv420p10le"),
}
"""Codecs that browsers play, each in these pixel formats."""
_SOUNDS = ("aac", "mp3", "opus", "vorbis", "flac")
_SOUNDS_OF_MP4 = ("aac", "mp3", "opus", "flac")
# To be looked at closely, so a little better than the results' own default of 18.
_CRF, _PRESET = 16, "veryfast"
_PLAIN = {"map_metadata": -1, "map_chapters": -1, "movflags": "+faststart"}


@dataclass(frozen=True)
class Played:
    """A film that browsers play.

    `times` are those of its frames and the end of the last one, in seconds of the file's own
    clock; 0 there is `origin` on the film's clock. `about` says in words what the file is; if it
    `is_made`, it was made for the page.
    """

    path: str
    times: Sequence[Fraction]
    origin: Fraction
    about: str
    has_sound: bool
    is_made: bool

    @property
    def media_type(self) -> str:
        """What the file is to a browser."""
        return _TYPES[os.path.splitext(self.path)[1].lower()]

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return os.path.getsize(self.path)

    @property
    def shown(self) -> Sequence[Fraction]:
        """Times of the frames on the film's clock."""
        return [time + self.origin for time in self.times[:-1]]

    def frames(self) -> dict[str, Any]:
        """The times as the page takes them: the first, and runs of equal steps."""
        steps = (right - left for left, right in pairwise(self.times))
        runs = [[float(step), sum(1 for _ in same)] for step, same in groupby(steps)]
        return {"first": float(self.times[0]), "steps": runs}


def played(
    info: VideoInfo,
    target: str,
    *,
    part: Span | None = None,
    with_sound: bool = False,
    progress: Progress = lambda done: None,  # noqa: ARG005
) -> Played:
    """The film of `info` as a browser plays it: its own file, or `target`, an mp4 that is made.

    Of a `part` only that is made. `progress` hears how many frames are done. Raises RenderError if
    ffmpeg fails, InputError if there is nothing to show.
    """
    sound = next((stream for stream in info.streams if stream.kind == "audio"), None)
    if part is None and _plays(info, sound):
        return Played(info.path, _times(info), Fraction(0), "as it is", sound is not None, False)
    sound = sound if with_sound else None
    is_packed = part is None and _can_be_packed(info)
    made = _packed(info, target, sound) if is_packed else _coded(info, target, sound, part)
    run(made, f"could not make {info.path} fit for browsers", progress, EXPERIMENTAL)
    about = "put into mp4, not coded anew" if is_packed else f"coded as H.264, CRF {_CRF}"
    origin = part.start if part else Fraction(0)
    return Played(target, _times(probe(target)), origin, about, sound is not None, True)


def _plays(info: VideoInfo, sound: StreamInfo | None) -> bool:
    """Whether browsers play the very file, and take its times as they are."""
    films = [stream for stream in info.streams if stream.kind == "video"]
    return (
        os.path.splitext(info.path)[1].lower() in _TYPES
        and _is_plain(info)
        and len(films) == 1
        and info.source_pix_fmt in _PICTURES.get(info.stream.codec, ())
        and (sound is None or sound.codec in _SOUNDS)
    )


def _can_be_packed(info: VideoInfo) -> bool:
    """Whether its pictures, as they are coded, play in mp4."""
    is_h264 = info.stream.codec == "h264" and info.source_pix_fmt in _PICTURES["h264"]
    return is_h264 and _is_plain(info)


def _is_plain(info: VideoInfo) -> bool:
    """Whether the file's clock starts at 0 and runs on, and its frames are whole and upright."""
    has_clock = {"mp4", "matroska"} & set(info.container.split(","))
    starts = info.start_time == 0 and (info.begins or 0) >= 0
    is_upright = info.rotation == 0 and not info.mirrored
    is_odd = info.interlaced or info.turns or info.counted
    return bool(has_clock) and starts and is_upright and not is_odd


def _packed(info: VideoInfo, target: str, sound: StreamInfo | None) -> Any:
    """The pictures as they are coded, in mp4."""
    film = ffmpeg.input(FileName(os.path.abspath(info.path)), **source_args())
    tracks = [film[str(stream.index)] for stream in (info.stream, sound) if stream]
    is_copied = sound is not None and sound.codec in _SOUNDS_OF_MP4
    words = {"c:v": "copy", "c:a": "copy" if is_copied else "aac"}
    return ffmpeg.output(*tracks, FileName(target), **words, **_PLAIN)


def _coded(info: VideoInfo, target: str, sound: StreamInfo | None, part: Span | None) -> Any:
    """The pictures coded anew, every one at its own time; of a `part` from 0 on."""
    options: dict[str, Any] = {"r": str(info.rate)} if info.counted else {}
    if part:
        options["ss"] = f"{float(part.start):.6f}"
    film = ffmpeg.input(FileName(os.path.abspath(info.path)), **options, **source_args())
    tracks = [_filtered(film[str(info.stream.index)], info)]
    tracks += [film[str(sound.index)]] if sound else []
    words = {"c:v": "libx264", "crf": _CRF, "preset": _PRESET, "c:a": "aac", **_PLAIN}
    words["g"] = max(1, round(info.rate or 24))  # to step back is to decode from a key frame
    tick = info.time_base / 2 if info.both_fields else info.time_base  # a field's own
    words |= {"fps_mode": "passthrough", "enc_time_base": f"{tick.numerator}:{tick.denominator}"}
    if info.layout.model == "rgb":
        words["colorspace"] = "bt709"
    if part and part.end is not None:
        words["t"] = f"{float(part.end - part.start):.6f}"
    return ffmpeg.output(*tracks, FileName(target), **words)


def _filtered(shown: Any, info: VideoInfo) -> Any:
    """Whole pictures in 4:2:0, whose sizes must be even."""
    if info.interlaced:
        mode = "send_field" if info.both_fields else "send_frame"
        shown = shown.filter("bwdif", mode=mode, deint="interlaced")
    if info.layout.model == "rgb":
        shown = shown.filter("scale", out_color_matrix="bt709", out_range="tv")
    shown = shown.filter("format", "yuv420p")
    return shown.filter("pad", "ceil(iw/2)*2", "ceil(ih/2)*2")


def _times(info: VideoInfo) -> list[Fraction]:
    """Times of the frames, and the end of the last one, on the file's own clock."""
    times = [tick * info.time_base for tick in sorted(read_ticks(info))]
    if not times:
        raise InputError(f"{info.path} holds no frames", "", "give a film that plays")
    return [*times, times[-1] + last_duration(info, times)]
