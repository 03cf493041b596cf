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

from filmcli.errors import InputError, UsageError
from filmcli.frames import StreamInfo, VideoInfo
from filmcli.video.hidden import NOTHING_HIDDEN, Hidden, find_hidden
from filmcli.video.process import FileName, ask, command
from filmcli.video.source import read_report, source_args
from filmcli.video.tags import MAX_TIME_CODE_RATE, MP4, TRANSPORT, lost_tags

CONTAINERS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".ts", ".m2ts", ".nut")
"""Endings of the files that can be written: each keeps the time of every picture."""

EXPERIMENTAL = ("-strict", "experimental")
"""Lets a copy into mp4 pass that ffmpeg calls new (TrueHD, FLAC); nothing is coded that way."""

# Containers in which ffmpeg writes what it does not know again, and their readers.
_CREDULOUS = {**dict.fromkeys(TRANSPORT, "mpegts"), ".nut": "nut"}
_PICTURE = "color=s=16x16:r=25:d=0.04"

_LOSSLESS = ("pcm_", "flac", "alac", "truehd", "mlp", "wavpack", "tta", "ape", "tak")
_DATA = {  # what data is, by the container's word for it or by ffmpeg's
    "gpmd": "GoPro telemetry",
    "mebx": "a telephone's timed metadata",
    "camm": "camera motion",
    "rtmd": "a camera's timed metadata",
    "klv": "KLV metadata",
    "timed_id3": "ID3 tags",
    "scte_35": "splice points, SCTE 35",
}
_VIDEO_CODERS = ("libx264", "libvpx-vp9")
_TEXT_CODERS = ("mov_text", "srt", "webvtt")
_PICTURE_SUBTITLES = ("dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle", "xsub", "dvb_teletext")


@dataclass(frozen=True)
class Carried:
    """One stream of the source and the ffmpeg coder that carries it ("copy": bit for bit).

    `start` is when it begins, in seconds from the container's start; what is `hidden` stays away.
    """

    stream: StreamInfo
    coder: str
    start: Fraction = Fraction(0)
    hidden: Hidden = NOTHING_HIDDEN


@dataclass(frozen=True)
class StreamPlan:
    """The other streams of a film to be: what is carried, and sentences on what is not.

    `stretch` is the factor by which time is drawn out, `time_code` that of the source's first
    picture if it is carried.
    """

    carried: tuple[Carried, ...] = ()
    notices: tuple[str, ...] = ()
    stretch: Fraction = Fraction(1)
    expected: Counter[str] = field(default_factory=Counter)
    time_code: str | None = None

    def since(self, start: Fraction) -> StreamPlan:
        """The plan for what lies from `start` on, which is the new film's zero."""
        later = (replace(item, hidden=item.hidden.since(start)) for item in self.carried)
        return replace(self, carried=tuple(later))


def plan_streams(
    info: VideoInfo,
    output: str,
    *,
    stretch: Fraction = Fraction(1),
    audio: bool = True,
    rate: Fraction | None = None,
) -> StreamPlan:
    """What of `info`'s other streams, tags and time code goes into a file like `output`.

    Streams are copied if the container takes them, else converted (text subtitles, sound) or
    dropped, each with a notice. With a `stretch` other than 1 sound is stretched and re-coded,
    other timed streams are dropped. `rate` is about how many pictures a second it will show. Raises
    UsageError if the ending is not one of CONTAINERS.
    """
    extension = os.path.splitext(output)[1]
    check_container(extension)
    carried, notices = _carry_all(info, output, stretch, audio=audio)
    if stretch != 1 and info.chapters:
        notices.append("chapters are dropped: their times would have to be stretched")
    if lost := lost_tags(info, output):
        notices.append(f"the container cannot hold these tags: {', '.join(lost)}")
    named = [s for s in (info.stream, *(item.stream for item in carried)) if s.title]
    if named and extension.lower() in TRANSPORT:
        numbers = ", ".join(str(stream.index) for stream in named)
        notices.append(f"the container cannot hold the titles of streams {numbers}")
    expected: Counter[str] = Counter(item.stream.kind for item in carried)
    code, why = _time_code(info, extension.lower(), stretch, rate)
    if why:
        notices.append(f"time code {info.time_code} is dropped: {why}")
    elif code and extension.lower() in MP4:
        expected["data"] += 1
    return StreamPlan(tuple(carried), tuple(notices), stretch, expected, code)


def _carry_all(
    info: VideoInfo, output: str, stretch: Fraction, *, audio: bool
) -> tuple[list[Carried], list[str]]:
    """The other streams that are carried, and sentences on those that are not as they were."""
    extension = os.path.splitext(output)[1]
    # Tracks that ffmpeg writes anew: of chapters, of the time code.
    anew = ("text", "tmcd") if "mp4" in info.container else ("tmcd",)
    others = [
        s
        for s in info.streams
        if s.index != info.stream.index and not (s.kind == "data" and s.tag in anew)
    ]
    copies = [Carried(s, "copy") for s in others if s.kind != "data"]
    trusting = stretch == 1 and _takes(info, extension, copies)
    carried, notices = [], []
    for stream in others:
        if stream.kind == "audio" and not audio:
            continue
        hidden = find_hidden(info, stream, output)
        if trusting and stream.kind != "data" and not hidden.is_needed:
            carried.append(Carried(stream, "copy", hidden=hidden))
            continue
        choice = _carry(info, extension, stream, stretch, hidden)
        if choice is None:
            why = _why_dropped(stream, extension, stretch)
            notices.append(f"{_name(stream)} is dropped: {why}")
        else:
            start = _start(info, stream) if stretch != 1 else Fraction(0)
            carried.append(replace(choice, start=start, hidden=hidden))
            if choice.coder != "copy":
                notices.append(f"{_name(stream)} is converted to {choice.coder}")
    return carried, notices


