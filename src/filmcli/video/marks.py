"""Marks of a spherical film, for which ffmpeg has no word: it can only copy them with the pictures.

They are boxes that Google's specifications of spherical video describe: version 2 in the entry of
the coded pictures (`sv3d`, with `st3d` for two eyes), version 1 in the track (`uuid`). A Matroska
file gets its own kind of marks from ffmpeg, which copies it from a mov that was marked.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from filmcli.frames import VideoInfo
from filmcli.video.boxes import Box, boxes, read_movie, tracks
from filmcli.video.codecs import Encoding
from filmcli.video.seen import SPHERICAL, STEREO
from filmcli.video.source import read_report
from filmcli.video.tags import MP4

_VERSION_1 = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")
_HOLDERS = (b"trak", b"mdia", b"minf", b"stbl")
_ENTRY_HEAD = 86  # bytes of a video's sample entry before its boxes
_CHUNK_BYTES = 1 << 20
_MATROSKA = ".mkv"
_EYES = {"top and bottom": 1, "side by side": 2}
_HOLD = {
    ".mov": ("libx264", "libx265", "h264_nvenc", "hevc_nvenc", "prores_ks", "ffv1"),
    ".mp4": ("libsvtav1", "libaom-av1", "av1_nvenc", "libvpx-vp9"),
}


class Marks(NamedTuple):
    """Boxes to stand in the entry of the coded pictures, and in the track."""

    entry: bytes = b""
    track: bytes = b""

    @property
    def kinds(self) -> list[str]:
        """What they say, by the names that `video.seen` has for it."""
        around = b"sv3d" in self.entry or bool(self.track)
        return [SPHERICAL] * around + [STEREO] * (b"st3d" in self.entry)


NO_MARKS = Marks()


def holder(encoding: Encoding) -> str | None:
    """The ending of a file that can be marked and holds what is coded so, None if none is known."""
    return next((ending for ending, names in _HOLD.items() if encoding.encoder in names), None)


def can_mark(info: VideoInfo, encoding: Encoding, output: str) -> bool:
    """Whether the marks of the film `info` can be put into a file like `output`."""
    is_held = output.lower().endswith(MP4) or (
        output.lower().endswith(_MATROSKA) and holder(encoding) is not None
    )
    return is_held and ("mp4" in info.container or "matroska" in info.container)


def read_marks(info: VideoInfo) -> Marks:
    """The marks of the film; empty ones where there are none."""
    if "matroska" in info.container:
        return _from_matroska(info)
    with open(info.path, "rb") as file:
        movie = read_movie(file)
    if movie is None:
        return NO_MARKS
    data, whole = movie
    found = tracks(data, whole)
    if info.stream.index >= len(found):
        return NO_MARKS
    track = found[info.stream.index]
    entry = _entry(data, track)
    kinds = (b"sv3d", b"st3d")
    inside = boxes(data, entry.start + _ENTRY_HEAD, entry.end) if entry else iter(())
    marks = b"".join(data[box.start : box.end] for box in inside if box.kind in kinds)
    others = (data[box.start : box.end] for box in boxes(data, track.inside, track.end))
    return Marks(marks, b"".join(box for box in others if box[4:24] == b"uuid" + _VERSION_1))


def _from_matroska(info: VideoInfo) -> Marks:
    """The boxes that say what ffprobe tells of a film in Matroska."""
    wanted = ("-select_streams", str(info.stream.index), "-show_entries", "stream_side_data")
    told = read_report(info.path, *wanted)["streams"][0].get("side_data_list", ())
    return Marks(b"".join(_boxed_mark(item) for item in told))


def _boxed_mark(told: Mapping[str, Any]) -> bytes:
    if told.get("type") in _EYES and not told.get("inverted"):
        return _box(b"st3d", bytes([0, 0, 0, 0, _EYES[told["type"]]]))
    way = {
        "equirectangular": bytes(20),
        "cubemap": struct.pack(">III", 0, 0, told.get("padding", 0)),
    }
    kind = told.get("projection", "")
    if kind not in way:
        return b""
    pose = (round(told.get(name, 0) * 65536) for name in ("yaw", "pitch", "roll"))
    head = _box(b"prhd", struct.pack(">Iiii", 0, *pose))
    projection = _box(b"equi" if kind == "equirectangular" else b"cbmp", way[kind])
    return _box(b"sv3d", _box(b"svhd", bytes(5)) + _box(b"proj", head + projection))


def _box(kind: bytes, inside: bytes) -> bytes:
    return struct.pack(">I", 8 + len(inside)) + kind + inside


def write_marks(path: str, marks: Marks) -> None:
    """Put `marks` into the first track of the finished mp4 at `path`, whose index comes first."""
    more = len(marks.entry) + len(marks.track)
    with open(path, "r+b") as file:
        movie = read_movie(file)
        if movie is None or not more:
            return
        behind = file.tell()
        data = _marked(*movie, marks)
        end = file.seek(0, os.SEEK_END)
        while end > behind:  # from the last byte on, so that none is lost
            size = min(_CHUNK_BYTES, end - behind)
            end -= size
            file.seek(end)
            chunk = file.read(size)
            file.seek(end + more)
            file.write(chunk)
        file.seek(behind - len(movie[0]))
        file.write(data)


def _marked(data: bytes, whole: Box, marks: Marks) -> bytes:
    """The longer index of a film whose pictures and sound stand behind it."""
    new, more = bytearray(data), len(marks.entry) + len(marks.track)
    for table, kind in _offset_tables(data, whole):
        count = struct.unpack_from(">I", data, table)[0]
        places = struct.Struct(f">{count}{kind}")
        places.pack_into(new, table + 4, *(at + more for at in places.unpack_from(data, table + 4)))
    track = tracks(data, whole)[0]
    entry = _entry(data, track)
    assert entry is not None  # ffmpeg wrote it
    for box in (*_path(data, track), entry):
        _grow(new, box, len(marks.entry))
    _grow(new, track, len(marks.track))
    _grow(new, whole, more)
    new[track.end : track.end] = marks.track
    new[entry.end : entry.end] = marks.entry
    return bytes(new)


def _grow(data: bytearray, box: Box, more: int) -> None:
    size = struct.unpack_from(">I", data, box.start)[0]
    struct.pack_into(">I", data, box.start, size + more)


def _path(data: bytes, track: Box) -> list[Box]:
    """The boxes from a track down to the list of its kinds of samples."""
    found = [track]
    for kind in (*_HOLDERS[1:], b"stsd"):
        inside = boxes(data, found[-1].inside, found[-1].end)
        found += [box for box in inside if box.kind == kind][:1]
    return found


def _entry(data: bytes, track: Box) -> Box | None:
    *_, last = _path(data, track)
    return next(boxes(data, last.inside + 8, last.end), None) if last.kind == b"stsd" else None


def _offset_tables(data: bytes, box: Box) -> Iterator[tuple[int, str]]:
    """Where each table of places in the file starts with its count, and the kind of a place."""
    for inner in boxes(data, box.inside, box.end):
        if inner.kind in (b"stco", b"co64"):
            yield inner.inside + 4, "I" if inner.kind == b"stco" else "Q"
        elif inner.kind in _HOLDERS:
            yield from _offset_tables(data, inner)
