"""Pictures into a coded film: the words for the encoder and the pipe that feeds it.

Every segment is a NUT file: NUT keeps a rate like 60000/1001 as an exact time base, holds every
codec, B-frames included, and many of them join into one stream without a gap.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from types import TracebackType
from typing import Any, BinaryIO, cast

import ffmpeg
import numpy as np

from filmcli.frames import Color, Plane, Planes, VideoInfo
from filmcli.video.captions import captioned, write_carrier
from filmcli.video.codecs import RAW, Encoding, coded_layout, coded_size, output_pix_fmt
from filmcli.video.pixels import EXACT_FLAGS, coded_color, color_words, filter_words, rgb_words
from filmcli.video.process import Child, FileName, command
from filmcli.video.stereo import packing

# NVENC's scale is x264's, 0 to 51, but AV1's is wider; a bit rate of 0 leaves all to the quality.
_NVENC: dict[str, str | int] = {"rc": "vbr", "b:v": 0, "cq": 18, "preset": "p5"}
# Quality that keeps the source's look: 18 is where x264 is held to be transparent.
_DEFAULTS: dict[str, dict[str, str | int]] = {
    "libx264": {"crf": 18, "preset": "medium"},
    "libx265": {"crf": 18, "preset": "medium"},
    "libsvtav1": {"crf": 22, "preset": 6},
    "h264_nvenc": _NVENC,
    "hevc_nvenc": _NVENC,
    "av1_nvenc": {**_NVENC, "cq": 22},
    "prores_ks": {"vendor": "apl0"},
    "ffv1": {"level": 3, "g": 1, "slicecrc": 1},
}
# Colour primaries that H.265 knows and x265 does not.
_REFUSED = {"libx265": "ebu3213"}
# A quality asked for in ffmpeg's own words takes the place of the default one.
_OWN_QUALITY = {"-qp", "-q", "-q:v", "-qscale:v", "-b", "-b:v", "-crf", "-cq", "-global_quality"}

SEGMENT_SUFFIX = ".nut"
"""File name ending of a segment, whatever its codec."""


_X264_MOST_THREADS = 128


def as_coded_on(cores: int, encoding: Encoding, info: VideoInfo) -> Encoding:
    """Words under which any machine codes the film as one with so many cores does by itself.

    x264 takes three threads for two cores, and at least two rows of macroblocks for a thread; by
    their number it chooses other bits.
    """
    if encoding.encoder != "libx264" or "-threads" in encoding.ffmpeg_args:
        return encoding
    rows = -(-info.height // 16)
    threads = min(max(1, cores * 3 // 2), max(1, rows // 2), _X264_MOST_THREADS)
    return replace(encoding, ffmpeg_args=("-threads", str(threads), *encoding.ffmpeg_args))


def _quality(encoding: Encoding, info: VideoInfo, pix_fmt: str) -> dict[str, str | int | float]:
    encoder = encoding.encoder
    words: dict[str, str | int | float] = {**_DEFAULTS.get(encoder, {})}
    if not _OWN_QUALITY.isdisjoint(encoding.ffmpeg_args):
        for name in ("crf", "cq", "rc", "b:v"):
            words.pop(name, None)
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
    if (number := packing(info, encoding)) is not None:
        words["x264-params"] = f"frame-packing={number}"
    if encoder == "libx265":
        hdr = [f"{key}={value}" for key, value in info.hdr_side_data]
        hdr += ["hdr10=1", "repeat-headers=1"] * bool(hdr)
        words["x265-params"] = ":".join(["log-level=error", *hdr])
    return words


def _color(info: VideoInfo, encoding: Encoding, pix_fmt: str) -> Color:
    """What is tagged on the coded pictures."""
    color = coded_color(info, pix_fmt)
    is_refused = color.primaries == _REFUSED.get(encoding.encoder, "")
    return replace(color, primaries=None) if is_refused else color


def _pipeline(
    info: VideoInfo, encoding: Encoding, pix_fmt: str, rate: Fraction, carrier: str | None = None
) -> Any:
    """Raw pictures on stdin, in the colours and shape in which they are to be coded.

    A `carrier` is a film whose captions they take over.
    """
    layout = info.layout
    width, height = coded_size(info, encoding, pix_fmt)
    film = ffmpeg.input(
        "pipe:0",
        format="rawvideo",
        pix_fmt=layout.pix_fmt,
        video_size=(width, height),
        r=f"{rate.numerator}/{rate.denominator}",  # `framerate` would be snapped to common rates
    )
    color = _color(info, encoding, pix_fmt)
    if pix_fmt != layout.pix_fmt:
        film = _recoded(film, info, pix_fmt, color)
    if carrier:
        film = captioned(film, carrier, pix_fmt, rate)
    if tags := filter_words(color):
        film = film.filter("setparams", **tags)
    aspect = info.sample_aspect_ratio
    whole = max(aspect.numerator, aspect.denominator)
    return film.filter("setsar", f"{aspect.numerator}/{aspect.denominator}", max=max(100, whole))


def _recoded(film: Any, info: VideoInfo, pix_fmt: str, color: Color) -> Any:
    before = info.color.range or "tv"
    words: dict[str, str] = {"in_range": before, "out_range": color.range or before}
    target = coded_layout(pix_fmt)
    if info.layout.model == "rgb" and "yuv" in pix_fmt:
        words = {"out_color_matrix": "bt709", "out_range": "tv"}
    if info.layout.model == "yuv" and target is not None and target.model == "rgb":
        return film.filter("scale", **rgb_words(info)).filter("format", pix_fmt)
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
    failed; leaving it by an exception kills the encoder and removes the file. `said` holds the
    captions of each picture.
    """

    def __init__(
        self,
        path: str,
        info: VideoInfo,
        encoding: Encoding,
        rate: Fraction,
        said: Sequence[bytes] = (),
    ) -> None:
        self._path = path
        pix_fmt, _ = output_pix_fmt(info, encoding)
        self._carrier = f"{path}.captions" if any(said) else None
        if self._carrier:
            write_carrier(self._carrier, *coded_size(info, encoding, pix_fmt), said)
        film = _pipeline(info, encoding, pix_fmt, rate, self._carrier).output(
            FileName(path),
            format="nut",
            vcodec=encoding.encoder,
            pix_fmt=pix_fmt,
            fps_mode="passthrough",
            # NUT keeps no decoding times; shifting them above zero would shift the pictures.
            avoid_negative_ts="disabled",
            **color_words(_color(info, encoding, pix_fmt)),
            **_quality(encoding, info, pix_fmt),
        )
        args = command(film, "-loglevel", "warning", *encoding.ffmpeg_args)
        super().__init__(info, coded_size(info, encoding, pix_fmt), args, writes=path)

    def close(self) -> None:
        try:
            super().close()
        except BaseException:
            self._remove(self._path)
            raise
        finally:
            self._remove(self._carrier)

    def abandon(self) -> None:
        super().abandon()
        self._remove(self._path)
        self._remove(self._carrier)

    @staticmethod
    def _remove(path: str | None) -> None:
        with contextlib.suppress(FileNotFoundError):
            if path:
                os.unlink(path)


class StreamWriter(_Writer):
    """Sends the pictures to standard output: as y4m, or coded, in Matroska."""

    def __init__(self, info: VideoInfo, encoding: Encoding, rate: Fraction) -> None:
        pix_fmt, _ = output_pix_fmt(info, encoding)
        words: dict[str, Any] = {"format": "yuv4mpegpipe", "strict": -1}
        if encoding.codec != RAW:
            words = {"format": "matroska", "vcodec": encoding.encoder}
            words |= color_words(_color(info, encoding, pix_fmt))
            words |= _quality(encoding, info, pix_fmt)
        film = _pipeline(info, encoding, pix_fmt, rate).output(
            "pipe:1", pix_fmt=pix_fmt, fps_mode="passthrough", **words
        )
        args = command(film, "-loglevel", "warning", *encoding.ffmpeg_args)
        output = cast(BinaryIO, sys.stdout.buffer)
        size = coded_size(info, encoding, pix_fmt)
        super().__init__(info, size, args, output=output, may_pause=True)
