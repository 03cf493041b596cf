"""`filmcli upsample`: raise the frame rate of films, or slow them down."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from filmcli.cli import options
from filmcli.cli.cluster import crew_of
from filmcli.cli.console import (
    Teller,
    library_warnings,
    machine_failure,
    show_warning,
)
from filmcli.cli.inputs import films, refuse_collisions
from filmcli.cli.objects import JsonTeller
from filmcli.cli.together import together
from filmcli.errors import FilmcliError, UsageError
from filmcli.timing import parse_clock

if TYPE_CHECKING:
    from filmcli.cluster.crew import Crew
    from filmcli.pipeline.plan import Plan
    from filmcli.pipeline.request import Settings
    from filmcli.pipeline.upsample import Makers

TOPICS = {
    "What to make": ("fps", "slow", "start", "end", "preview", "output", "page", "overwrite"),
    "How frames are made": ("weights", "steps", "cuts", "dedupe", "deinterlace"),
    "How the film is written": ("codec", "crf", "preset", "pix_fmt", "ffmpeg_args", "audio"),
    "How the input is read": ("in_fps", "video", "hwaccel"),
    "Where it is made": ("device", "precision", "tile", "work_dir", "cluster"),
    "This run": ("dry_run", "fresh", "progress", "as_json", "quiet"),
}


@click.command(cls=options.ByTopic, topics=TOPICS)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path())
@click.option(
    "-r", "--fps", metavar="RATE", help="60, 59.94, 24000/1001, or 2x, 2.5x.  [default: 2x]"
)
@click.option("--slow", metavar="N", help="Slow motion: stretch time, and sound, N times.")
@click.option(
    "-ss", "--start", metavar="TIME", help="Begin there: seconds, or [h:]m:s as 1:30 or 0:01:30.5."
)
@click.option("-to", "--end", metavar="TIME", help="End before that time.")
@click.option(
    "--preview",
    type=click.IntRange(1, 3600),
    metavar="SECONDS",
    help="Make only so much, where most moves: in.60fps.preview.mp4.",
)
@click.option(
    "-o", "--output", type=click.Path(), help="A file, a folder/, or - for standard output."
)
@click.option(
    "--page", is_flag=True, help="Make a page too, to look at source and film in a browser."
)
@click.option("-y", "--overwrite", is_flag=True, help="Replace an existing output.")
@options.weights
@options.steps(default="auto")
@options.cuts
@options.dedupe
@options.deinterlace
@click.option(
    "-c", "--codec", help="x264, x265, av1, prores, ffv1, nvenc, or any encoder of ffmpeg."
)
@click.option("--crf", type=float, help="Quality, lower is better.  [default: 18, av1 22]")
@click.option("--preset", help="Speed of the encoder.  [default: medium, av1 6]")
@click.option("--pix-fmt", help="Pixel format.  [default: as the source]")
@click.option("--ffmpeg-args", default="", metavar="ARGS", help="More words for the encoder.")
@click.option(
    "--audio",
    type=click.Choice(["copy", "none"]),
    default="copy",
    show_default=True,
    help="Sound: all tracks as they are, or none.",
)
@options.in_fps
@options.video
@click.option(
    "--hwaccel",
    type=click.Choice(["off", "auto", "cuda", "vaapi", "videotoolbox"]),
    default="off",
    show_default=True,
    help="Decode by this engine, if its pictures are the same.",
)
@options.device
@options.cluster
@options.precision
@click.option(
    "--tile",
    default="auto",
    show_default=True,
    metavar="N|off",
    help="Work in tiles of so many pixels where memory is short.",
)
@click.option(
    "--work-dir", type=click.Path(), help="Keep unfinished work there, not beside the output."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, write nothing.")
@click.option("--fresh", is_flag=True, help="Start over instead of going on with an earlier run.")
@options.progress
@options.as_json
@click.option("-q", "--quiet", is_flag=True, help="Warnings and errors only.")
def upsample(
    inputs: tuple[str, ...],
    as_json: bool,
    progress: str,
    quiet: bool,
    cluster: str | None,
    **asked: Any,
) -> int:
    """Raise the frame rate of films.

    \b
    filmcli upsample in.mp4 --fps 60                   -> in.60fps.mp4
    filmcli upsample in.mp4 --fps 60 --preview 10      -> in.60fps.preview.mp4, ten seconds to try
    filmcli upsample in.mp4                            -> in.2x.mp4, twice the frames
    filmcli upsample in.mp4 --slow 4                   -> in.slow4x.mp4, slow motion
    filmcli upsample in.mp4 --fps 60 -ss 1:30 -to 2:00 -> only that part
    filmcli upsample season1/ --fps 60 -o season1-60/  -> every film in it
    filmcli upsample frames/ --in-fps 24 --fps 60      -> frames.60fps.mkv
    ... -f yuv4mpegpipe - | filmcli upsample - -o new.mkv

    Original frames are kept, all other streams copied. An interrupted run goes on where it was when
    the same command is given again.
    """
    output = asked["output"]
    teller = JsonTeller() if as_json else Teller(progress, quiet, to_stdout=output != "-")
    settings, pairs = _settings(asked), list(films(inputs, output))
    refuse_collisions(pairs)
    if ("-", None) in pairs:
        raise UsageError("a film from standard input has no name", "", "name the new one with -o")
    if settings["page"] and "-" in inputs:
        raise UsageError(
            "a page of what comes from standard input cannot be made",
            "it shows the source once more, which is read only once",
            "give a file, or leave out --page",
        )
    with library_warnings(), _crew(cluster, settings) as crew:
        return _each(pairs, settings, teller, crew)


def _crew(cluster: str | None, settings: dict[str, Any]) -> AbstractContextManager[Crew | None]:
    """Who is to make the segments: a cluster's workers, or None for this process."""
    if cluster is None:
        return nullcontext()
    if settings["output"] == "-":
        raise UsageError(
            "a cluster does not write to standard output",
            "segments are finished in any order",
            "name a file with -o, or leave out --cluster",
        )
    return crew_of(cluster, settings["device"], settings["precision"])


