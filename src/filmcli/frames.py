"""The nouns that every floor speaks of: planes and their layout, frames, colour, a video's facts.

Frames travel through filmcli as the video's own planes, never as RGB: a kept frame is then the
source's decode to the last bit. Times are exact seconds (`fractions.Fraction`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.unsignedinteger]
Planes = tuple[Plane, ...]
"""Arrays (H, W), uint8 or little-endian uint16, in the order of the layout's raw pixel format."""

# swscale rounds an alpha of 8 bits on its way from packed to planar RGB: this one stays packed.
_PACKED, _GREEN_BLUE_RED_ALPHA = "rgba", (1, 2, 0, 3)

FieldOrder = Literal["frames", "top", "bottom"]
"""Which field of a woven picture comes first; "frames" where every frame carries its own flag."""


@dataclass(frozen=True)
class Layout:
    """How the planes of one picture lie on ffmpeg's raw pipe.

    `pix_fmt` is ffmpeg's name. `model` "yuv" has planes Y, U, V; "gray" has Y; "rgb" has G, B, R
    (ffmpeg's planar order). `depth` is 8 to 16 bits; above 8 each sample is a uint16.
    `chroma_x`, `chroma_y` are log2 of the chroma subsampling (4:2:0 is 1, 1). With `alpha` one more
    plane follows, of full size and range; colours are not multiplied by it.
    """

    pix_fmt: str
    model: Literal["yuv", "gray", "rgb"]
    depth: int = 8
    chroma_x: int = 0
    chroma_y: int = 0
    alpha: bool = False

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Sample type: uint8 for 8 bits, little-endian uint16 above."""
        return np.dtype("u1") if self.depth == 8 else np.dtype("<u2")

    def plane_shapes(self, width: int, height: int) -> tuple[tuple[int, int], ...]:
        """(H, W) of each plane; chroma of odd sizes is rounded up, as ffmpeg does."""
        luma = (height, width)
        if self.model == "gray":
            return (luma,)
        chroma = (-(-height >> self.chroma_y), -(-width >> self.chroma_x))
        return (luma, chroma, chroma, luma) if self.alpha else (luma, chroma, chroma)

    def frame_bytes(self, width: int, height: int) -> int:
        """Bytes of one raw picture on the pipe."""
        samples = sum(h * w for h, w in self.plane_shapes(width, height))
        return samples * self.dtype.itemsize

    def split(self, buffer: bytes | bytearray | memoryview, width: int, height: int) -> Planes:
        """Views of one raw picture's planes; `buffer` holds exactly `frame_bytes` bytes."""
        if self.pix_fmt == _PACKED:
            pixels = np.frombuffer(buffer, np.uint8).reshape(height, width, 4)
            return tuple(np.ascontiguousarray(pixels[..., at]) for at in _GREEN_BLUE_RED_ALPHA)
        planes, offset = [], 0
        for h, w in self.plane_shapes(width, height):
            planes.append(np.frombuffer(buffer, self.dtype, h * w, offset).reshape(h, w))
            offset += h * w * self.dtype.itemsize
        return tuple(planes)

    def packed(self, planes: Planes) -> Planes:
        """The arrays whose bytes, one after the other, are the raw picture of `planes`."""
        if self.pix_fmt != _PACKED:
            return planes
        pixels = np.empty((*planes[0].shape, 4), np.uint8)
        for at, plane in zip(_GREEN_BLUE_RED_ALPHA, planes, strict=True):
            pixels[..., at] = plane
        return (pixels,)


class Frame(NamedTuple):
    """One picture with its exact time in seconds on the video's own clock."""

    time: Fraction
    planes: Planes


class Neighbour(NamedTuple):
    """The frame before the left one of an interval or after the right one.

    `distance` is how far it is from that one, the time from left to right being 1.
    """

    planes: Planes
    distance: Fraction


@dataclass(frozen=True)
class Color:
    """Colour tags in ffmpeg's names; None where the file does not say.

    `range` is "tv" (limited) or "pc" (full).
    """

    matrix: str | None = None
    primaries: str | None = None
    transfer: str | None = None
    range: Literal["tv", "pc"] | None = None
    chroma_location: str | None = None

    @property
    def is_hdr(self) -> bool:
        """True for PQ and HLG."""
        return self.transfer in ("smpte2084", "arib-std-b67")


