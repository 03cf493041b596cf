"""A stream of data in an MPEG-TS that ffmpeg wrote: what its own muxer does not write."""

from __future__ import annotations

from pathlib import Path

from tests.clips import ffmpeg, pattern

_DATA, _TABLE = 0x120, 0x1000  # identifiers of packets: the data's, and the table of streams


def with_data(
    path: Path, kind: int, about: bytes, messages: dict[float, bytes], programme: bytes = b"",
    *, timed: bool = True,
) -> str:  # fmt: skip
    """A second of film with a stream of a `kind`, described by `about` (and `programme`).

    Messages (up to 150 bytes, by seconds of the film) are PES packets, which tell their time if
    they are `timed`; of a `kind` from 0x80 on they are sections.
    """
    plain = path.with_suffix(".plain.ts")
    ffmpeg("-i", pattern(path.with_suffix(".mp4"), 1, "-bf", "0", size="64x48", rate="25"),
           "-c", "copy", plain)  # fmt: skip
    whole, made, count = plain.read_bytes(), b"", 0
    starts = (at for at in range(0, len(whole), 188))
    left = dict(messages)
    for at in starts:
        packet = whole[at : at + 188]
        if _number(packet[1:3]) & 0x1FFF == _TABLE:
            packet = _with_entry(packet, kind, about, programme)
        now = _clock(packet)
        for seconds in [seconds for seconds in left if now is not None and seconds < now]:
            stamp = _stamp(seconds + 1.4) if timed else b""
            made += _packet(kind, stamp, left.pop(seconds), count)
            count = (count + 1) & 15
        made += packet
    assert not left
    path.write_bytes(made)
    return str(path)


def _clock(packet: bytes) -> float | None:
    """Seconds from the first picture on (1.4 s on ffmpeg's clock), by a picture's packet."""
    at = packet.find(b"\0\0\1\xe0")
    if at < 0:
        return None
    stamp = packet[at + 9 : at + 14]
    ticks = (stamp[0] & 14) << 29 | stamp[1] << 22 | (stamp[2] & 254) << 14
    return (ticks | stamp[3] << 7 | stamp[4] >> 1) / 90000 - 1.4


def _with_entry(packet: bytes, kind: int, about: bytes, programme: bytes) -> bytes:
    """The packet with the table of streams, in which there is one more."""
    at = 5 + packet[4]
    length = _number(packet[at + 1 : at + 3]) & 0xFFF
    table = packet[at : at + length - 1]
    entry = bytes([kind]) + _bytes(0xE000 | _DATA) + _bytes(0xF000 | len(about)) + about
    table = table[:10] + _bytes(0xF000 | len(programme)) + programme + table[12:] + entry
    table = table[:1] + _bytes(0xB000 | len(table) + 1) + table[3:]
    return (packet[:at] + table + _checksum(table)).ljust(188, b"\xff")


def _stamp(seconds: float) -> bytes:
    ticks = round(seconds * 90000)
    high, low = ticks >> 15 & 0x7FFF, ticks & 0x7FFF
    return bytes([0x21 | ticks >> 29 & 14]) + _bytes(high << 1 | 1) + _bytes(low << 1 | 1)


def _packet(kind: int, stamp: bytes, message: bytes, count: int) -> bytes:
    head = b"\x47" + _bytes(0x4000 | _DATA)
    if kind >= 0x80:
        return (head + bytes([0x10 | count, 0]) + message).ljust(188, b"\xff")
    told = bytes([0x80, 0x80 if stamp else 0, len(stamp)]) + stamp + message
    body = b"\0\0\1\xbd" + _bytes(len(told)) + told
    empty = 183 - len(body)
    return head + bytes([0x30 | count, empty, 0]) + b"\xff" * (empty - 1) + body


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _bytes(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _checksum(data: bytes) -> bytes:
    """CRC-32 as in ISO 13818-1, annex A."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 * (value >> 31)) & 0xFFFFFFFF
    return value.to_bytes(4, "big")
