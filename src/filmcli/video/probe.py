"""What a file says of its film: streams, shape, colour, times, and whether it is safe to read."""

from __future__ import annotations

import math
import os
import re
import stat
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import zip_longest
from typing import Any, Literal, cast

from filmcli.errors import InputError
from filmcli.frames import Color, StreamInfo, VideoInfo
from filmcli.video.boxes import titles
from filmcli.video.choice import choose_film, read_programmes, without_neighbours
from filmcli.video.clock import Pieces, read_pieces
from filmcli.video.counted import STILL_OR_STREAM, counted
from filmcli.video.fields import find_fields
from filmcli.video.late import late_by
from filmcli.video.pixels import plan_pixels
from filmcli.video.source import MAX_PIXELS, NO_FILM, fraction, listed, no_film, read_report
from filmcli.video.stereo import read_stereo
from filmcli.video.tags import read_tags, read_time_code

_POINTS = ("red", "green", "blue", "white_point")
_DYNAMIC_HDR = {"DOVI": "Dolby Vision", "2094-40": "HDR10+"}
_FAST_RATE = 240
"""A claim of more pictures a second is looked into: it may be the ticks of the clock."""
_UNKNOWN = ("unknown", "unspecified", "reserved", "N/A", None)

_Kind = Literal["video", "audio", "subtitle", "data", "attachment"]


def probe(path: str, in_fps: Fraction | None = None, video: int | None = None) -> VideoInfo:
    """Facts of the film at `path`; InputError if there is none, in well under a second.

    An MPEG-TS, MPEG-PS or FLV is read to its end: its clock may be set anew anywhere.
    `in_fps` is how many pictures a second a raw stream shows; UsageError for any other film.
    `video` chooses a film by the index of its stream or the number of its programme.
    """
    _check_file(path)
    wanted = ("-show_format", "-show_streams", "-show_chapters", "-show_programs")
    report = read_report(path, *wanted)
    programmes = read_programmes(report)
    names = titles(path) if "mp4" in report["format"]["format_name"] else []
    told = zip_longest(report.get("streams", ()), names)
    all_streams = tuple(_stream(raw, name) for raw, name in told if raw)
    stream, streams, notices = choose_film(path, all_streams, programmes, video)
    raw = report["streams"][stream.index]
    _check_size(path, raw)
    frames = _first_frames(path, stream.index)
    if not frames:
        raise no_film(path, "Its video holds no picture that can be decoded.")
    if report["format"]["format_name"] == STILL_OR_STREAM and len(frames) == 1:
        raise no_film(path, NO_FILM)
    _check_size(path, frames[0])
    pieces = read_pieces(path, report, stream.index)
    streams, apart = without_neighbours(stream, streams, pieces.places)
    info = _describe(path, report, stream, raw, frames, streams, pieces)
    info = replace(
        info,
        programmes=programmes,
        notices=(*info.notices, *notices, *apart),
        late=late_by(path, info.container, raw, frames),
    )
    return counted(info, raw, in_fps)


def read_packets(info: VideoInfo, entries: str, interval: str = "") -> list[dict[str, Any]]:
    """Packets of the film's stream as ffprobe lists them, without decoding; [] if it cannot.

    `entries` names the wanted fields, `interval` is ffprobe's -read_intervals.
    """
    where = ("-read_intervals", interval) if interval else ()
    wanted = ("-select_streams", str(info.stream.index), "-show_entries", f"packet={entries}")
    try:
        report = read_report(info.path, *wanted, *where)
    except InputError:
        return []
    return cast("list[dict[str, Any]]", report.get("packets", []))


def read_ticks(info: VideoInfo, on_line: Callable[[str], None] | None = None) -> array[int]:
    """Times of all packets of the film's stream, in its time base and in the order of coding.

    However long the film is: eight bytes a packet, and no limit of time while ffprobe reads on.
    `on_line` hears what it complains of. RenderError if it fails.
    """
    wanted = ("-select_streams", str(info.stream.index), "-show_entries", "packet=pts")
    return array(
        "q", (int(pts) for (pts,) in listed(info.path, *wanted, on_line=on_line) if pts != b"N/A")
    )


