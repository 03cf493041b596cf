"""Pictures into a coded film: the encoder's words, its pixel format, and the pipe that feeds it.

Every segment is a NUT file: NUT keeps a rate like 60000/1001 as an exact time base, holds every
codec, B-frames included, and many of them join into one stream without a gap.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import TracebackType
from typing import Any, BinaryIO, cast

import ffmpeg
import numpy as np

from filmcli.errors import MachineError, RenderError, UsageError
from filmcli.frames import Color, Layout, Plane, Planes, VideoInfo
from filmcli.video.pixels import EXACT_FLAGS, coded_color, color_words, layout_of, with_alpha
from filmcli.video.process import Child, FileName, ask, command

_ENCODERS = {
    "x264": "libx264",
    "x265": "libx265",
    "av1": "libsvtav1",
    "prores": "prores_ks",
    "ffv1": "ffv1",
}
# Quality that keeps the source's look: 18 is where x264 is held to be transparent.
_DEFAULTS: dict[str, dict[str, str | int]] = {
    "libx264": {"crf": 18, "preset": "medium"},
    "libx265": {"crf": 18, "preset": "medium"},
    "libsvtav1": {"crf": 22, "preset": 6},
    "prores_ks": {"vendor": "apl0"},
    "ffv1": {"level": 3, "g": 1, "slicecrc": 1},
}
# A quality asked for in ffmpeg's own words takes the place of the default -crf.
_OWN_QUALITY = {"-qp", "-q", "-q:v", "-qscale:v", "-b", "-b:v", "-crf", "-cq", "-global_quality"}
# ffmpeg's output options for colour, and setparams' words for the same.
_FRAME_TAGS = {
    "colorspace": "colorspace",
    "color_primaries": "color_primaries",
    "color_trc": "color_trc",
    "color_range": "range",
}
_PACKED_RGB = ("rgb24", "bgr24", "bgr0", "rgb0", "0rgb", "0bgr")
_PACKED_RGBA = ("bgra", "argb", "abgr")
# Those whose alpha a segment holds: VP8's lies beside the coded pictures, and NUT has no qtrle.
_ALPHA_ENCODERS = ("ffv1", "prores_ks", "png")
_ANY_SIZE = ("ffv1", "prores", "utvideo", "huffyuv", "ffvhuff", "mpeg4", "libvpx", "libaom")
_Y4M_FORMATS = "gray yuv420p yuv422p yuv444p gray10le gray12le gray16le " + " ".join(
    f"yuv{chroma}p{depth}le" for chroma in (420, 422, 444) for depth in (9, 10, 12, 14, 16)
)

SEGMENT_SUFFIX = ".nut"
"""File name ending of a segment, whatever its codec."""


@dataclass(frozen=True)
class Encoding:
    """How the film is coded: `codec` is x264, x265, av1, prores, ffv1 or any ffmpeg encoder.

    None leaves the choice to filmcli: quality by encoder, pixel format as the source's.
    `ffmpeg_args` are further output options of ffmpeg, word by word.
    """

    codec: str = "x264"
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    ffmpeg_args: tuple[str, ...] = ()

    @property
    def encoder(self) -> str:
        """ffmpeg's name of the encoder."""
        return _ENCODERS.get(self.codec, self.codec)


def default_encoding(info: VideoInfo) -> Encoding:
    """x264, which plays everywhere; x265 for what x264 in 8 bits would spoil (depth, HDR)."""
    return Encoding("x265" if info.layout.depth > 8 or info.color.is_hdr else "x264")


def alpha_kept(info: VideoInfo, encoding: Encoding) -> VideoInfo:
    """The film with its alpha as one more plane if `encoding` holds that, else `info` itself."""
    film = with_alpha(info)
    if film is info or encoding.encoder not in _ALPHA_ENCODERS:
        return info
    coded = _coded_layout(output_pix_fmt(film, encoding)[0])
    return film if coded is not None and coded.alpha else info


