"""What GIF, PNG and WebP say beside their pictures: how often they play, and who made them.

ffmpeg does not tell, so the bytes are read here. A mark is a comment that viewers pass over: GIF's
comment extension, PNG's tEXt chunk, a last chunk of WebP's that only we know.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

_PNG = b"\x89PNG\r\n\x1a\n"
_IHDR_END = 33
"""Where the first chunk of a PNG ends: 8 bytes of signature, 25 of IHDR."""
_GIF_END = b"\x3b"
_GIF_COMMENT = b"\x21\xfe"
_LOOP = b"\x21\xff\x0bNETSCAPE2.0\x03\x01"
_HEAD_BYTES = 4096
"""Colours of a GIF take 768 bytes, and its loop stands behind them."""
_MOST_CHUNKS = 64
_WEBP_MARK = b"CMNT"


def plays(path: str) -> int:
    """How often the animation at `path` is shown; 0 for ever, also for whatever is no animation."""
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
        if head.startswith(b"GIF8"):
            at = head.find(_LOOP)
            if at < 0 or len(head) < at + len(_LOOP) + 2:
                return 1
            again = int.from_bytes(head[at + len(_LOOP) :][:2], "little")
            return again + 1 if again else 0
        if head.startswith(b"RIFF"):
            loop = next((data[4:6] for kind, data in _riff(file) if kind == b"ANIM"), b"")
            return int.from_bytes(loop, "little")
        count = next((data[4:8] for kind, data in _chunks(file) if kind == b"acTL"), b"")
        return int.from_bytes(count, "big")


def webp_milliseconds(path: str) -> int | None:
    """How long the WebP at `path` moves, its pictures' times added up; None if it is a still."""
    with open(path, "rb") as file:
        times = [data[12:15] for kind, data in _riff(file) if kind == b"ANMF"]
    return sum(int.from_bytes(time, "little") for time in times) if times else None


def write_mark(path: str, words: str) -> None:
    """Put a comment into the GIF, PNG or WebP at `path`; nothing is changed in its pictures."""
    text = words.encode("ascii")
    with open(path, "r+b") as file:
        magic = file.read(4)
        if magic == b"RIFF":
            file.seek(0, os.SEEK_END)
            padding = bytes(len(text) % 2)
            file.write(_WEBP_MARK + struct.pack("<I", len(text)) + text + padding)
            size = file.tell() - 8
            file.seek(4)
            file.write(struct.pack("<I", size))
            return
        if magic == b"GIF8":
            file.seek(-1, os.SEEK_END)
            file.write(_GIF_COMMENT + bytes([len(text)]) + text + b"\0" + _GIF_END)
            return
        file.seek(_IHDR_END)
        rest = file.read()
        data = b"tEXtComment\0" + text
        file.seek(_IHDR_END)
        file.write(struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data)))
        file.write(rest)


def read_mark(path: str) -> str | None:
    """The comment that `write_mark` put into the file at `path`; None if there is none."""
    try:
        with open(path, "rb") as file:
            magic = file.read(4)
            if magic == b"RIFF":
                texts = (data for kind, data in _riff(file) if kind == _WEBP_MARK)
                return next((text.decode("ascii", "replace") for text in texts), None)
            if magic == b"GIF8":
                file.seek(max(0, os.path.getsize(path) - 260))
                _, found, text = file.read().rpartition(_GIF_COMMENT)
                is_last = found and text[1 + text[0] :] == b"\0" + _GIF_END
                return text[1:-2].decode("ascii", "replace") if is_last else None
            texts = (data for kind, data in _chunks(file) if kind == b"tEXt")
            mark = next((t for t in texts if t.startswith(b"Comment\0")), None)
            return mark.partition(b"\0")[2].decode("ascii", "replace") if mark else None
    except (OSError, IndexError):
        return None


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Kind and first bytes of the chunks of a PNG before its pictures."""
    file.seek(0)
    if file.read(8) != _PNG:
        return
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        kind = head[4:]
        if len(head) < 8 or kind in (b"IDAT", b"IEND"):
            return
        size = int.from_bytes(head[:4], "big")
        data = file.read(min(size, _HEAD_BYTES))
        file.seek(size - len(data) + 4, os.SEEK_CUR)
        yield kind, data


def _riff(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Kind and first bytes of the chunks of a WebP."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        data = file.read(min(size, 64))
        file.seek(size + size % 2 - len(data), os.SEEK_CUR)
        yield head[:4], data
