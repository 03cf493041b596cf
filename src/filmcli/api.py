"""Whole films from Python: `upsample` and `probe` take paths and raise `filmcli.errors`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, TypedDict

from filmcli.errors import UsageError
from filmcli.frames import VideoInfo
from filmcli.timing import parse_clock
from filmcli.video.probe import probe as read_header
from filmcli.video.spool import as_film, rate_of_stream, shown_rate

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from filmcli.adaptation.worth import Steps
    from filmcli.pipeline.making import Progress
    from filmcli.pipeline.upsample import Event, Result

Path = str | os.PathLike[str]
Number = float | str | Fraction
"""A float means what it prints as: 59.94 is 5994/100, which as a rate means 60000/1001."""


class Options(TypedDict, total=False):
    """What `upsample` takes besides a rate; the defaults are the command line's.

    `slow` is how many times slower; `start` and `end` are seconds or "[h:]m:s"; the others are as
    `filmcli upsample --help` says, where `audio=False` is `--audio none`, `deinterlace=False` is
    `--deinterlace off` and `tile=None` is `--tile off`.
    """

    slow: Number
    start: Number
    end: Number
    preview: int
    in_fps: Number
    video: int
    weights: str
    cuts: str
    dedupe: bool
    steps: Steps
    codec: str
    crf: float
    preset: str
    pix_fmt: str
    ffmpeg_args: Sequence[str]
    hwaccel: str
    audio: bool
    deinterlace: bool
    device: str
    precision: str
    tile: int | str | None
    overwrite: bool
    fresh: bool
    work_dir: str


def upsample(
    source: Path,
    output: Path | None = None,
    *,
    fps: Number | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: Unpack[Options],
) -> Result:
    """Make the smoother film of `source` and return where it is, and how many frames it has.

    `source` is a film, a folder of pictures or a pattern like "frames/%05d.png". `output` is a file
    or a folder; by default the film lies beside the source, as in.60fps.mp4. `fps` is a rate, or a
    multiple like "2x", the default. `progress` hears of every frame written.

    Raises what `filmcli.errors` names: UsageError for options that make no sense, InputError for
    what is no film, OutputExistsError if the output exists and `overwrite` is not given,
    MachineError for what this machine lacks. Then nothing new stands under the output's name.
    """
    from filmcli.pipeline import upsample as main_path
    from filmcli.pipeline.making import Progress
    from filmcli.pipeline.request import Settings

    def report(event: Event) -> None:
        if progress is not None and isinstance(event, Progress):
            progress(event)

    given: dict[str, object] = dict(options)
    for name in ("slow", "start", "end"):
        if name in given:
            given[name] = _exact(name, given[name])
    settings = Settings(
        **given | {"fps": _spelled(fps), "in_fps": _spelled(options.get("in_fps"))},  # type: ignore[arg-type]
        output=None if output is None else os.fspath(output),
    )
    return main_path.upsample(os.fspath(source), settings, report)


def probe(source: Path, *, in_fps: Number | None = None, video: int | None = None) -> VideoInfo:
    """Return what a file says of its film: size, rate, colour, streams; nothing is decoded whole.

    `in_fps` is how many pictures a second a folder, a pattern or a raw stream shows, `video` which
    of several films is meant. Raises InputError for what is no film, UsageError for what cannot be
    asked of it.
    """
    path, rate = os.fspath(source), shown_rate(_spelled(in_fps))
    with as_film(path, rate) as film:
        return read_header(film, rate_of_stream(path, rate), video)


def _spelled(number: Number | None) -> str | None:
    return None if number is None else str(number)


def _exact(name: str, said: object) -> Fraction:
    try:
        return parse_clock(said) if isinstance(said, str) else Fraction(str(said))
    except (ValueError, ZeroDivisionError):
        raise UsageError(
            f"{name}={said!r} makes no sense",
            "it is neither a number nor a time",
            "try 90 or '1:30'",
        ) from None