def output_pix_fmt(info: VideoInfo, encoding: Encoding) -> tuple[str, str | None]:
    """The pixel format that is coded, and a notice if it (or the size) is not the source's."""
    layout = info.layout
    chosen = encoding.pix_fmt or _nearest(layout, _pix_fmts(encoding.encoder))
    notices = []
    lost = _loss(layout, chosen)
    if lost:
        notices.append(f"{layout.pix_fmt} is coded as {chosen} ({', '.join(lost)})")
    width, height = _coded_size(info, encoding, chosen)
    if (width, height) != (info.width, info.height):
        notices.append(f"{info.width}x{info.height} is padded to {width}x{height}")
    return chosen, "; ".join(notices) or None


def _nearest(layout: Layout, names: tuple[str, ...]) -> str:
    """The name among `names` that loses least of `layout`, and of those the smallest."""
    if not names or layout.pix_fmt in names:
        return layout.pix_fmt

    def cost(name: str) -> tuple[int, ...]:
        other = _coded_layout(name)
        if other is None or other.alpha > layout.alpha:
            return (9,)
        recoded = layout.model != other.model
        lost_chroma = max(0, other.chroma_x - layout.chroma_x) + max(
            0, other.chroma_y - layout.chroma_y
        )
        if layout.model == "gray":
            lost_chroma = 0
        colorless = layout.model != "gray" and other.model == "gray"
        lost_depth = max(0, layout.depth - other.depth)
        spare = -other.chroma_x - other.chroma_y
        full = name.startswith("yuvj")
        lost = (layout.alpha > other.alpha, colorless, lost_depth, lost_chroma)
        return (*lost, recoded, other.depth, spare, full)

    return min(names, key=cost)


def _loss(layout: Layout, name: str) -> list[str]:
    other = _coded_layout(name)
    if other is None:
        return ["its samples may change"]
    lost = []
    if other.model != layout.model and layout.model != "gray":
        lost.append("its colours are converted")
    if other.depth < layout.depth:
        lost.append(f"{layout.depth} bits become {other.depth}")
    coarser = other.chroma_x > layout.chroma_x or other.chroma_y > layout.chroma_y
    if coarser and layout.model != "gray":
        lost.append("colour gets coarser")
    return lost


def _coded_layout(name: str) -> Layout | None:
    """The layout of a format that an encoder takes; packed RGB holds what planar RGB does."""
    if name in (*_PACKED_RGB, *_PACKED_RGBA):
        return Layout(name, "rgb", alpha=name in _PACKED_RGBA)
    return layout_of(name.replace("yuvj", "yuv"))


@lru_cache
def encoder_help(encoder: str) -> str:
    """What ffmpeg says of an encoder; MachineError if it has none of that name."""
    words = ask(["ffmpeg", "-hide_banner", "-h", f"encoder={encoder}"]).stdout.decode()
    if not words.startswith("Encoder"):
        raise MachineError(
            f"This ffmpeg has no encoder {encoder}.",
            "It is misspelt, or ffmpeg was built without it.",
            "Choose another with --codec; `ffmpeg -encoders` lists them.",
        )
    return words


def _pix_fmts(encoder: str) -> tuple[str, ...]:
    match = re.search(r"Supported pixel formats: (.*)", encoder_help(encoder))
    return tuple(match[1].split()) if match else ()


def _coded_size(info: VideoInfo, encoding: Encoding, pix_fmt: str) -> tuple[int, int]:
    layout = _coded_layout(pix_fmt)
    if encoding.encoder.startswith(_ANY_SIZE) or layout is None:
        return info.width, info.height
    step_x, step_y = (1 << layout.chroma_x) - 1, (1 << layout.chroma_y) - 1
    return (info.width + step_x) & ~step_x, (info.height + step_y) & ~step_y


def _quality(encoding: Encoding, info: VideoInfo, pix_fmt: str) -> dict[str, str | int | float]:
    encoder = encoding.encoder
    words: dict[str, str | int | float] = {**_DEFAULTS.get(encoder, {})}
    if not _OWN_QUALITY.isdisjoint(encoding.ffmpeg_args):
        words.pop("crf", None)
    if encoding.crf is not None:
        # NVENC calls its constant quality -cq.
        words["cq" if encoder.endswith("_nvenc") else "crf"] = encoding.crf
    if encoding.preset is not None:
        words["preset"] = encoding.preset
    if encoder == "ffv1" and min(info.width, info.height) < 4:
        # Cut into slices of less than two rows or columns, pictures come back as noise.
        words = {"level": 1, "g": 1}
    if encoder == "prores_ks":
        words["profile:v"] = "4444" if "444" in pix_fmt else "hq"
    if encoder == "libx265":
        hdr = [f"{key}={value}" for key, value in info.hdr_side_data]
        hdr += ["hdr10=1", "repeat-headers=1"] * bool(hdr)
        words["x265-params"] = ":".join(["log-level=error", *hdr])
    return words