def check_container(extension: str) -> None:
    """UsageError if files that end in `extension` cannot be written."""
    if extension.lower() not in CONTAINERS:
        raise UsageError(
            f"A file that ends in {extension or 'nothing'} cannot be written.",
            f"The ending tells the container; known are {' '.join(CONTAINERS)}.",
            "Give the output a name that ends in .mp4 or .mkv.",
        )


def _carry(
    info: VideoInfo, extension: str, stream: StreamInfo, stretch: Fraction, hidden: Hidden
) -> Carried | None:
    if stretch != 1 and stream.kind in ("subtitle", "video", "data"):
        return None
    if stream.kind == "data" and not _is_known_data(info, stream, extension.lower()):
        return None
    tries = (Carried(stream, coder) for coder in _coders(stream, stretch, hidden))
    return next((item for item in tries if _takes(info, extension, [item])), None)


def _is_known_data(info: VideoInfo, stream: StreamInfo, extension: str) -> bool:
    """Whether ffmpeg copies this data bit for bit, and to its place.

    Of ID3 in an MPEG-TS it drops five bytes. KLV without times it puts at the beginning.
    """
    if extension in MP4:
        return stream.tag == "gpmd"
    return extension in TRANSPORT and stream.codec == "klv" and _has_times(info, stream)


def _has_times(info: VideoInfo, stream: StreamInfo) -> bool:
    first = ("-select_streams", str(stream.index), "-read_intervals", "%+#1")
    packets = read_report(info.path, *first, "-show_entries", "packet=pts").get("packets", [])
    return bool(packets) and "pts" in packets[0]


def _coders(stream: StreamInfo, stretch: Fraction, hidden: Hidden) -> Iterator[str]:
    if (stretch == 1 or stream.kind != "audio") and not hidden.is_needed:
        yield "copy"
    if hidden.is_needed:
        yield from _VIDEO_CODERS
    if stream.kind == "audio":
        if stream.codec.startswith(_LOSSLESS):
            yield from ("flac", "alac")
        yield from ("aac", "libopus", "libmp3lame", "pcm_s16le")
    elif stream.kind == "subtitle" and stream.codec not in _PICTURE_SUBTITLES:
        yield from _TEXT_CODERS


def _takes(info: VideoInfo, extension: str, items: list[Carried]) -> bool:
    """Whether ffmpeg writes the header of a file that holds `items`; reads no packet."""
    if not items:
        return True
    film = ffmpeg.input(FileName(info.path), t=0, **source_args())
    maps = [film[str(item.stream.index)] for item in items]
    coders = [item.coder for item in items]
    reader = _CREDULOUS.get(extension.lower())
    if reader:
        maps.insert(0, ffmpeg.input(_PICTURE, f="lavfi"))
        coders.insert(0, "mpeg2video")
    with tempfile.TemporaryDirectory(prefix="filmcli-") as folder:
        path = f"{folder}/film{extension}"
        words = {f"c:{at}": coder for at, coder in enumerate(coders)}
        out = ffmpeg.output(*maps, FileName(path), **words)
        bold = EXPERIMENTAL if all(item.coder == "copy" for item in items) else ()
        if ask(command(out, *bold)).code != 0:
            return False
        return not reader or _kinds(path, reader)[1:] == [item.stream.kind for item in items]


def _kinds(path: str, reader: str) -> list[str]:
    """The kinds of streams that ffmpeg knows again in a file that has hardly more than a header."""
    try:
        found = read_report(path, "-f", reader, "-show_streams")["streams"]
    except InputError:
        return []
    return [raw["codec_type"] for raw in found if raw.get("codec_name", "unknown") != "unknown"]


def _start(info: VideoInfo, stream: StreamInfo) -> Fraction:
    wanted = ("-select_streams", str(stream.index), "-show_entries", "stream=start_time")
    claim = read_report(info.path, *wanted)["streams"][0].get("start_time", "N/A")
    return Fraction(0) if claim == "N/A" else Fraction(claim) - info.start_time


def _time_code(
    info: VideoInfo, extension: str, stretch: Fraction, rate: Fraction | None
) -> tuple[str | None, str]:
    """The time code to carry, and if there is one that cannot be, why."""
    if info.time_code is None or info.rate is None:
        return None, ""
    if stretch != 1:
        return None, "its time would have to be stretched"
    if extension in TRANSPORT:
        return None, "the container cannot hold it"
    if rate and rate > MAX_TIME_CODE_RATE:
        return None, f"it counts at most {MAX_TIME_CODE_RATE} pictures a second"
    return info.time_code, ""


def _name(stream: StreamInfo) -> str:
    kinds = (_DATA.get(name) for name in (stream.tag, stream.codec))
    told = next(filter(None, kinds), stream.tag if stream.codec == "unknown" else stream.codec)
    words = [stream.kind, f"stream {stream.index}", f"({told})"]
    return " ".join([*words, *([stream.language] if stream.language else [])])


def _why_dropped(stream: StreamInfo, extension: str, stretch: Fraction) -> str:
    if stretch != 1 and stream.kind in ("subtitle", "video", "data"):
        return "its times would have to be stretched"
    if stream.kind == "data" and extension.lower() in (*MP4, *TRANSPORT):
        return "ffmpeg cannot write it"
    return "the container cannot hold it"
