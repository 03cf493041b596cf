"""Two films in one picture: a source as it is shown, and what was made of it.

The result's own frames are the clock. At each of them the source shows the frame that a player
would show then: the last one whose time has come. ffmpeg does all of it in one filter graph; the
labels are drawn here, because not every ffmpeg can draw text.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import cv2
import ffmpeg
import numpy as np
from numpy.typing import NDArray

from filmcli.errors import InputError, RenderError
from filmcli.frames import VideoInfo
from filmcli.video.pixels import plan_pixels
from filmcli.video.probe import read_packets
from filmcli.video.process import FileName, run
from filmcli.video.source import source_args
from filmcli.video.streams import EXPERIMENTAL, plan_streams

_log = logging.getLogger(__name__)

ENDINGS = (".mp4", ".m4v", ".mov", ".mkv")
"""Containers that hold the film and most sound."""
Arrangement = Literal["side", "stack", "split", "diff"]


class Shown(NamedTuple):
    """One of the two films, under the name that people know it by."""

    info: VideoInfo
    name: str


_EARLY_SECONDS = 0.001
"""The source is taken this much early: Matroska's clock ticks in milliseconds, and a frame that
it calls 0.167 s must be there when the result shows 1/6 s."""
_GAIN = 4
"""How much a difference is enlarged: 8 levels of 255 are seen, 2 are not."""


def compare(
    source: Shown,
    result: Shown,
    output: str,
    *,
    arrangement: Arrangement = "side",
    slow: float = 1.0,
    progress: Callable[[int], None] = lambda done: None,  # noqa: ARG005
) -> None:
    """Write a film of both to `output` (mp4, m4v, mov or mkv), whole or not at all.

    "side" has the source left and the result right, "stack" above and below, "split" the left
    half of one beside the right half of the other, "diff" four times their difference. `slow`
    stretches time and leaves the sound out; else the source's sound is copied. `progress` hears
    how many frames are done. Raises RenderError if ffmpeg fails.
    """
    with workshop(output) as folder:
        shown = _arranged(source, result, _film(result.info, 8), arrangement, folder)
        if slow != 1:
            shown = shown.filter("setpts", f"PTS*{slow!r}")
        tracks, codecs = ([], {}) if slow != 1 else _sound(source.info, output)
        name = "film" + os.path.splitext(output)[1]
        tick = result.info.time_base
        options = {**_encoder(result.info), **codecs, "fps_mode": "passthrough"}
        # The result's own clock: frames of a variable rate keep their times.
        options["enc_time_base"] = f"{tick.numerator}:{tick.denominator}"
        _run(ffmpeg.output(shown, *tracks, name, **options), folder, progress)
        os.replace(os.path.join(folder, name), output)


def still_names(source: Shown, result: Shown, output: str, count: int) -> dict[int, str]:
    """Which frames of the result to show as stills, and their files' names.

    They are evenly spread, each moved by a few frames to where the source's own frames are far:
    a still of a kept frame would show the same twice. The names are `output` without its ending:
    NAME-1.png and so on, at most `count`. Raises InputError if the result holds no frames.
    """
    times, own = _times(result.info), _times(source.info)
    if not times:
        raise InputError(f"{result.name} holds no frames", "", "give a film that plays")
    reach = min(4, max(0, (len(times) // count - 1) // 2))
    moments = set()
    for middle in ((2 * k + 1) * len(times) // (2 * count) for k in range(count)):
        near = range(max(0, middle - reach), min(len(times), middle + reach + 1))
        moments.add(max(near, key=lambda at: (_distance(times[at], own), -abs(at - middle))))
    stem, digits = os.path.splitext(output)[0], len(str(len(moments)))
    return {at: f"{stem}-{number:0{digits}}.png" for number, at in enumerate(sorted(moments), 1)}


def _times(info: VideoInfo) -> list[Fraction]:
    """Seconds of every frame after the first, as the container has them."""
    if info.counted and info.rate:
        return [index / info.rate for index in range(len(read_packets(info, "size")))]
    ticks = sorted(int(packet["pts"]) for packet in read_packets(info, "pts") if "pts" in packet)
    return [(tick - ticks[0]) * info.time_base for tick in ticks]


def _distance(time: Fraction, times: Sequence[Fraction]) -> Fraction:
    """Seconds from the nearest of the rising `times`; 0 if there are none."""
    after = bisect_left(times, time)
    return min(
        (abs(time - other) for other in times[max(0, after - 1) : after + 1]), default=Fraction(0)
    )


def stills(
    source: Shown,
    result: Shown,
    names: Mapping[int, str],
    *,
    arrangement: Arrangement = "side",
) -> None:
    """Write a PNG of both at each frame of the result in `names`; all of them or none.

    Raises RenderError if ffmpeg fails or the result has fewer frames than it claims.
    """
    with workshop(next(iter(names.values()))) as folder:
        frames = _film(result.info, 8)
        wanted = frames.filter("select", "+".join(f"eq(n,{at})" for at in sorted(names)))
        shown = _arranged(source, result, wanted, arrangement, folder)
        options = {"fps_mode": "passthrough", "pix_fmt": "rgb24"}
        _run(ffmpeg.output(shown, "%d.png", **options), folder, lambda _: None)
        made = [os.path.join(folder, f"{number}.png") for number in range(1, len(names) + 1)]
        if not all(map(os.path.exists, made)):
            raise RenderError(f"{result.name} ends before the last still", "it may be damaged")
        for still, name in zip(made, (names[at] for at in sorted(names)), strict=True):
            os.replace(still, name)


@contextlib.contextmanager
def workshop(output: str) -> Iterator[str]:
    """A hidden folder beside the output, gone afterwards whatever happens."""
    folder = tempfile.mkdtemp(prefix=".filmcli-compare-", dir=os.path.dirname(output) or ".")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(film: Any, folder: str, progress: Callable[[int], None]) -> None:
    """Run ffmpeg inside `folder`, where an output's name needs no care."""
    advice = "Check that both films play to their ends."
    run(film, "could not write the comparison", progress, EXPERIMENTAL, folder, advice)


