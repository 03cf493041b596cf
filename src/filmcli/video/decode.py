"""Pictures out of a film: the decoder's own planes, each with its exact time.

ffmpeg writes raw pictures to a pipe and, through its `showinfo` filter, one line with the time
of each to stderr; the two streams are paired by order. `-copyts` keeps the file's own clock, from
which the container's exact start is taken off here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice, pairwise
from statistics import median
from typing import Any, NamedTuple

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from filmcli.errors import InputError, RenderError
from filmcli.frames import Frame, Span, VideoInfo
from filmcli.timing import MAX_RATE
from filmcli.video.clock import frame_clock
from filmcli.video.counted import count_times
from filmcli.video.pixels import EXACT_FLAGS, SMOOTH_FLAGS, plan_pixels
from filmcli.video.probe import read_packets
from filmcli.video.process import Child, FileName, command
from filmcli.video.seen import Seen
from filmcli.video.source import source_args
from filmcli.video.stamps import Stamps

_log = logging.getLogger(__name__)

THUMBNAIL_WIDTH = 160
MAX_PICTURES = 24 * 3600 * 60
"""What is longer than a day at 60 fps (or six hours at 240) is taken for a film without an end."""
LEAP_FRAMES = 500
"""Frames that take as long to decode as a new decoder takes to be there: it begins three seconds
earlier, at a key frame, of which most films have one every ten seconds or oftener."""
_EARLIER_SECONDS = 3
"""So much before a span reading starts: coding order may be a second ahead of time."""
_NEAR_SECONDS = 10
_EARLY_SECONDS = Fraction(1, 2)
_STILL_SECONDS = Fraction(1, 25)


_Raw = tuple[Fraction, NDArray[np.uint8]]


class Thumbnail(NamedTuple):
    """A small picture with its time: `color` (h, w, 3) BGR and `luma` (h, w), both uint8."""

    time: Fraction
    luma: NDArray[np.uint8]
    color: NDArray[np.uint8]


def decode(
    info: VideoInfo, first: int = 0, *, deinterlace: bool = True
) -> Generator[Frame, None, None]:
    """Frames from index `first` on, in order of presentation, times from the container's start.

    Times rise strictly: of two pictures with one time the later is kept, and a clock that falls
    back by more than 0.5 s goes on one interval after the last picture. `deinterlace` takes
    combs out of a film that is `info.interlaced`. Raises InputError if nothing decodes and
    RenderError if the decoder is killed; a damaged end only ends the frames early.
    """
    info = _as_asked(info, deinterlace)

    def shape(film: Any) -> Any:
        return _turned(info, _unwoven(info, _planar(info, film)))

    layout, width, height = info.layout, info.width, info.height
    plan = plan_pixels(info.source_pix_fmt, info.rotation, layout.alpha)
    pix_fmt = plan.steps[-1] if plan.steps else info.source_pix_fmt
    size = layout.frame_bytes(width, height)
    for time, buffer in _pull(info, shape, pix_fmt, size, first):
        yield Frame(time, layout.split(buffer.data, width, height))


def decode_near(
    info: VideoInfo, times: Sequence[Fraction], first: int, *, deinterlace: bool = True
) -> Iterator[Frame]:
    """The same frames as `decode` gives from index `first` on, without those before if possible.

    `times` are those of all frames, each nearer to its own than to its neighbours'. What does not
    come as they say is read from the film's beginning.
    """
    at = first
    if LEAP_FRAMES < first < len(times) and seek_args(info, times[first]):
        between = [(one + other) / 2 for one, other in pairwise(times[first - 1 :])]
        ends = [*between[1:], times[-1] + MAX_PICTURES]
        span = Span(between[0], info.span.end if info.span else None)
        # The first frame of a span is the one shown when it starts.
        apart = decode(replace(info, span=span), 1, deinterlace=deinterlace)
        with closing(apart) as near:
            for frame, begin, end in zip(near, between, ends, strict=False):
                if not begin < frame.time < end:
                    break
                yield frame
                at += 1
    if at < len(times):
        yield from decode(info, at, deinterlace=deinterlace)


def thumbnails(
    info: VideoInfo, *, deinterlace: bool = True, seen: Seen | None = None
) -> Generator[Thumbnail, None, None]:
    """The same frames and times as `decode`, 160 pixels wide; warns if the film ends early.

    `seen` learns of every coded picture, before it is scaled to the film's size.
    """
    info = _as_asked(info, deinterlace)
    width = min(THUMBNAIL_WIDTH, info.width)
    height = max(1, round(info.height * width / info.width))
    lying = info.rotation in (90, 270)
    size = (height, width) if lying else (width, height)

    def shape(film: Any) -> Any:
        film = film if seen is None else film.filter("showinfo", checksum=0)
        film = _of_one_size(info, film) if info.interlaced else film  # fields need one size
        film = _unwoven(info, film).filter("scale", *size, flags="area")
        return _turned(info, film.filter("format", "bgr24"))

    last = Fraction(0)
    for time, buffer in _pull(info, shape, "bgr24", width * height * 3, 0, seen):
        color = buffer.reshape(height, width, 3)
        last = time
        yield Thumbnail(time, _luma(color), color)
    until = info.duration or Fraction(0)
    if info.span and info.span.end:
        until = min(until, info.span.end)
    missing = until - last
    if missing > _EARLY_SECONDS + 2 * (1 / info.rate if info.rate else _STILL_SECONDS):
        _log.warning(
            "%s ends early: its last picture is at %.3f s of %.3f s",
            info.path, last, info.duration,
        )  # fmt: skip


def pictures(
    info: VideoInfo, *, deinterlace: bool = True
) -> Generator[NDArray[np.uint8], None, None]:
    """The same frames as `decode` as 8-bit RGB, (H, W, 3), which is what a viewer sees.

    ffmpeg converts them, with the film's own matrix and range. For measuring; nothing that is
    written to a film comes from here.
    """
    info = _as_asked(info, deinterlace)

    def shape(film: Any) -> Any:
        film = _unwoven(info, _of_one_size(info, film)).filter("format", "rgb24")
        return _turned(info, film)

    for _, buffer in _pull(info, shape, "rgb24", info.height * info.width * 3, 0):
        yield buffer.reshape(info.height, info.width, 3)


def last_duration(info: VideoInfo, times: Sequence[Fraction]) -> Fraction:
    """Seconds that the last of `times` (as `decode` gave them, or steadied) is shown.

    The duration of its packet, unless that is less than half of the median interval, which is a
    makeshift of some muxers; else the interval before it, or the median interval if that one is
    odd; else 1/25 s. Within a tick of the median interval, that itself, which is exact where the
    container rounds.
    """
    gaps = [right - left for left, right in pairwise(times[-50:])]
    usual = Fraction(median(gaps)) if gaps else None
    shown = _packet_duration(info, times[-1])
    if usual is None:
        claimed = 1 / info.rate if info.rate and info.rate <= MAX_RATE else _STILL_SECONDS
        return shown if shown and shown * MAX_RATE >= 1 else claimed
    if info.both_fields or info.telecine_start is not None or info.counted:
        shown = usual if shown else None  # a packet is not a picture here, or tells no time
    if shown is None or 2 * shown < usual:
        return gaps[-1] if gaps[-1] <= 2 * usual else usual
    return usual if abs(shown - usual) <= info.time_base else shown


def _packet_duration(info: VideoInfo, time: Fraction) -> Fraction | None:
    """What the packet of the picture at `time` says; None if it says nothing."""
    if info.turns:  # the file's own clock does not lead there
        return None
    at, tick = time + info.start_time, info.time_base
    near = f"{float(max(at - _NEAR_SECONDS, Fraction(0))):.3f}%{float(at + _NEAR_SECONDS):.3f}"
    packets = [p for p in read_packets(info, "pts,duration", near) if "pts" in p]
    own = min(packets, key=lambda p: abs(p["pts"] * tick - at), default={"pts": at / tick + 3})
    duration = int(own.get("duration", 0)) * tick
    return duration if abs(own["pts"] * tick - at) <= 2 * tick and duration > 0 else None


def seek_args(info: VideoInfo, seconds: Fraction) -> dict[str, Any]:
    """ffmpeg input options that start reading a little before `seconds`, or at the beginning.

    Only where the container has an index and a clock that nobody sets back, and not where pictures
    are put together of fields, which would be other ones.
    """
    early = seconds - _EARLIER_SECONDS
    if (
        early <= 0
        or info.telecine_start is not None
        or not {"mp4", "matroska"} & set(info.container.split(","))
    ):
        return {}
    return {"ss": f"{float(early):.3f}", "noaccurate_seek": None}


def _film(info: VideoInfo, seek: Mapping[str, Any]) -> Any:
    # A change of size in mid-film must reach the filters that scale, not make the graph anew.
    options = {"noautorotate": None, "reinit_filter": 0, **seek, **source_args()}
    if info.engine:
        options["hwaccel"] = info.engine  # pictures come back to main memory by themselves
    return ffmpeg.input(FileName(info.path), **options)[str(info.stream.index)]


def _planar(info: VideoInfo, film: Any) -> Any:
    film = _of_one_size(info, film)
    for step in plan_pixels(info.source_pix_fmt, info.rotation, info.layout.alpha).steps:
        film = film.filter("scale", flags=EXACT_FLAGS, **_range_kept(info)).filter("format", step)
    return film


def _of_one_size(info: VideoInfo, film: Any) -> Any:
    """The coded pictures in the size and pixel format of the film; those that have both pass."""
    lying = info.rotation in (90, 270)
    size = (info.height, info.width) if lying else (info.width, info.height)
    film = film.filter("scale", *size, flags=SMOOTH_FLAGS, **_range_kept(info))
    return film.filter("format", info.source_pix_fmt)


def _range_kept(info: VideoInfo) -> dict[str, str]:
    # Full range stays full range: swscale takes only the yuvj names for it.
    return {"in_range": "pc", "out_range": "pc"} if info.source_pix_fmt[:4] == "yuvj" else {}


def _as_asked(info: VideoInfo, deinterlace: bool) -> VideoInfo:
    return info if deinterlace else replace(info, interlaced=False, telecine_start=None)


def _unwoven(info: VideoInfo, film: Any) -> Any:
    if turns := info.turns_of(info.stream):
        film = film.filter("setpts", frame_clock(turns))
    if info.interlaced:
        if info.field_order != "frames":
            film = film.filter("setfield", "tff" if info.field_order == "top" else "bff")
        if info.telecine_start is not None:
            return _film_again(film)
        mode = "send_field" if info.both_fields else "send_frame"
        film = film.filter("bwdif", mode=mode, deint="interlaced")
    return film


def _film_again(film: Any) -> Any:
    """Undo 3:2 pulldown; what no two fields match in (a title over it) is deinterlaced.

    `decimate` counts pictures and reads no times: `fps` fills in what is missing, and what a
    player was to repeat, so that the count is the time, and the time base holds it exactly.
    """
    film = film.filter("fps", "30000/1001").filter("fieldmatch", combmatch="full")
    film = film.filter("bwdif", mode="send_frame", deint="interlaced")
    return film.filter("settb", "1/120000").filter("decimate")


def _turned(info: VideoInfo, film: Any) -> Any:
    if info.rotation == 180:
        film = film.filter("hflip").filter("vflip")
    elif info.rotation in (90, 270):
        film = film.filter("transpose", "clock" if info.rotation == 90 else "cclock")
    return film.filter("hflip") if info.mirrored else film


def _pull(
    info: VideoInfo, shape: Callable[[Any], Any], pix_fmt: str, size: int, first: int,
    seen: Seen | None = None,
) -> Iterator[_Raw]:  # fmt: skip
    """Times and raw pictures of `size` bytes, from frame `first` of the film (or its span) on."""
    if info.span is None:
        yield from _read(info, shape(_film(info, {})), pix_fmt, size, first, seen)
        return
    # An index can lie: if reading starts behind the span, all that is before it is read instead.
    for seek in (seek_args(info, info.span.start), {}):
        with closing(_read(info, shape(_film(info, seek)), pix_fmt, size, 0, seen)) as raw:
            inside = _within(raw, info.span)
            start = next(inside, None)
            if seek and (start is None or start[0] > info.span.start):
                continue
            if start is not None:
                yield from islice(chain([start], inside), first, None)
            return


def _within(raw: Iterable[_Raw], span: Span) -> Iterator[_Raw]:
    """The picture on screen when `span` starts, and all up to the first one at its end."""
    held = None
    for at in raw:
        if held is not None and at[0] > span.start:
            yield held
            if span.end is not None and held[0] >= span.end:
                return
        held = at
    if held is not None:
        yield held


def _read(
    info: VideoInfo, film: Any, pix_fmt: str, size: int, first: int, seen: Seen | None
) -> Generator[_Raw, None, None]:
    """Times and raw pictures of `size` bytes, from frame `first` on."""
    film = film.filter("showinfo", checksum=0)
    if first > 0:
        film = film.filter("select", f"gte(n,{first})")
    pipe = film.output("pipe:1", format="rawvideo", pix_fmt=pix_fmt, fps_mode="passthrough")
    args = command(pipe, "-loglevel", "repeat+info", "-copyts", "-max_error_rate", "1")
    stamps = Stamps(info, seen)
    with Child(args, stdout=True, on_line=stamps.read_line, on_end=stamps.end) as child:
        index, held = 0, None
        times = stamps.until_end(child)
        if info.counted and info.telecine_start is None:
            times = count_times(info, times)
        for count, time in enumerate(times):
            if count == MAX_PICTURES:
                raise _endless(info)
            buffer = np.empty(size, np.uint8)
            if count >= first and child.read_into(buffer.data) < size:
                break
            # The held frame is let go once the next one is known to be later.
            if held is not None and time > held[0]:
                if index >= first:
                    yield held
                index += 1
            held = (time, buffer)
        if held is not None and index >= first:
            yield held
        _judge(info, child, index if held is None else index + 1)


def _endless(info: VideoInfo) -> InputError:
    return InputError(
        f"{info.path} does not end.",
        f"It holds more than {MAX_PICTURES} pictures, or somebody still adds to it.",
        "Copy a part of it first: ffmpeg -i FILM -t 6:00:00 -c copy part.mkv",
    )


def _judge(info: VideoInfo, child: Child, count: int) -> None:
    code = child.wait()
    if code < 0:
        raise RenderError(
            f"The decoder of {info.path} was killed (signal {-code}).", child.last_words()
        )
    if count == 0:
        raise InputError(
            f"No picture of {info.path} could be decoded.",
            child.last_words(),
            "Check that the file is a complete video.",
        )
    if code > 0:
        _log.warning("%s is damaged: %s", info.path, child.last_words(1))


def _luma(color: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weights = np.array((29, 150, 77), np.uint16)  # 0.114, 0.587, 0.299 in 256ths
    mixed: NDArray[np.uint16] = (color * weights).sum(axis=2, dtype=np.uint16)
    return (mixed >> 8).astype(np.uint8)
