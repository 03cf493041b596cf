"""`filmcli upsample`: raise the frame rate of films, or slow them down."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import click

from filmcli.cli import options
from filmcli.cli.console import JsonTeller, Teller, library_warnings, machine_failure
from filmcli.cli.inputs import films, refuse_collisions
from filmcli.errors import FilmcliError, UsageError
from filmcli.timing import parse_clock


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path())
@click.option("-r", "--fps", metavar="RATE", help="60, 59.94, 24000/1001, 2x, 2.5x.  [default: 2x]")
@click.option("--slow", metavar="N", help="Stretch time (and sound) N times instead.")
@click.option("--start", metavar="TIME", help="Begin here: seconds or [h:]m:s.")
@click.option("--end", metavar="TIME", help="End before this.")
@options.in_fps
@options.video
@click.option(
    "-o", "--output", type=click.Path(), help="A file, a folder/, or - for standard output."
)
@options.weights
@options.cuts
@options.dedupe
@options.steps(default=0)
@click.option("-c", "--codec", help="x264, x265, av1, prores, ffv1, nvenc, any ffmpeg encoder.")
@click.option("--crf", type=float, help="Quality of the encoder, lower is better.  [default: 18]")
@click.option("--preset", help="Speed of the encoder.  [default: medium]")
@click.option("--pix-fmt", help="Pixel format.  [default: as the source]")
@click.option("--ffmpeg-args", default="", metavar="ARGS", help="More words for the encoder.")
@click.option(
    "--hwaccel",
    type=click.Choice(["off", "auto", "cuda", "vaapi", "videotoolbox"]),
    default="off",
    show_default=True,
    help="Engine that decodes, if its pictures are the same.",
)
@click.option("--audio", type=click.Choice(["copy", "none"]), default="copy", show_default=True)
@options.deinterlace
@options.device
@options.precision
@click.option(
    "--tile", default="auto", show_default=True, metavar="N|off", help="Longest side of a tile."
)
@click.option("-y", "--overwrite", is_flag=True, help="Replace an existing output.")
@click.option("--fresh", is_flag=True, help="Start over instead of continuing an earlier run.")
@click.option("--work-dir", type=click.Path(), help="Where unfinished work is kept.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, write nothing.")
@options.as_json
@click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "lines", "off"]),
    default="auto",
    show_default=True,
)
@click.option("-q", "--quiet", is_flag=True, help="Warnings and errors only.")
def upsample(
    inputs: tuple[str, ...], as_json: bool, progress: str, quiet: bool, **asked: Any
) -> int:
    """Raise the frame rate of films.

    \b
    filmcli upsample in.mp4 --fps 60                   -> in.60fps.mp4
    filmcli upsample in.mp4                            -> in.2x.mp4
    filmcli upsample in.mp4 --slow 4                   -> in.slow4x.mp4
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
    with library_warnings():
        return _each(pairs, settings, teller)


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
        raise UsageError(f"--tile {text} makes no sense", "", "give pixels, auto or off")
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
            f"--slow {text} makes no sense", "it is how many times slower", "try 2 or 4"
        )
    return slow


def _moment(option: str, text: str | None) -> Fraction | None:
    try:
        return None if text is None else parse_clock(text)
    except ValueError:
        raise UsageError(
            f"{option} {text} makes no sense",
            "it is a time on the film's clock",
            "give seconds, m:s or h:m:s, as 90, 1:30 or 0:01:30.5",
        ) from None


def _each(
    pairs: Sequence[tuple[str, str | None]], settings: dict[str, Any], teller: Teller | JsonTeller
) -> int:
    """Do one film after the other; a failed one does not stop the rest."""
    from filmcli.pipeline.request import Settings
    from filmcli.pipeline.upsample import upsample as upsample_film

    code = 0
    for path, output in pairs:
        try:
            if output is not None and output.endswith(os.sep) and not settings["dry_run"]:
                os.makedirs(output, exist_ok=True)
            result = upsample_film(path, Settings(**{**settings, "output": output}), teller)
            if not settings["dry_run"]:
                teller(result)
        except (BrokenPipeError, KeyboardInterrupt):
            teller.close()
            raise
        except (FilmcliError, OSError) as error:
            failure = machine_failure(error) if isinstance(error, OSError) else error
            teller.fail(path, failure)
            code = failure.exit_code if len(pairs) == 1 else 1
    if isinstance(teller, JsonTeller):
        teller.tell("summary", exit_code=code)
    return code
