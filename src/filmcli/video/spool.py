"""Whatever is no film file becomes one: standard input and picture sequences.

A film is read several times, and a pipe can be read only once; so it is laid down first, without
loss, in a nameless file of this process (FFV1 in Matroska), which is gone with the process however
it ends. A sequence goes the same way, and its pictures are compared on the way.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import ffmpeg

from filmcli.errors import InputError, RenderError, UsageError
from filmcli.timing import parse_rate
from filmcli.video.alias import name_as
from filmcli.video.pixels import EXACT_FLAGS, plan_pixels
from filmcli.video.process import Child, FileName, ask, command
from filmcli.video.sequence import is_pattern, pictures_of
from filmcli.video.source import MAX_PIXELS
from filmcli.video.webp import is_animated_webp, write_apng

STANDARD_INPUT = "-"
OnSample = Callable[[str], None]

_PICTURES_RATE = Fraction(24)
_Y4M_MAGIC = b"YUV4MPEG2 "
_CHUNK_BYTES = 1 << 20
_MOST_PIXEL_BYTES = 8  # three planes and alpha, of 16 bits
_SAFE = {"max_pixels": MAX_PIXELS}
_LOSSLESS = {"vcodec": "ffv1", "level": 3, "g": 1, "slicecrc": 1, "fps_mode": "passthrough"}
_EXACT = {"fflags": "+bitexact", "flags": "bitexact", "format": "matroska"}
# What FFV1 codes with its alpha, without a sample changed, and plan_pixels would take apart.
_WHOLE = {
    **dict.fromkeys(("rgba", "bgra", "argb", "abgr", "gbrap", "pal8"), "bgra"),
    **dict.fromkeys(("rgba64", "ya16"), "rgba64le"),
    "ya8": "ya8",
}
_SHOWN = re.compile(r"Parsed_showinfo_0 .* pts: *(\d+) .* fmt:(\S+) .* s:(\d+x\d+) ")


def shown_rate(text: str | None, option: str = "--in-fps") -> Fraction | None:
    """Read how many pictures are shown a second, if that is said; UsageError for a multiple."""
    if text is None:
        return None
    rate = parse_rate(text)
    if rate.relative:
        raise UsageError(f"{option} {text} makes no sense", "pictures have no rate of their own",
                         "give pictures a second, as 24 or 23.976")  # fmt: skip
    return rate.value


@contextlib.contextmanager
def as_film(
    path: str,
    rate: Fraction | None,
    folder: str | None = None,
    on_sample: OnSample = lambda _: None,
) -> Iterator[str]:
    """Give the path of a film file that shows what `path` names, for as long as the `with` lasts.

    `path` is a film already, an animated WebP, or - for a y4m film on standard input, or a folder
    or pattern of pictures, `rate` (None: 24) of which are shown a second. What must be laid down
    lies in `folder`, or where temporary files go; before that takes its time, `on_sample` is given
    a film that is like its beginning, and may raise. Raises UsageError or InputError for what is no
    film.
    """
    if folder:
        os.makedirs(folder, exist_ok=True)
    if path == STANDARD_INPUT:
        head = _first_bytes()
        with _nameless(folder) as sample:
            if _lay_down_header(head, sample):
                on_sample(sample)
        with _nameless(folder) as film:
            _lay_down_stream(head, film)
            yield film
    elif _are_pictures(path):
        pictures, rate = pictures_of(path), rate or _PICTURES_RATE
        with _nameless(folder) as sample:
            _lay_down_pictures(pictures[:1], rate, sample)
            on_sample(sample)
        with _nameless(folder) as film:
            _lay_down_pictures(pictures, rate, film)
            yield film
    elif is_animated_webp(path):
        with tempfile.TemporaryDirectory(prefix="filmcli-", dir=folder) as home:
            film = os.path.join(home, "film.png")
            write_apng(path, film)
            yield film
    else:
        yield path


def rate_of_stream(path: str, rate: Fraction | None) -> Fraction | None:
    """What `probe` is to be told of `rate` once `as_film` has used it: none if for pictures."""
    return None if _are_pictures(path) else rate


def _are_pictures(path: str) -> bool:
    return os.path.isdir(path) or is_pattern(path)


@contextlib.contextmanager
def _nameless(folder: str | None) -> Iterator[str]:
    """A path by which our children, too, reach a file that has no name and outlives nobody."""
    with tempfile.TemporaryFile(prefix="filmcli-", dir=folder) as file:
        path = f"/proc/{os.getpid()}/fd/{file.fileno()}"
        if os.path.exists(path):
            yield path
            return
    with tempfile.TemporaryDirectory(prefix="filmcli-", dir=folder) as home:
        path = os.path.join(home, "film.mkv")
        with open(path, "xb"):  # and closed: on Windows nobody else opens it meanwhile
            pass
        yield path


def _first_bytes() -> bytes:
    """The beginning of a y4m film on standard input; an error in so many words for all else."""
    do = "Pipe a film in: ffmpeg -i FILM -f yuv4mpegpipe - | filmcli upsample - -o NEW.mkv"
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("Standard input is a terminal.", "- stands for a film piped in.", do)
    head = b""
    while b"\n" not in head and head[:10] == _Y4M_MAGIC[: len(head)] and len(head) < _CHUNK_BYTES:
        if not (more := os.read(sys.stdin.fileno(), _CHUNK_BYTES)):
            break
        head += more
    if not head:
        raise InputError("Standard input is empty.", "No film came through the pipe.", do)
    if not head.startswith(_Y4M_MAGIC):
        raise InputError("Standard input is no y4m film.", "It does not begin as one.", do)
    return head


def _lay_down_header(head: bytes, film: str) -> bool:
    """Write a film of one black picture like those that `head` announces; False if it is none."""
    line = head.partition(b"\n")[0]
    sides = [re.search(rb" %b(\d{1,6})\b" % side, line) for side in (b"W", b"H")]
    pixels = math.prod(int(side[1]) if side else 0 for side in sides)
    if not 0 < pixels <= MAX_PIXELS:
        return False
    with open(film, "r+b") as file:
        file.write(line + b"\nFRAME\n")
        # A hole in the file: it takes no room.
        file.truncate(file.tell() + pixels * _MOST_PIXEL_BYTES)
    return True


def _lay_down_stream(head: bytes, film: str) -> None:
    told = re.search(rb"^[^\n]* F(\d+):(\d+)\b", head)
    # Left alone, ffmpeg snaps slow and fast rates to common ones.
    rate = {"r": f"{int(told[1])}/{int(told[2])}"} if told and int(told[1]) * int(told[2]) else {}
    source = ffmpeg.input("pipe:0", format="yuv4mpegpipe", **rate, **_SAFE)
    args = _spooling(source, film)
    with Child(args, stdin=True, writes=film) as child:
        try:
            while head:
                child.write(head)
                head = os.read(sys.stdin.fileno(), _CHUNK_BYTES)
            child.finish("could not read standard input")
        except RenderError as error:
            raise InputError("Standard input is no y4m film.", error.why, "") from error


def _spooling(pictures: Any, film: str) -> list[str]:
    out = pictures.output(FileName(film), **_LOSSLESS, **_EXACT)
    return command(out, "-loglevel", "repeat+info")


def _lay_down_pictures(pictures: Sequence[str], rate: Fraction, film: str) -> None:
    look = _Look(pictures)
    with tempfile.TemporaryDirectory(prefix="filmcli-") as folder:
        # Links with numbers: any names, any first number, and no pattern that a name could upset.
        ending = os.path.splitext(pictures[0])[1].lower()
        for number, picture in enumerate(pictures):
            name_as(picture, os.path.join(folder, f"{number}{ending}"))
        first = _pix_fmt(os.path.join(folder, f"0{ending}"), pictures[0])
        source = ffmpeg.input(
            FileName(os.path.join(folder, f"%d{ending}")),
            format="image2",
            framerate=f"{rate.numerator}/{rate.denominator}",
            start_number=0,
            protocol_whitelist="file",
            **_SAFE,
        )
        args = _spooling(_codable(source.filter("showinfo", checksum=0), first), film)
        with Child(args, on_line=look.read_line, writes=film) as child:
            try:
                child.finish("could not read the pictures")
            except RenderError as error:
                look.check()
                raise InputError("The pictures cannot be read.", error.why, "") from error
    look.check()


def _pix_fmt(link: str, picture: str) -> str:
    wanted = ("-show_entries", "stream=pix_fmt", "-of", "csv=p=0")
    format_ = ("-f", "image2", "-protocol_whitelist", "file", "-max_pixels", str(MAX_PIXELS))
    answer = ask(["ffprobe", "-v", "error", *wanted, *format_, FileName(link)])
    found = answer.stdout.decode().strip()
    if not re.fullmatch(r"\w+", found) or found == "unknown":
        raise InputError(f"{picture} is no picture that can be read.", answer.words, "")
    return found


def _codable(film: Any, pix_fmt: str) -> Any:
    """Filters that bring pictures into a format that FFV1 codes, without changing a sample."""
    bare = re.sub(r"(le|be)$", "", pix_fmt)
    plan = plan_pixels(pix_fmt, alpha=True)
    planar = plan.layout.pix_fmt
    steps = [*plan.steps, "bgr0"] if planar == "gbrp" else list(plan.steps or [planar])
    keep = {"in_range": "pc", "out_range": "pc"} if pix_fmt.startswith("yuvj") else {}
    for step in [_WHOLE[bare]] if bare in _WHOLE else steps:
        film = film.filter("scale", flags=EXACT_FLAGS, **keep).filter("format", step)
    return film


class _Look:
    """Sees every picture as it is decoded; all must come, and be like the first."""

    def __init__(self, pictures: Sequence[str]) -> None:
        self._pictures = pictures
        self._shapes: dict[int, tuple[str, str]] = {}

    def read_line(self, line: str) -> None:
        """Take in a line of ffmpeg's."""
        if match := _SHOWN.search(line):
            self._shapes[int(match[1])] = (match[3], match[2])

    def check(self) -> None:
        """InputError that names the first picture that did not come, or is unlike the others."""
        first = self._shapes.get(0)
        for number, picture in enumerate(self._pictures):
            shape = self._shapes.get(number)
            if shape is None:
                raise InputError(f"{picture} is no picture that can be read.", "", "Mend it.")
            if first is not None and shape != first:
                raise InputError(
                    f"{picture} is unlike the first picture of its sequence.",
                    f"It is {' '.join(shape)}, the first is {' '.join(first)}.",
                    "A sequence is of one size and format: convert what differs.",
                )