def _pipeline(info: VideoInfo, encoding: Encoding, pix_fmt: str, rate: Fraction) -> Any:
    """Raw pictures on stdin, in the colours and shape in which they are to be coded."""
    layout = info.layout
    width, height = _coded_size(info, encoding, pix_fmt)
    film = ffmpeg.input(
        "pipe:0",
        format="rawvideo",
        pix_fmt=layout.pix_fmt,
        video_size=(width, height),
        framerate=f"{rate.numerator}/{rate.denominator}",
    )
    color = coded_color(info, pix_fmt)
    if pix_fmt != layout.pix_fmt:
        film = _recoded(film, info, pix_fmt, color)
    tags = {_FRAME_TAGS[key]: tag for key, tag in color_words(color).items() if key in _FRAME_TAGS}
    if tags:
        film = film.filter("setparams", **{k: "gbr" if v == "rgb" else v for k, v in tags.items()})
    aspect = info.sample_aspect_ratio
    return film.filter("setsar", f"{aspect.numerator}/{aspect.denominator}")


def _recoded(film: Any, info: VideoInfo, pix_fmt: str, color: Color) -> Any:
    before = info.color.range or "tv"
    words: dict[str, str] = {"in_range": before, "out_range": color.range or before}
    target = _coded_layout(pix_fmt)
    if info.layout.model == "rgb" and "yuv" in pix_fmt:
        words = {"out_color_matrix": "bt709", "out_range": "tv"}
    coarser = target is not None and target.chroma_x + target.chroma_y > (
        info.layout.chroma_x + info.layout.chroma_y
    )
    # Fewer chroma samples want a real filter; whole-number repeats and depth changes want none.
    words["flags"] = "bicubic+accurate_rnd+full_chroma_int" if coarser else EXACT_FLAGS
    return film.filter("scale", **words).filter("format", pix_fmt)


class _Writer:
    """Feeds planes to an encoding child; `close` must be called (or the `with` left) at the end."""

    def __init__(self, info: VideoInfo, size: tuple[int, int], args: list[str], **pipes: Any):
        self._layout = info.layout
        self._shapes = info.layout.plane_shapes(*size)
        self._child = Child(args, stdin=True, **pipes)

    def write(self, planes: Planes) -> None:
        """Code one picture; RenderError with the encoder's last words if it has stopped."""
        whole = tuple(map(_padded, planes, self._shapes))
        for plane in self._layout.packed(whole):
            self._child.write(np.ascontiguousarray(plane, self._layout.dtype).data.cast("B"))

    def close(self) -> None:
        """Wait until everything is written; RenderError if the encoder failed."""
        try:
            self._child.finish("failed to write the film")
        finally:
            self._child.close()

    def __enter__(self) -> _Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def abandon(self) -> None:
        """Kill the encoder; what it wrote is of no use."""
        self._child.close()


def _padded(plane: Plane, shape: tuple[int, int]) -> Plane:
    below, right = shape[0] - plane.shape[0], shape[1] - plane.shape[1]
    return np.pad(plane, ((0, below), (0, right)), "edge") if below or right else plane


class SegmentWriter(_Writer):
    """Codes the pictures of one segment into the file `path`, at `rate` pictures per second.

    A context manager: leaving it finishes the file, and RenderError is raised if the encoder
    failed; leaving it by an exception kills the encoder and removes the file.
    """

    def __init__(self, path: str, info: VideoInfo, encoding: Encoding, rate: Fraction) -> None:
        self._path = path
        pix_fmt, _ = output_pix_fmt(info, encoding)
        film = _pipeline(info, encoding, pix_fmt, rate).output(
            FileName(path),
            format="nut",
            vcodec=encoding.encoder,
            pix_fmt=pix_fmt,
            fps_mode="passthrough",
            # NUT keeps no decoding times; shifting them above zero would shift the pictures.
            avoid_negative_ts="disabled",
            **color_words(coded_color(info, pix_fmt)),
            **_quality(encoding, info, pix_fmt),
        )
        args = command(film, "-loglevel", "warning", *encoding.ffmpeg_args)
        super().__init__(info, _coded_size(info, encoding, pix_fmt), args, writes=path)

    def close(self) -> None:
        try:
            super().close()
        except BaseException:
            self._remove()
            raise

    def abandon(self) -> None:
        super().abandon()
        self._remove()

    def _remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)


