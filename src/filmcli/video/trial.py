"""An encoding is tried out before the work: does the encoder take it, does the container?"""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

import ffmpeg
import numpy as np

from filmcli.errors import InputError, MachineError, RenderError, UsageError
from filmcli.frames import Color, VideoInfo
from filmcli.video.codecs import Encoding, encoder_help, output_pix_fmt, pix_fmts
from filmcli.video.encode import SegmentWriter
from filmcli.video.pixels import coded_color, color_words
from filmcli.video.probe import probe
from filmcli.video.process import FileName, ask, command

_TAGS = {
    "matrix": "colour matrix",
    "primaries": "colour primaries",
    "transfer": "transfer",
    "range": "range",
    "chroma_location": "place of chroma samples",
}
# They take a larger one without a word, as if it were this; to NVENC 0 says nothing.
_CRF = {
    "libx264": (0, 51),
    "libx265": (0, 51),
    "h264_nvenc": (1, 51),
    "hevc_nvenc": (1, 51),
    "av1_nvenc": (1, 63),
}


def check_encoding(
    info: VideoInfo, encoding: Encoding, rate: Fraction, output: str
) -> tuple[str, ...]:
    """Code two grey pictures of the real size, format and rate, and put them into the container.

    Returns a sentence for each colour tag of the film that is not found there. Raises MachineError
    or UsageError if the encoder is missing, refuses them, or if a file like `output` cannot hold
    its codec. What was found good is not tried again.
    """
    help_words = encoder_help(encoding.encoder)
    for option, value in (("crf", encoding.crf), ("preset", encoding.preset)):
        if value is not None and not re.search(rf"^ +-(cq|{option}) ", help_words, re.MULTILINE):
            raise UsageError(
                f"--{option} does not fit --codec {encoding.codec}.",
                f"The encoder {encoding.encoder} has no such setting.",
                "Leave it out, or give the encoder's own words with --ffmpeg-args.",
            )
    smallest, largest = _CRF.get(encoding.encoder, (-math.inf, math.inf))
    if encoding.crf is not None and not smallest <= encoding.crf <= largest:
        raise UsageError(
            f"--crf {encoding.crf:g} does not fit --codec {encoding.codec}.",
            f"It lies between {smallest} and {largest}.",
            "18 looks like the source, 28 is small.",
        )
    known = pix_fmts(encoding)
    if encoding.pix_fmt and known and encoding.pix_fmt not in known:
        raise UsageError(
            f"--pix-fmt {encoding.pix_fmt} does not fit --codec {encoding.codec}.",
            f"The encoder {encoding.encoder} takes {' '.join(known)}.",
            "Choose one of these, or leave it out.",
        )
    alike = replace(
        info,
        path="",
        streams=(),
        programmes=(),
        tags=(),
        turns=(),
        notices=(),
        duration=None,
        span=None,
    )
    return _try_out(alike, encoding, rate, os.path.splitext(output)[1].lower())


@lru_cache
def _try_out(
    info: VideoInfo, encoding: Encoding, rate: Fraction, container: str
) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory(prefix="filmcli-") as folder:
        segment = os.path.join(folder, "segment.nut")
        try:
            _code_grey(segment, info, encoding, rate)
        except RenderError as error:
            raise MachineError(
                f"The encoder {encoding.encoder} cannot code {info.width}x{info.height} "
                f"{output_pix_fmt(info, encoding)[0]} at {float(rate):g} fps.",
                error.why,
                "Choose another --codec, --crf, --preset or --pix-fmt, or other --ffmpeg-args.",
            ) from error
        color = coded_color(info, output_pix_fmt(info, encoding)[0])
        film, coded = ffmpeg.input(FileName(segment)), f"{folder}/film{container}"
        written = film.output(FileName(coded), vcodec="copy", **color_words(color))
        answer = ask(command(written))
        if answer.code != 0:
            raise UsageError(
                f"A {container or 'nameless'} file cannot hold {encoding.codec} video.",
                answer.words,
                "Choose .mkv, .mp4 or .mov for the output, or another --codec.",
            )
        return tuple(_tags_lost(color, coded))


def _tags_lost(color: Color, path: str) -> Iterator[str]:
    """Sentences on the tags of `color` that the film at `path` lacks."""
    try:
        made = probe(path)
    except InputError:  # two pictures are too few for ffprobe to know some containers
        return
    assumed = {"range": "tv", "chroma_location": "left", "matrix": "gbr"}
    for kind, words in _TAGS.items():
        wanted, found = getattr(color, kind), getattr(made.color, kind)
        if wanted in (None, found) or (found is None and wanted == assumed.get(kind)):
            continue
        if kind == "chroma_location" and not made.layout.chroma_x:
            continue
        yield f"the {words} {wanted} cannot be tagged in this codec and container"


def _code_grey(path: str, info: VideoInfo, encoding: Encoding, rate: Fraction) -> None:
    layout = info.layout
    shapes = layout.plane_shapes(info.width, info.height)
    grey = tuple(np.full(shape, 1 << (layout.depth - 1), layout.dtype) for shape in shapes)
    with SegmentWriter(path, info, encoding, rate) as writer:
        writer.write(grey)
        writer.write(grey)
