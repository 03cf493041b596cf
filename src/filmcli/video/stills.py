"""Films that are written as pictures: PNG files by number, GIF, APNG and WebP.

They are made of the same segments as any film, coded without loss; only the last step differs.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import ffmpeg

from filmcli.errors import UsageError, VerifyError
from filmcli.frames import VideoInfo
from filmcli.video.animation import plays, read_mark, webp_milliseconds, write_mark
from filmcli.video.codecs import encoder_help
from filmcli.video.mux import concat_script, verify_count
from filmcli.video.pixels import EXACT_FLAGS, rgb_words
from filmcli.video.process import Child, FileName, command
from filmcli.video.sequence import is_pattern, numbered, present
from filmcli.video.streams import StreamPlan

_ANIMATIONS = (".gif", ".apng", ".webp")
_WEBP_MOST_PX = 16383
_GIF_MOST = 50
"""Pictures a second: a GIF counts in hundredths, and players slow a delay of one down to ten."""


def is_stills(output: str) -> bool:
    """True for an output that is written as pictures: x.gif, x.apng, x.webp, or as %05d.png."""
    return _ending(output) in _ANIMATIONS or is_pattern(output)


def kind_of(output: str) -> str:
    """What people call files like `output`: GIF, PNG."""
    return _ending(output)[1:].upper()


def check_stills(info: VideoInfo, output: str, rate: Fraction) -> None:
    """UsageError for an ending, a rate or a size that pictures cannot have."""
    if is_pattern(output) and _ending(output) != ".png":
        raise UsageError(
            f"Pictures that end in {_ending(output)} cannot be written.",
            "Only PNG holds every film without loss.",
            "Name them %05d.png.",
        )
    if _ending(output) == ".gif" and rate > _GIF_MOST:
        raise UsageError(
            f"A GIF cannot show {float(rate):g} pictures a second.",
            f"It counts in hundredths of a second; {_GIF_MOST} is the most that players keep to.",
            f"Give --fps {_GIF_MOST}, or write an .apng.",
        )
    if _ending(output) == ".webp":
        encoder_help("libwebp_anim")
        if max(info.width, info.height) > _WEBP_MOST_PX:
            raise UsageError(
                f"A WebP cannot be {info.width}x{info.height}.",
                f"Its sides are at most {_WEBP_MOST_PX} pixels.",
                "Write numbered pictures, %05d.png, or an .apng.",
            )


def plan_stills(info: VideoInfo, output: str) -> StreamPlan:
    """Say what pictures cannot hold."""
    depth = info.layout.depth
    is_coarse = _ending(output) == ".webp" and depth > 8
    notices = (f"{depth} bits become 8, which is what a WebP holds",) * is_coarse
    kinds = Counter(s.kind for s in info.streams if s.index != info.stream.index)
    dropped = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    others = (f"pictures hold nothing else: dropped are {dropped}",) * bool(kinds)
    return StreamPlan(notices=(*notices, *others))


def write_numbered(
    segments: Sequence[tuple[str, int]], info: VideoInfo, rate: Fraction, folder: str
) -> list[str]:
    """Write a PNG for every picture of `segments` into `folder`; returns their paths in order.

    Raises VerifyError if one is missing.
    """
    film = _colored(_film(), info)
    _run(film.output(FileName("%d.png"), format="image2", vcodec="png", fps_mode="passthrough",
                     start_number=1), segments, rate, folder)  # fmt: skip
    count = sum(length for _, length in segments)
    written = present(os.path.join(folder, "%d.png"))
    if len(written) != count or not all(map(os.path.getsize, written)):
        raise VerifyError(f"{len(written)} pictures were written instead of {count}.", "", "")
    return written


def write_animation(
    segments: Sequence[tuple[str, int]], info: VideoInfo, rate: Fraction, output: str
) -> None:
    """Write the animation `output` from `segments`; it plays as often as its source does."""
    times = plays(info.path)
    folder = os.path.dirname(os.path.abspath(segments[0][0]))
    target = FileName(os.path.abspath(output))
    if _ending(output) == ".apng":
        apng = _colored(_film(), info)
        film = apng.output(target, format="apng", plays=times, fps_mode="passthrough")
        _run(film, segments, rate, folder)
        return
    if _ending(output) == ".webp":
        webp = _colored(_film(), info).filter("scale", flags=EXACT_FLAGS).filter("format", "bgra")
        film = webp.output(target, format="webp", vcodec="libwebp_anim", lossless=1, loop=times,
                           fps_mode="passthrough")  # fmt: skip
        _run(film, segments, rate, folder)
        return
    # Two passes: in one, ffmpeg would hold the whole film until the palette is known.
    palette = FileName(os.path.join(folder, "palette.png"))
    colors = _colored(_film(), info).filter("palettegen", stats_mode="diff")
    _run(colors.output(palette, format="image2", update=1), segments, rate, folder)
    painted = ffmpeg.filter(
        [_colored(_film(), info), ffmpeg.input(palette, format="image2")],
        "paletteuse", dither="sierra2_4a", diff_mode="rectangle",
    )  # fmt: skip
    film = painted.output(target, format="gif", loop=_again(times), fps_mode="passthrough")
    _run(film, segments, rate, folder)


def verify_animation(output: str, count: int, rate: Fraction) -> None:
    """Check that `count` pictures are shown, `rate` a second; VerifyError if they are not.

    In a WebP equal neighbours are one picture, and equal pictures a still: there time counts.
    """
    if _ending(output) != ".webp":
        verify_count(output, count)
        return
    shown, told = webp_milliseconds(output), count * 1000 / rate
    if shown is not None and abs(shown - told) * 2 * rate > 1000:
        why = f"It lasts {shown} ms instead of {float(told):.1f}."
        raise VerifyError(f"The finished file {output} is not what was promised.", why, "")


def mark(path: str, key: str, count: int) -> None:
    """Write into a finished animation, or the first of `count` pictures, what it was made by."""
    write_mark(path, f"filmcli {key} {count}")


def is_marked(output: str, key: str) -> bool:
    """True if all that stands at `output` is what the job `key` made."""
    is_many = is_pattern(output)
    said = re.fullmatch(
        r"filmcli ([0-9a-f]+) (\d+)", read_mark(numbered(output, 1) if is_many else output) or ""
    )
    if said is None or said[1] != key:
        return False
    return not is_many or present(output) == final_names(output, int(said[2]))


def final_names(output: str, count: int) -> list[str]:
    """What the pictures 1 to `count` of the pattern `output` are called."""
    return [numbered(output, number) for number in range(1, count + 1)]


def _again(times: int) -> int:
    """What ffmpeg's GIF muxer calls so many `times`: it counts repeats, -1 is none, 0 for ever."""
    return {0: 0, 1: -1}.get(times, times - 1)