def _describe(
    path: str,
    report: Mapping[str, Any],
    stream: StreamInfo,
    raw: Mapping[str, Any],
    frames: Sequence[Mapping[str, Any]],
    streams: tuple[StreamInfo, ...],
    pieces: Pieces,
) -> VideoInfo:
    shown = frames[0]
    side_data = [*shown.get("side_data_list", ()), *raw.get("side_data_list", ())]
    _check_colours(path, side_data)
    rotation, mirrored = _orientation(side_data)
    pixels = plan_pixels(shown["pix_fmt"], rotation)
    width, height = shown["width"], shown["height"]
    aspect = fraction(raw.get("sample_aspect_ratio", "1:1").replace(":", "/")) or Fraction(1)
    if rotation in (90, 270):
        width, height, aspect = height, width, 1 / aspect
    duration = pieces.duration or _duration(report, raw)
    fields = find_fields(path, raw, frames, duration)
    # What puts film together again knows 8-bit YUV only.
    is_known = pixels.layout.model == "yuv" and pixels.layout.depth == 8
    kept = "only a part of the film has it" if is_known else "that is done for YUV of 8 bits only"
    begun = shown.get("pts", shown.get("best_effort_timestamp", 0))
    return VideoInfo(
        path=path,
        container=report["format"]["format_name"],
        stream=stream,
        width=width,
        height=height,
        layout=pixels.layout,
        source_pix_fmt=shown["pix_fmt"],
        color=_color(raw, shown, pixels.layout.model),
        sample_aspect_ratio=aspect,
        rotation=rotation,
        mirrored=mirrored,
        time_base=Fraction(raw["time_base"]),
        rate=_rate(raw, frames),
        start_time=_start_time(report),
        duration=duration,
        interlaced=fields.woven,
        hdr_side_data=_hdr(side_data),
        streams=streams,
        tags=read_tags(report),
        time_code=read_time_code(report, stream.index),
        chapters=len(report.get("chapters", ())),
        begins=_begins(report, raw),
        stereo=read_stereo(side_data),
        notices=(*pixels.notices, *_dynamic_hdr(side_data), *_alpha_beside(raw), *pieces.notice),
        field_order=fields.order,
        telecine_start=begun * Fraction(raw["time_base"]) if fields.film and is_known else None,
        pulldown_kept=kept if fields.pulldown and not (fields.film and is_known) else None,
        turns=pieces.turns,
    )


def _check_file(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise no_film(path, "It is a folder.")
        if not stat.S_ISREG(mode):
            raise InputError(
                f"{path} cannot be read as a film.",
                "It is no regular file, but a pipe or a device, and films are read several times.",
                "Pipe a film in as y4m: ffmpeg -i FILM -f yuv4mpegpipe - | filmcli upsample -",
            )
        with open(path, "rb") as file:
            if not file.read(1):
                raise no_film(path, "It is empty.")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"{path} cannot be opened.", f"{reason}.", "Check the name and your rights to read it."
        ) from error


def _check_size(path: str, raw: Mapping[str, Any]) -> None:
    width, height = raw.get("width", 0), raw.get("height", 0)
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS >> 20
        raise no_film(path, f"It claims {width}x{height}; the limit is {limit} megapixels.")


def _stream(raw: Mapping[str, Any], name: str | None) -> StreamInfo:
    kind = raw.get("codec_type", "data")
    known = kind in ("video", "audio", "subtitle", "attachment")
    tags = {key.lower(): value for key, value in raw.get("tags", {}).items()}
    flags = raw.get("disposition", {})
    return StreamInfo(
        index=raw["index"],
        kind=cast(_Kind, kind) if known else "data",
        codec=raw.get("codec_name", "unknown"),
        language=tags.get("language"),
        title=tags.get("title") or name or None,
        tag=raw.get("codec_tag_string", ""),
        is_attached_picture=bool(flags.get("attached_pic") or flags.get("timed_thumbnails")),
        is_default=bool(flags.get("default")),
    )


def _first_frames(path: str, index: int) -> list[dict[str, Any]]:
    # A recording that starts in mid-stream shows nothing before its first key frame: look further.
    for interval in ("%+#8", "%+30"):
        wanted = ("-select_streams", str(index), "-read_intervals", interval, "-show_frames")
        frames = read_report(path, *wanted).get("frames", [])
        pictures = [frame for frame in frames if frame.get("pix_fmt")]
        if pictures:
            return pictures[:8]
    return []


def _rate(raw: Mapping[str, Any], frames: Sequence[Mapping[str, Any]]) -> Fraction | None:
    """Pictures a second as the file claims; if those are its clock's ticks, as the first show."""
    claimed = fraction(raw.get("avg_frame_rate")) or fraction(raw.get("r_frame_rate"))
    stamps = (frame.get("pts", frame.get("best_effort_timestamp")) for frame in frames)
    marks = [stamp for stamp in stamps if stamp is not None]
    if claimed is None or claimed <= _FAST_RATE or len(marks) < 2 or marks[-1] <= marks[0]:
        return claimed
    shown = (len(marks) - 1) / ((marks[-1] - marks[0]) * Fraction(raw["time_base"]))
    return shown.limit_denominator(1001) if claimed > 2 * shown else claimed