class Span(NamedTuple):
    """The part of a film from `start` to before `end`, in seconds from the container's start.

    None stands for the film's own end.
    """

    start: Fraction = Fraction(0)
    end: Fraction | None = None


class Shape(NamedTuple):
    """Size of a coded picture, and how many times as wide as high its pixels are shown."""

    width: int
    height: int
    pixel: Fraction = Fraction(1)


class Turn(NamedTuple):
    """Where a stream of a film goes over to another clock: at its packet `number`, from 0 on.

    Times leap by `leap` seconds there; from there on `shift` more are added to what the file says,
    in ticks of `tick` seconds.
    """

    stream: int
    tick: Fraction
    number: int
    leap: Fraction
    shift: Fraction


class Late(NamedTuple):
    """Seconds by which ffmpeg takes pictures to be late whose container tells no times.

    `first` for the first picture, `others` for all others, which are at least `apart`.
    """

    first: Fraction = Fraction(0)
    others: Fraction = Fraction(0)
    apart: Fraction = Fraction(0)


IN_TIME = Late()


@dataclass(frozen=True)
class StreamInfo:
    """One stream of the input, as ffprobe names it; `tag` is what the container calls its codec."""

    index: int
    kind: Literal["video", "audio", "subtitle", "data", "attachment"]
    codec: str
    language: str | None = None
    title: str | None = None
    tag: str = ""
    is_attached_picture: bool = False
    is_default: bool = False


class Programme(NamedTuple):
    """One of the programmes of an MPEG-TS, and the indexes of its streams."""

    number: int
    name: str | None
    streams: tuple[int, ...]


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of its film, after rotation: `width` x `height` is the upright picture.

    The coded picture is turned by `rotation` degrees clockwise; if it is `mirrored`, left and right
    are changed then. Headers lie: durations and counts in here are claims (`None` where unknown);
    only decoding tells. `start_time` is the container's start, from which all decoded times are
    counted.
    Of an `interlaced` film `both_fields` makes two pictures a frame, each at its own time, instead
    of one. If it is cinema film that was spread over fields (3:2 pulldown), `telecine_start` is
    where its first picture stands in the file, and its own pictures are put together again;
    `pulldown_kept` says in words why that is not done though pulldown was seen. `turns` tell where
    the clock of each stream was set anew: all times but `time_base`'s ticks are those after that.
    Where there is a `span`, nothing else of the film is shown. A raw stream, whose pictures have no
    times, is `counted` by ffmpeg at so many a second; they are shown at `rate`. `time_code` is
    that of the first picture. `streams` are those that belong to the film, also where the file
    holds several `programmes`. Its first packet `begins` so many seconds from the container's
    start, though it may not be decodable. ffmpeg takes its pictures to be `late`. `engine` decodes
    it, None stands for the processor.
    """

    path: str
    container: str
    stream: StreamInfo
    width: int
    height: int
    layout: Layout
    source_pix_fmt: str
    color: Color
    sample_aspect_ratio: Fraction
    rotation: int
    time_base: Fraction
    rate: Fraction | None
    start_time: Fraction
    duration: Fraction | None
    interlaced: bool
    mirrored: bool = False
    hdr_side_data: tuple[tuple[str, str], ...] = ()
    streams: tuple[StreamInfo, ...] = ()
    programmes: tuple[Programme, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    time_code: str | None = None
    chapters: int = 0
    begins: Fraction | None = None
    stereo: str | None = None
    late: Late = IN_TIME
    notices: tuple[str, ...] = field(default=())
    field_order: FieldOrder = "frames"
    both_fields: bool = False
    telecine_start: Fraction | None = None
    pulldown_kept: str | None = None
    turns: tuple[Turn, ...] = ()
    span: Span | None = None
    counted: Fraction | None = None
    engine: str | None = None

    def shaped(self, shape: Shape) -> VideoInfo:
        """Return the film whose coded pictures are all scaled to `shape`."""
        if self.rotation in (90, 270):
            shape = Shape(shape.height, shape.width, 1 / shape.pixel)
        width, height, pixel = shape
        return replace(self, width=width, height=height, sample_aspect_ratio=pixel)

    def turns_of(self, stream: StreamInfo) -> tuple[Turn, ...]:
        """Where the clock of one of the streams was set anew."""
        return tuple(turn for turn in self.turns if turn.stream == stream.index)
