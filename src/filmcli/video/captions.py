"""Captions inside coded pictures (CEA-608, CEA-708): read off one film, put into another.

They are bytes beside each picture (ATSC A/53 part 4), and a raw pipe has no room for them. So they
travel beside it in a film of black pictures, one for each new picture, from which ffmpeg takes what
is stored beside a picture, and from the pipe all samples.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil
from typing import Any

import ffmpeg

from filmcli.errors import RenderError
from filmcli.frames import VideoInfo
from filmcli.video.alias import name_as
from filmcli.video.codecs import Encoding, coded_layout, encoder_help, output_pix_fmt
from filmcli.video.process import FileName, ask, command

Captions = Iterable[tuple[Fraction, bytes]]
"""Times, in seconds from the container's start, and what is captioned there: triplets of bytes."""

_DELIMITER = b"\x00\x00\x00\x01\x09"
_MOST_TRIPLETS = 31
_VALID = 0x04
_DEEPEST = 10  # bits: a table of all pairs of samples is made


def can_caption(info: VideoInfo, encoding: Encoding) -> bool:
    """Whether captions of the film `info` can be put into one that is coded so."""
    coded = coded_layout(output_pix_fmt(info, encoding)[0])
    if coded is None or coded.alpha or coded.depth > _DEEPEST or coded.pix_fmt.startswith("yuvj"):
        return False
    has_clock = not info.counted and not info.turns
    return has_clock and "-a53cc " in encoder_help(encoding.encoder)


def read_captions(info: VideoInfo) -> Captions:
    """All captions of the film, decoded once more; RenderError if ffprobe fails."""
    with tempfile.TemporaryDirectory(prefix="filmcli-") as folder:
        # A plain name: ffmpeg's language of filters has its own ideas of most characters.
        name_as(info.path, os.path.join(folder, "film"))
        kind = info.container.partition(",")[0]
        graph = f"movie=film:f={kind}:si={info.stream.index}[out0+subcc]"
        wanted = ("-select_streams", "s", "-show_entries", "packet=pts_time,data", "-show_data")
        args = ["ffprobe", "-v", "error", *wanted, "-of", "flat", "-f", "lavfi", "-i", graph]
        answer = ask(args, 24 * 3600, cwd=folder)
    if answer.code != 0:
        raise RenderError(f"The captions of {info.path} could not be read.", answer.words)
    return list(_parsed(answer.stdout.decode(), info.start_time))


def _parsed(told: str, start: Fraction) -> Iterable[tuple[Fraction, bytes]]:
    at: Fraction | None = None
    for line in told.splitlines():
        name, _, value = line.partition("=")
        value = value.strip('"')
        if name.endswith(".pts_time"):
            at = None if value == "N/A" else Fraction(value) - start
        elif name.endswith(".data") and at is not None:
            rows = (row.partition(": ")[2].partition("  ")[0] for row in value.split("\\n"))
            yield at, bytes.fromhex("".join(rows).replace(" ", ""))


def captions_of(captions: Captions, first: Fraction, rate: Fraction, count: int) -> list[bytes]:
    """What each of `count` pictures from `first` on, `rate` a second, is to say.

    Each caption is said by the picture that is nearest to it, made or kept: kept ones may be
    seconds apart (23.976 fps in 60). Those of no picture are left out. What is too much for one
    picture is said by the next, and what only fills up is not said then.
    """
    told = [b""] * count
    for time, triplets in captions:
        # The earlier of two that are as near: times are rounded to microseconds.
        place = (time - first) * rate
        at = min(ceil(place - Fraction(501, 1000)), count - 1)
        if at >= 0 and place < count:
            told[at] += triplets
    said, waiting, most = [], b"", 3 * _MOST_TRIPLETS
    for triplets in told:
        if waiting or len(triplets) > most:
            triplets = waiting + _meant(triplets)
        said.append(triplets[:most])
        waiting = triplets[most:]
    return said


def _meant(triplets: bytes) -> bytes:
    """Those triplets that are marked as valid; the others fill up what is sent at a fixed rate."""
    each = (triplets[at : at + 3] for at in range(0, len(triplets), 3))
    return b"".join(triplet for triplet in each if triplet[0] & _VALID)


def write_carrier(path: str, width: int, height: int, said: Sequence[bytes]) -> None:
    """Write a film of black pictures in H.264, whose pictures say what they should."""
    black = ffmpeg.input(f"color=black:s={width}x{height}:r=25", f="lavfi")
    words = {"x264-params": "aud=1:log-level=error", "preset": "ultrafast", "g": 1, "bf": 0}
    sample = f"{path}.black"
    even = black.output(
        FileName(sample), format="h264", vcodec="libx264", pix_fmt="yuv444p", vframes=2, **words
    )
    answer = ask(command(even))
    if answer.code != 0:
        raise RenderError("Black pictures could not be coded.", answer.words)
    with open(sample, "rb") as file:
        units = file.read().split(_DELIMITER)[1:]
    os.unlink(sample)
    with open(path, "wb") as film:
        for index, triplets in enumerate(said):
            unit = units[index % len(units)]  # two by turns: no two neighbours have one number
            film.write(_DELIMITER + unit[:1] + (_message(triplets) if triplets else b"") + unit[1:])


def _message(triplets: bytes) -> bytes:
    """A message of supplemental information (H.264, 7.3.2.3) that holds caption data of A/53."""
    count = len(triplets) // 3
    told = b"\xb5\x00\x31GA94\x03" + bytes([0x40 | count, 0xFF]) + triplets + b"\xff"
    payload = bytes([4, len(told)]) + told + b"\x80"
    guarded, zeros = bytearray(), 0
    for byte in payload:  # two zeros and a small number would look like the start of a unit
        if zeros == 2 and byte <= 3:
            guarded.append(3)
            zeros = 0
        guarded.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\x00\x00\x00\x01\x06" + bytes(guarded)


def captioned(film: Any, carrier: str, pix_fmt: str, rate: Fraction) -> Any:
    """The pictures of `film`, coded as `pix_fmt`, with what those of the `carrier` say."""
    source = ffmpeg.input(
        FileName(carrier), format="h264", r=f"{rate.numerator}/{rate.denominator}"
    )
    beside = source.filter("format", pix_fmt)
    return ffmpeg.filter([beside, film], "lut2", c0="y", c1="y", c2="y")