def _orientation(side_data: Sequence[Mapping[str, Any]]) -> tuple[int, bool]:
    """By how many degrees the picture is turned clockwise, and whether it is then mirrored."""
    for item in side_data:
        rows = re.findall(r"^\d+: +(-?\d+) +(-?\d+) +-?\d+", item.get("displaymatrix", ""), re.M)
        if len(rows) >= 2:
            # Where the unit steps to the right and down are shown: (a, b) and (c, d), y downwards.
            (a, b), (c, d) = (map(int, row) for row in rows[:2])
            is_mirrored = a * d - b * c < 0
            angle = math.degrees(math.atan2(b, -a if is_mirrored else a))
            return round(angle / 90) * 90 % 360, is_mirrored
    return 0, False


def _start_time(report: Mapping[str, Any]) -> Fraction:
    # ffprobe rounds the container's start to microseconds; the stream it came from is exact.
    start = Fraction(report["format"].get("start_time", "0").replace("N/A", "0"))
    for raw in report["streams"]:
        if "start_pts" in raw:
            exact = raw["start_pts"] * Fraction(raw["time_base"])
            if abs(exact - start) <= Fraction(1, 10**6):
                return Fraction(exact)
    return start


def _begins(report: Mapping[str, Any], raw: Mapping[str, Any]) -> Fraction | None:
    if "start_pts" not in raw:
        return None
    return Fraction(raw["start_pts"] * Fraction(raw["time_base"]) - _start_time(report))


def _check_colours(path: str, side_data: Sequence[Mapping[str, Any]]) -> None:
    """InputError for colours that only Dolby Vision's own decoders understand."""
    for item in side_data:
        if "DOVI" in item.get("side_data_type", "") and item.get("dv_profile") == 5:
            raise InputError(
                f"{path} has no ordinary colours.",
                "It is Dolby Vision of profile 5, which ffmpeg would show green and purple.",
                "Convert it to HDR10 first, with a tool that knows Dolby Vision.",
            )


def _duration(report: Mapping[str, Any], raw: Mapping[str, Any]) -> Fraction | None:
    file = report["format"]
    if "matroska" in file["format_name"]:  # it says when the film ends, not how long it is
        claim = _claimed_duration(file, raw)
        return None if claim is None else max(claim - _start_time(report), Fraction(0)) or None
    return _claimed_duration(file, raw)


def _claimed_duration(file: Mapping[str, Any], raw: Mapping[str, Any]) -> Fraction | None:
    tags = {key.upper(): value for key, value in raw.get("tags", {}).items()}
    if "duration" in raw:
        return fraction(raw["duration"])
    clock = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", tags.get("DURATION", ""))
    if clock:
        return int(clock[1]) * 3600 + int(clock[2]) * 60 + Fraction(clock[3])
    return fraction(file.get("duration"))


def _color(raw: Mapping[str, Any], shown: Mapping[str, Any], model: str) -> Color:
    def tag(name: str) -> str | None:
        values = (source.get(name) for source in (shown, raw))
        return next((value for value in values if value not in _UNKNOWN), None)

    reach = tag("color_range")
    if shown["pix_fmt"].startswith("yuvj") or model == "rgb":
        reach = "pc"
    return Color(
        matrix=tag("color_space"),
        primaries=tag("color_primaries"),
        transfer=tag("color_transfer"),
        range=cast("Literal['tv', 'pc'] | None", reach if reach in ("tv", "pc") else None),
        chroma_location=tag("chroma_location"),
    )


def _hdr(side_data: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Mastering display and light level in x265's words, in its units (0.00002, 0.0001 cd/m2)."""
    found: dict[str, str] = {}
    for item in side_data:
        kind = item.get("side_data_type", "")
        if kind == "Mastering display metadata" and {"red_x", "max_luminance"} <= item.keys():
            x = {key: Fraction(value) for key, value in item.items() if key != "side_data_type"}
            point = {c: f"({x[c + '_x'] * 50000},{x[c + '_y'] * 50000})" for c in _POINTS}
            light = f"L({x['max_luminance'] * 10000},{x['min_luminance'] * 10000})"
            red, green, blue, white = (point[c] for c in _POINTS)
            found["master-display"] = f"G{green}B{blue}R{red}WP{white}{light}"
        elif kind == "Content light level metadata":
            found["max-cll"] = f"{item['max_content']},{item['max_average']}"
    return tuple(found.items())


def _alpha_beside(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """VP8 and VP9 keep alpha in a film of its own that ffmpeg's decoders do not show."""
    tags = {key.lower(): value for key, value in raw.get("tags", {}).items()}
    beside = raw.get("codec_name") in ("vp8", "vp9") and tags.get("alpha_mode") == "1"
    return ("its alpha lies beside the pictures and is dropped",) * beside


def _dynamic_hdr(side_data: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    kinds = " ".join(item.get("side_data_type", "") for item in side_data)
    found = [name for mark, name in _DYNAMIC_HDR.items() if mark in kinds]
    return tuple(f"{name} metadata cannot be carried over" for name in found)
