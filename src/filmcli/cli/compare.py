"""`filmcli compare`: a source and what was made of it, in one picture."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING

import click

from filmcli.cli import options
from filmcli.cli.console import library_warnings, show_page, show_path
from filmcli.errors import UsageError
from filmcli.pipeline.job import check_output, output_path
from filmcli.video.sequence import check_apart, film_name, is_pattern

if TYPE_CHECKING:
    from filmcli.comparison import Arrangement, Shown
    from filmcli.frames import VideoInfo


@click.command()
@click.argument("source", metavar="A", type=click.Path())
@click.argument("result", metavar="B", type=click.Path())
@click.option("-o", "--output", type=click.Path(), help="[default: B.compare.mp4, beside B]")
@click.option(
    "--layout",
    type=click.Choice(["side", "stack", "split", "diff"]),
    help="diff shows four times the difference.  [default: side, split on a page]",
)
@click.option(
    "--slow", type=click.FloatRange(0.01, 1000), default=1.0, metavar="N", help="N times slower."
)
@click.option(
    "--stills",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="N pictures (PNG), spread over B, instead of a film.",
)
@click.option(
    "--page",
    type=click.Path(),
    metavar="FILE",
    help="A page for browsers (HTML) instead of a film.",
)
@options.in_fps
@options.video
@click.option("-r", "--fps", metavar="RATE", help="Pictures a second of B, as --in-fps of A.")
@click.option("-y", "--overwrite", is_flag=True, help="Replace existing outputs.")
def compare(
    source: str,
    result: str,
    output: str | None,
    layout: Arrangement | None,
    slow: float,
    stills: int | None,
    page: str | None,
    in_fps: str | None,
    video: int | None,
    fps: str | None,
    overwrite: bool,
) -> None:
    """Show A, the source, beside B, what was made of it.

    \b
    filmcli compare in.mp4 in.60fps.mp4                  -> in.60fps.compare.mp4
    filmcli compare in.mp4 in.60fps.mp4 --layout split --slow 4
    filmcli compare in.mp4 in.60fps.mp4 --stills 8       -> in.60fps.compare-1.png ...
    filmcli compare in.mp4 in.60fps.mp4 --page out.html  -> both to play, with a divider to drag
    filmcli compare frames/ new/%05d.png --in-fps 24 --fps 60

    At every frame of B, A is the frame that a player shows at that time. A's sound is copied,
    unless time is slowed. A page plays B's.
    """
    from filmcli.comparison import Shown
    from filmcli.video.probe import probe
    from filmcli.video.spool import as_film, rate_of_stream, shown_rate

    if page and (output or stills):
        raise UsageError(
            "--page is an output by itself", "--output and --stills name others", "give one of them"
        )
    output = page or _output(result, output, bool(stills))
    rates = shown_rate(in_fps), _rate_of_result(result, fps)
    with (
        library_warnings(),
        as_film(source, rates[0]) as left_film,
        as_film(result, rates[1]) as right_film,
    ):
        left_rate, right_rate = map(rate_of_stream, (source, result), rates)
        left = Shown(probe(left_film, left_rate, video), source)
        right = Shown(probe(right_film, right_rate), result)
        if page:
            written = _page(left, right, page, layout, slow, overwrite)
        elif stills:
            written = _stills(left, right, output, stills, layout or "side", overwrite)
        else:
            written = _film(left, right, output, layout or "side", slow, overwrite)
    for name in written:
        show_path(name)


def _output(result: str, output: str | None, is_stills: bool) -> str:
    """Where the comparison goes; refuse a film in a container that it cannot be written to."""
    from filmcli.comparison import ENDINGS

    output = output_path(film_name(result), "compare", output)
    if not is_stills and not output.lower().endswith(ENDINGS):
        raise UsageError(
            f"cannot write {output}",
            "its ending names no container that a comparison is written to",
            "use one of " + " ".join(ENDINGS),
        )
    return output


def _film(
    left: Shown, right: Shown, output: str, layout: Arrangement, slow: float, overwrite: bool
) -> list[str]:
    """Write a film of both, and return its name."""
    from filmcli.comparison import compare as write_film

    _check((left, right), [output], overwrite)
    with _bar(right.info) as progress:
        write_film(left, right, output, arrangement=layout, slow=slow, progress=progress)
    return [output]


def _stills(
    left: Shown, right: Shown, output: str, count: int, layout: Arrangement, overwrite: bool
) -> list[str]:
    """Write so many pictures of both, and return their names."""
    from filmcli.comparison import still_names
    from filmcli.comparison import stills as write_stills

    names = still_names(left, right, output, count)
    _check((left, right), list(names.values()), overwrite)
    write_stills(left, right, names, arrangement=layout)
    return list(names.values())


def _page(
    left: Shown, right: Shown, page: str, layout: Arrangement | None, slow: float, overwrite: bool
) -> list[str]:
    """Write the page, say where its films are, and return its name."""
    from filmcli.page.pair import Opening, page_files, write_timed

    _check((left, right), page_files(page), overwrite)
    with _bar(right.info) as progress:
        opening = Opening(layout or "split", 1 / slow)
        written = write_timed(left, right, page, opening, progress)
    show_page(written)
    return [page]


def _rate_of_result(result: str, fps: str | None) -> Fraction | None:
    """How many pictures of B are shown a second, if that is said."""
    from filmcli.video.spool import shown_rate

    if fps is None and (os.path.isdir(result) or is_pattern(result)):
        raise UsageError(
            f"how fast are the pictures of {result} shown?",
            "pictures have no rate of their own",
            "say it: --fps 60",
        )
    return shown_rate(fps, "--fps")


def _check(films: Sequence[Shown], outputs: Sequence[str], overwrite: bool) -> None:
    """Refuse names that are taken, unwritable, or one of the two films."""
    for output in outputs:
        for film in films:
            check_output(film.info.path, output, overwrite)
            check_apart(film.name, output)


@contextmanager
def _bar(result: VideoInfo) -> Iterator[Callable[[int], None]]:
    """Draw how far the comparison is, if somebody watches."""
    total = round((result.duration or 0) * (result.rate or 0))
    if not sys.stderr.isatty() or not total:
        yield lambda done: None  # noqa: ARG005
        return
    with click.progressbar(length=total, label="comparing", file=sys.stderr) as bar:
        yield lambda done: bar.update(done - bar.pos)
