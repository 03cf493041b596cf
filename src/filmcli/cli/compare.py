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
    from filmcli import comparison
    from filmcli.video.probe import probe
    from filmcli.video.spool import as_film, rate_of_stream, shown_rate

    if page and (output or stills):
        raise UsageError(
            "--page is an output by itself", "--output and --stills name others", "give one of them"
        )
    output = page or output_path(film_name(result), "compare", output)
    if not stills and not page and not output.lower().endswith(comparison.ENDINGS):
        raise UsageError(
            f"cannot write {output}",
            "its ending names no container that a comparison is written to",
            "use one of " + " ".join(comparison.ENDINGS),
        )
    rates = shown_rate(in_fps), _rate_of_result(result, fps)
    with (
        library_warnings(),
        as_film(source, rates[0]) as left_film,
        as_film(result, rates[1]) as right_film,
    ):
        left_rate, right_rate = map(rate_of_stream, (source, result), rates)
        left = comparison.Shown(probe(left_film, left_rate, video), source)
        right = comparison.Shown(probe(right_film, right_rate), result)
        if page:
            written = [page]
            _page(left, right, page, layout, slow, overwrite)
        elif stills:
            names = comparison.still_names(left, right, output, stills)
            written = list(names.values())
            _check((left, right), written, overwrite)
            comparison.stills(left, right, names, arrangement=layout or "side")
        else:
            written = [output]
            _check((left, right), written, overwrite)
            with _bar(right.info) as progress:
                comparison.compare(
                    left, right, output, arrangement=layout or "side", slow=slow, progress=progress
                )
    for name in written:
        show_path(name)


def _page(
    left: Shown, right: Shown, page: str, layout: Arrangement | None, slow: float, overwrite: bool
) -> None:
    """Write the page, and say where its films are."""
    from filmcli.page.pair import Opening, page_files, write_timed

    _check((left, right), page_files(page), overwrite)
    with _bar(right.info) as progress:
        opening = Opening(layout or "split", 1 / slow)
        written = write_timed(left, right, page, opening, progress)
    show_page(written)


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