def _settings(asked: dict[str, Any]) -> dict[str, Any]:
    """Turn the option strings into `Settings` fields; UsageError where they make no sense."""
    try:
        extra = tuple(shlex.split(asked["ffmpeg_args"]))
    except ValueError as error:
        raise UsageError("--ffmpeg-args cannot be split into words", f"{error}", "") from error
    return {
        **asked,
        "ffmpeg_args": extra,
        "slow": _slow(asked["slow"]),
        "start": _moment("--start", asked["start"]),
        "end": _moment("--end", asked["end"]),
        "tile": _tile(asked["tile"]),
        "audio": asked["audio"] == "copy",
    }


def _tile(text: str) -> int | str | None:
    if text in ("auto", "off"):
        return text if text == "auto" else None
    if not text.isdigit():
        raise UsageError(
            f"cannot use '{text}' for --tile", "", "give a number of pixels, auto or off"
        )
    return int(text)


def _slow(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        slow = Fraction(text.removesuffix("x"))
    except (ValueError, ZeroDivisionError):
        slow = Fraction(0)
    if not Fraction(1, 100) <= slow <= 1000:
        raise UsageError(
            f"cannot use '{text}' for --slow",
            "it says how many times slower, from 0.01 to 1000",
            "give 2 or 4, for example",
        )
    return slow


def _moment(option: str, text: str | None) -> Fraction | None:
    try:
        return None if text is None else parse_clock(text)
    except ValueError:
        raise UsageError(
            f"cannot use '{text}' for {option}",
            "it is a time on the film's clock",
            "give seconds, m:s or h:m:s: 90, 1:30 or 0:01:30.5",
        ) from None


def _each(
    pairs: Sequence[tuple[str, str | None]],
    settings: dict[str, Any],
    teller: Teller | JsonTeller,
    crew: Crew | None,
) -> int:
    """Do one film after the other, or all that a crew has hands for; one may fail, others go on."""
    makers = None
    if crew is not None:
        from filmcli.pipeline.cluster import Far

        makers = Far(crew)

    def film(pair: tuple[str, str | None], tell: Callable[[Any], None]) -> int:
        return _film(*pair, settings, tell, teller, makers)

    try:
        films = [partial(film, pair) for pair in pairs]
        if crew is not None:
            codes = together(films, teller, crew.is_idle, crew.abandon)
        else:
            codes = [do(teller) for do in films]
    except (BrokenPipeError, KeyboardInterrupt):
        teller.close()
        raise
    code = codes[0] if len(codes) == 1 else int(any(codes))
    if isinstance(teller, JsonTeller):
        teller.tell("summary", exit_code=code)
    return code


def _film(
    path: str,
    output: str | None,
    settings: dict[str, Any],
    tell: Callable[[Any], None],
    teller: Teller | JsonTeller,
    makers: Makers | None,
) -> int:
    """Make one film, and its page if that is asked for; return its exit code."""
    from filmcli.pipeline.job import is_folder_name
    from filmcli.pipeline.request import Settings

    try:
        if output is not None and is_folder_name(output) and not settings["dry_run"]:
            os.makedirs(output, exist_ok=True)
        _one(path, Settings(**{**settings, "output": output}), tell, teller, makers)
    except BrokenPipeError:
        raise
    except (FilmcliError, OSError) as error:
        failure = machine_failure(error) if isinstance(error, OSError) else error
        teller.fail(path, failure)
        return failure.exit_code
    return 0


def _one(
    path: str,
    settings: Settings,
    tell: Callable[[Any], None],
    teller: Teller | JsonTeller,
    makers: Makers | None,
) -> None:
    from filmcli.pipeline.plan import Plan
    from filmcli.pipeline.request import page_name
    from filmcli.pipeline.upsample import upsample as upsample_film

    plans: list[Plan] = []

    def report(event: Any) -> None:
        if isinstance(event, Plan):
            plans.append(event)
        tell(event)

    result = upsample_film(path, settings, report, makers)
    if settings.dry_run:
        return
    tell(result)
    if settings.page and not (result.skipped and os.path.lexists(page_name(result.output))):
        _page(path, settings, plans, teller)


def _page(
    path: str, settings: Settings, plans: Sequence[Plan], teller: Teller | JsonTeller
) -> None:
    """Make the page; the film stands, so that one that cannot be made is no failure."""
    from filmcli.pipeline.shown import plan_again, show

    try:
        teller.page(show(plans[0] if plans else plan_again(path, settings)))
    except (FilmcliError, OSError) as error:
        failure = machine_failure(error) if isinstance(error, OSError) else error
        reason = f": {failure.why}" if failure.why else ""
        show_warning(f"the film is made, its page is not: {failure.what}{reason}")