def _film(info: VideoInfo, queue: int, index: int | None = None) -> Any:
    """Stream `index` (the film itself if None) of an input.

    The queue's length keeps two inputs apart even if they are one file: ffmpeg-python takes
    equal inputs for one.
    """
    name = FileName(os.path.abspath(info.path))
    rate = {"r": str(info.rate)} if info.counted else {}
    file = ffmpeg.input(name, thread_queue_size=queue, **rate, **source_args())
    return file[str(info.stream.index if index is None else index)]


def _arranged(left: Shown, right: Shown, made: Any, arrangement: Arrangement, folder: str) -> Any:
    """The picture of both; `made` is the result's stream, the clock of what is shown."""
    source, result = left.info, right.info
    deep = result.layout.depth > 8
    width, height = size = _shown_size(result)
    made = _fitted(made, result, size)
    # ffmpeg's overlay and blend go on at the source's pace where only the result ends; so the
    # source is given no end, and they stop with the shorter one.
    held = _film(source, 16).filter("tpad", stop=-1, stop_mode="clone")
    held = held.filter("setpts", f"PTS-{_EARLY_SECONDS}/TB")
    held = _fitted(_recoloured(held, source, result), source, size)
    if arrangement == "diff":
        shown = _difference(made, held, deep)
        return _labelled(shown, f"{_GAIN} x difference", (0, 0), width, result, folder)
    # Chroma is half as wide: cut on an even column.
    half = (width // 4 * 2, 0)
    canvas, corner = {
        "side": ((2 * width, height), (width, 0)),
        "stack": ((width, 2 * height), (0, height)),
        "split": (size, half),
    }[arrangement]
    if arrangement == "split":
        shown = _over(made, held.filter("crop", half[0], height, 0, 0), deep)
        line = {"x": half[0] - 1, "y": 0, "w": 2, "h": "ih", "color": "white@0.7", "t": "fill"}
        shown = shown.filter("drawbox", **line)
    else:
        shown = _over(made.filter("pad", *canvas, *corner), held, deep)
    room = canvas[0] - corner[0]
    shown = _labelled(shown, title(left), (0, 0), room, result, folder)
    return _labelled(shown, title(right), corner, room, result, folder)


def _difference(made: Any, held: Any, deep: bool) -> Any:
    """The enlarged difference of the two, in RGB: grey where only brightness differs."""
    planar = "gbrp10le" if deep else "gbrp"
    pair = [stream.filter("format", planar) for stream in (made, held)]
    gain = f"val*{_GAIN}"
    shown = ffmpeg.filter(pair, "blend", all_mode="difference", shortest=1)
    shown = shown.filter("lutrgb", r=gain, g=gain, b=gain)
    return shown.filter("format", "yuv420p10le" if deep else "yuv420p")


def _over(made: Any, held: Any, deep: bool) -> Any:
    return made.overlay(held, shortest=1, format="yuv420p10" if deep else "yuv420")


def _shown_size(info: VideoInfo) -> tuple[int, int]:
    """Size with square pixels, rounded up to even numbers, as 4:2:0 needs."""
    width = round(info.width * info.sample_aspect_ratio)
    return width + width % 2, info.height + info.height % 2


def _fitted(stream: Any, info: VideoInfo, size: tuple[int, int]) -> Any:
    """The film at `size` with square pixels, its shape kept, black where it does not reach."""
    # Filters that cut and pad round chroma that is shared by four columns wrongly.
    for planar in plan_pixels(info.source_pix_fmt).steps[-1:]:
        stream = stream.filter("format", planar)
    width, height = Fraction(info.width) * info.sample_aspect_ratio, Fraction(info.height)
    if _shown_size(info) != size:
        factor = min(size[0] / width, size[1] / height)
        width, height = width * factor, height * factor
    if (round(width), round(height)) != (info.width, info.height):
        stream = stream.filter("scale", round(width), round(height), flags="lanczos")
    if (round(width), round(height)) != size:
        left, top = (int(size[0] - width) // 4 * 2, int(size[1] - height) // 4 * 2)
        stream = stream.filter("pad", *size, left, top)
    return stream.filter("setsar", 1)


def _recoloured(stream: Any, source: VideoInfo, result: VideoInfo) -> Any:
    """The source in the result's matrix and range, where both say what theirs is."""
    options: dict[str, str] = {}
    pairs = {
        "color_matrix": (source.color.matrix, result.color.matrix),
        "range": (source.color.range, result.color.range),
    }
    for name, (have, want) in pairs.items():
        if have and want and have != want:
            options |= {f"in_{name}": have, f"out_{name}": want}
    return stream.filter("scale", flags="accurate_rnd", **options) if options else stream


def title(film: Shown) -> str:
    """The film's name, fit to be shown, and how many frames a second it has."""
    name = os.path.basename(os.path.normpath(film.name)).encode("utf-8", "replace").decode()
    rate = f"  {round(float(film.info.rate), 3):g} fps" if film.info.rate else ""
    return "".join(c if c.isprintable() else "?" for c in name) + rate


def _labelled(
    shown: Any, words: str, corner: tuple[int, int], room: int, result: VideoInfo, folder: str
) -> Any:
    """The stream with words on a dark strip at `corner`, no wider than `room` pixels."""
    height = max(12, result.height // 48 * 2)
    scale, stroke = height / 40, max(1, height // 18)
    while len(words) > 3 and _words_width(words, scale, stroke) > room - height:
        words = words[: len(words) // 2 - 1] + "~" + words[len(words) // 2 + 1 :]
    width = min(room, _words_width(words, scale, stroke) + height)
    strip: NDArray[np.uint8] = np.zeros((height, width, 4), np.uint8)
    strip[..., 3] = 170
    at, white = (height // 2, round(height * 0.73)), (255, 255, 255, 255)
    cv2.putText(strip, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, white, stroke, cv2.LINE_AA)
    name = f"label-{corner[0]}-{corner[1]}"
    strip.tofile(os.path.join(folder, name))
    label = ffmpeg.input(name, format="rawvideo", pix_fmt="rgba", s=f"{width}x{height}")
    format_ = "yuv420p10" if result.layout.depth > 8 else "yuv420"
    return shown.overlay(label, x=corner[0], y=corner[1], format=format_)


def _words_width(words: str, scale: float, stroke: int) -> int:
    (width, _), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, stroke)
    return int(width)


def _encoder(result: VideoInfo) -> dict[str, str | int]:
    # To be looked at closely, so a little better than the results' own default of 18.
    if result.layout.depth > 8:
        return {"c:v": "libx265", "crf": 16, "pix_fmt": "yuv420p10le", "x265-params": "log-level=1"}
    return {"c:v": "libx264", "crf": 16, "pix_fmt": "yuv420p"}


def _sound(source: VideoInfo, output: str) -> tuple[list[Any], dict[str, str]]:
    """The source's sound tracks that can be written, and how each is."""
    carried = plan_streams(source, output).carried
    tracks = [item for item in carried if item.stream.kind == "audio"]
    codecs = {f"c:a:{number}": track.coder for number, track in enumerate(tracks)}
    written = [track.stream for track in tracks]
    for stream in source.streams:
        if stream.kind == "audio" and stream not in written:
            _log.warning("sound stream %d cannot be written, and is left out", stream.index)
    return [_film(source, 16, track.stream.index) for track in tracks], codecs
