"""The boxes of an mp4 or mov: its index, the tracks in it, and what edits these are cut by."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_MOST_BYTES = 1 << 28  # of a film's index; a day at 60 fps takes half


class Box(NamedTuple):
    """A box of so many bytes: where it starts, what is inside, where it ends."""

    kind: bytes
    start: int
    inside: int
    end: int


def read_movie(file: BinaryIO) -> tuple[bytes, Box] | None:
    """The bytes of the box that is a film's index, and the box; the file stands behind it."""
    while len(head := file.read(16)) >= 8:
        size, kind = struct.unpack_from(">I4s", head)
        if size == 1 and len(head) == 16:
            size = struct.unpack_from(">Q", head, 8)[0]
        if size < 8:
            return None
        file.seek(-len(head), os.SEEK_CUR)
        if kind == b"moov":
            data = file.read(size) if size <= _MOST_BYTES else b""
            return (data, Box(kind, 0, 8, size)) if len(data) == size else None
        file.seek(size, os.SEEK_CUR)
    return None


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes that lie one after the other from `start` to `end`."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8 or start + size > end:
            return
        yield Box(kind, start, start + 8, start + size)
        start += size


def tracks(data: bytes, movie: Box) -> list[Box]:
    """The tracks of a film, in the order in which ffmpeg counts streams."""
    return [box for box in boxes(data, movie.inside, movie.end) if box.kind == b"trak"]


def edits(path: str) -> list[int]:
    """How many edits make up each track of the film at `path`; [] if it has no index to be read."""
    with open(path, "rb") as file:
        movie = read_movie(file)
    return [_edits(movie[0], track) for track in tracks(*movie)] if movie else []


def _edits(data: bytes, track: Box) -> int:
    outer = (box for box in boxes(data, track.inside, track.end) if box.kind == b"edts")
    lists = (box for edts in outer for box in boxes(data, edts.inside, edts.end))
    counts = (data[box.inside + 4 : box.inside + 8] for box in lists if box.kind == b"elst")
    return sum(int.from_bytes(count, "big") for count in counts)