class StreamWriter(_Writer):
    """Sends the pictures to standard output: y4m without an `encoding`, else coded, in Matroska."""

    def __init__(self, info: VideoInfo, encoding: Encoding | None, rate: Fraction) -> None:
        if encoding is None:
            coded = Encoding("rawvideo")
            pix_fmt = _nearest(info.layout, tuple(_Y4M_FORMATS.split()))
            words: dict[str, Any] = {"format": "yuv4mpegpipe", "strict": -1}
        else:
            coded = encoding
            pix_fmt, _ = output_pix_fmt(info, encoding)
            words = {"format": "matroska", "vcodec": encoding.encoder}
            words |= color_words(coded_color(info, pix_fmt)) | _quality(encoding, info, pix_fmt)
        size = (info.width, info.height) if encoding is None else _coded_size(info, coded, pix_fmt)
        film = _pipeline(info, coded, pix_fmt, rate).output(
            "pipe:1", pix_fmt=pix_fmt, fps_mode="passthrough", **words
        )
        args = command(film, "-loglevel", "warning", *coded.ffmpeg_args)
        output = cast(BinaryIO, sys.stdout.buffer)
        super().__init__(info, size, args, output=output, may_pause=True)


def check_encoding(info: VideoInfo, encoding: Encoding, rate: Fraction, output: str) -> None:
    """Code two grey pictures of the real size, format and rate, and put them into the container.

    Raises MachineError or UsageError if the encoder is missing, refuses them, or if a file like
    `output` cannot hold its codec; well under a second for x264 at 1080p.
    """
    help_words = encoder_help(encoding.encoder)
    for option, value in (("crf", encoding.crf), ("preset", encoding.preset)):
        if value is not None and not re.search(rf"^ +-(cq|{option}) ", help_words, re.MULTILINE):
            raise UsageError(
                f"--{option} does not fit --codec {encoding.codec}.",
                f"The encoder {encoding.encoder} has no such setting.",
                "Leave it out, or give the encoder's own words with --ffmpeg-args.",
            )
    known = _pix_fmts(encoding.encoder)
    if encoding.pix_fmt and known and encoding.pix_fmt not in known:
        raise UsageError(
            f"--pix-fmt {encoding.pix_fmt} does not fit --codec {encoding.codec}.",
            f"The encoder {encoding.encoder} takes {' '.join(known)}.",
            "Choose one of these, or leave it out.",
        )
    container = os.path.splitext(output)[1]
    with tempfile.TemporaryDirectory(prefix="filmcli-") as folder:
        segment = os.path.join(folder, "segment.nut")
        try:
            _code_grey(segment, info, encoding, rate)
        except RenderError as error:
            raise MachineError(
                f"The encoder {encoding.encoder} cannot code {info.width}x{info.height} "
                f"{output_pix_fmt(info, encoding)[0]} at {float(rate):g} fps.",
                error.why,
                "Choose another --codec, --pix-fmt, --preset, or other --ffmpeg-args.",
            ) from error
        film = ffmpeg.input(FileName(segment))
        answer = ask(command(film.output(FileName(f"{folder}/film{container}"), vcodec="copy")))
        if answer.code != 0:
            raise UsageError(
                f"A {container or 'nameless'} file cannot hold {encoding.codec} video.",
                answer.words,
                "Choose .mkv, .mp4 or .mov for the output, or another --codec.",
            )


def _code_grey(path: str, info: VideoInfo, encoding: Encoding, rate: Fraction) -> None:
    layout = info.layout
    shapes = layout.plane_shapes(info.width, info.height)
    grey = tuple(np.full(shape, 1 << (layout.depth - 1), layout.dtype) for shape in shapes)
    with SegmentWriter(path, info, encoding, rate) as writer:
        writer.write(grey)
        writer.write(grey)
