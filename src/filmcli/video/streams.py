"""Which other streams of the source go into the new film, and how: decided before any work.

Nothing is listed by hand that ffmpeg knows better: whether a container takes a stream is found
out by letting ffmpeg write the header of a file that holds it.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

import ffmpeg

from filmcli.errors import UsageError
from filmcli.frames import StreamInfo, VideoInfo
from filmcli.video.process import FileName, ask, command
from filmcli.video.source import read_report, source_args

CONTAINERS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".ts", ".m2ts", ".nut")
"""Endings of the files that can be written: each keeps the time of every picture."""

EXPERIMENTAL = ("-strict", "experimental")
"""Lets a copy into mp4 pass that ffmpeg calls new (TrueHD, FLAC); nothing is coded that way."""

_LOSSLESS = ("pcm_", "flac", "alac", "truehd", "mlp", "wavpack", "tta", "ape", "tak")
_TEXT_CODERS = ("mov_text", "srt", "webvtt")
_PICTURE_SUBTITLES = ("dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle", "xsub", "dvb_teletext")


@dataclass(frozen=True)
class Carried:
    """One stream of the source and the ffmpeg coder that carries it ("copy": bit for bit).

    `start` is when it begins, in seconds from the container's start.
    """

    stream: StreamInfo
    coder: str
    start: Fraction = Fraction(0)


@dataclass(frozen=True)
class StreamPlan:
    """The other streams of a film to be: what is carried, and sentences on what is not.

    `stretch` is the factor by which time is drawn out.
    """

    carried: tuple[Carried, ...] = ()
    notices: tuple[str, ...] = ()
    stretch: Fraction = Fraction(1)
    expected: Counter[str] = field(default_factory=Counter)


def plan_streams(
    info: VideoInfo, output: str, *, stretch: Fraction = Fraction(1), audio: bool = True
) -> StreamPlan:
    """What of `info`'s other streams goes into a file like `output`.

    Streams are copied if the container takes them, else converted (text subtitles, sound) or
    dropped, each with a notice. With a `stretch` other than 1 sound is stretched and re-coded,
    other timed streams are dropped. Raises UsageError if the ending is not one of CONTAINERS.
    """
    extension = os.path.splitext(output)[1]
    check_container(extension)
    others = [s for s in info.streams if s.index != info.stream.index]
    carried, notices = [], []
    trusting = stretch == 1 and _takes(info, extension, [Carried(s, "copy") for s in others])
    for stream in others:
        if stream.kind == "audio" and not audio:
            continue
        if trusting and stream.kind != "data":
            carried.append(Carried(stream, "copy"))
            continue
        choice = _carry(info, extension, stream, stretch)
        if choice is None and _is_chapter_track(info, stream):
            continue  # ffmpeg writes it anew from the chapters
        if choice is None:
            notices.append(f"{_name(stream)} is dropped: {_why_dropped(stream, stretch)}")
        else:
            start = _start(info, stream) if stretch != 1 else Fraction(0)
            carried.append(replace(choice, start=start))
            if choice.coder != "copy":
                notices.append(f"{_name(stream)} is converted to {choice.coder}")
    if stretch != 1:
        notices.append("chapters are dropped: their times would have to be stretched")
    expected: Counter[str] = Counter(item.stream.kind for item in carried)
    return StreamPlan(tuple(carried), tuple(notices), stretch, expected)


def check_container(extension: str) -> None:
    """UsageError if files that end in `extension` cannot be written."""
    if extension.lower() not in CONTAINERS:
        raise UsageError(
            f"A file that ends in {extension or 'nothing'} cannot be written.",
            f"The ending tells the container; known are {' '.join(CONTAINERS)}.",
            "Give the output a name that ends in .mp4 or .mkv.",
        )


def _carry(
    info: VideoInfo, extension: str, stream: StreamInfo, stretch: Fraction
) -> Carried | None:
    if stream.kind == "data" or (stretch != 1 and stream.kind in ("subtitle", "video")):
        return None
    tries = (Carried(stream, coder) for coder in _coders(stream, stretch))
    return next((item for item in tries if _takes(info, extension, [item])), None)


def _coders(stream: StreamInfo, stretch: Fraction) -> Iterator[str]:
    if stretch == 1 or stream.kind != "audio":
        yield "copy"
    if stream.kind == "audio":
        if stream.codec.startswith(_LOSSLESS):
            yield from ("flac", "alac")
        yield from ("aac", "libopus", "libmp3lame", "pcm_s16le")
    elif stream.kind == "subtitle" and stream.codec not in _PICTURE_SUBTITLES:
        yield from _TEXT_CODERS


def _takes(info: VideoInfo, extension: str, items: list[Carried]) -> bool:
    """Whether ffmpeg writes the header of a file that holds `items`; reads no packet."""
    items = [item for item in items if item.stream.kind != "data"]
    if not items:
        return True
    film = ffmpeg.input(FileName(info.path), t=0, **source_args())
    coders = {f"c:{at}": item.coder for at, item in enumerate(items)}
    maps = [film[str(item.stream.index)] for item in items]
    with tempfile.TemporaryDirectory(prefix="filmcli-") as folder:
        out = ffmpeg.output(*maps, FileName(f"{folder}/film{extension}"), **coders)
        bold = EXPERIMENTAL if all(item.coder == "copy" for item in items) else ()
        return ask(command(out, *bold)).code == 0


def _start(info: VideoInfo, stream: StreamInfo) -> Fraction:
    wanted = ("-select_streams", str(stream.index), "-show_entries", "stream=start_time")
    claim = read_report(info.path, *wanted)["streams"][0].get("start_time", "N/A")
    return Fraction(0) if claim == "N/A" else Fraction(claim) - info.start_time


def _is_chapter_track(info: VideoInfo, stream: StreamInfo) -> bool:
    if stream.kind != "data" or "mp4" not in info.container:
        return False
    wanted = ("-select_streams", str(stream.index), "-show_entries", "stream=codec_tag_string")
    claim = read_report(info.path, *wanted)["streams"][0].get("codec_tag_string")
    return bool(claim == "text")


def _name(stream: StreamInfo) -> str:
    words = [stream.kind, f"stream {stream.index}", f"({stream.codec})"]
    return " ".join([*words, *([stream.language] if stream.language else [])])


def _why_dropped(stream: StreamInfo, stretch: Fraction) -> str:
    if stretch != 1 and stream.kind in ("subtitle", "video"):
        return "its times would have to be stretched"
    return "the container cannot hold it"