def _ending(output: str) -> str:
    return os.path.splitext(output)[1].lower()


def _film() -> Any:
    return ffmpeg.input("pipe:0", format="concat", safe=0, protocol_whitelist="file,pipe")["v:0"]


def _colored(film: Any, info: VideoInfo) -> Any:
    """The pictures in the RGB or grey that PNG knows, of no less depth."""
    layout = info.layout
    deep = layout.depth > 8
    packed = "rgba" if layout.alpha else "rgb"
    if layout.model == "gray":
        full = {"in_range": info.color.range or "tv", "out_range": "pc"}
        return film.filter("scale", flags=EXACT_FLAGS, **full).filter(
            "format", "gray16be" if deep else "gray"
        )
    words = rgb_words(info) if layout.model == "yuv" else {"flags": EXACT_FLAGS}
    return film.filter("scale", **words).filter(
        "format", f"{packed}{16 * len(packed)}be" if deep else ("rgba" if layout.alpha else "rgb24")
    )


def _run(output: Any, segments: Sequence[tuple[str, int]], rate: Fraction, folder: str) -> None:
    args = command(output, "-loglevel", "warning")
    with Child(args, stdin=True, cwd=folder) as child:
        child.write(concat_script(segments, rate).encode())
        child.finish("could not write the pictures")
