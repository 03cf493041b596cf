"""The boxes of an mp4 or mov: its index, the tracks in it, their titles and edits."""

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
    return [
        sum(int.from_bytes(table[4:8], "big") for table in _found(data, track, b"edts", b"elst"))
        for data, track in _read_tracks(path)
    ]


def titles(path: str) -> list[str]:
    """The title of each track of the film at `path`, "" if it has none: ffmpeg reads it not."""
    return [
        b"".join(_found(data, track, b"udta", b"name")).decode("utf-8", "replace").strip("\0")
        for data, track in _read_tracks(path)
    ]


def _read_tracks(path: str) -> list[tuple[bytes, Box]]:
    with open(path, "rb") as file:
        movie = read_movie(file)
    return [(movie[0], track) for track in tracks(*movie)] if movie else []


def _found(data: bytes, box: Box, *path: bytes) -> Iterator[bytes]:
    """What is inside the boxes of these kinds, one within the other, in `box`."""
    for inner in boxes(data, box.inside, box.end):
        if inner.kind == path[0] and len(path) > 1:
            yield from _found(data, inner, *path[1:])
        elif inner.kind == path[0]:
            yield data[inner.inside : inner.end]
