"""`filmcli compare`: a source and what was made of it, in one picture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from filmcli.cli.console import show_path
from filmcli.errors import UsageError
from filmcli.job import check_output, output_path

if TYPE_CHECKING:
    from filmcli.comparison import Arrangement
    from filmcli.frames import VideoInfo


@click.command()
@click.argument("source", metavar="A", type=click.Path())
@click.argument("result", metavar="B", type=click.Path())
@click.option("-o", "--output", type=click.Path(), help="[default: B.compare.mp4, beside B]")
@click.option(
    "--layout",
    type=click.Choice(["side", "stack", "split", "diff"]),
    default="side",
    show_default=True,
    help="diff shows four times the difference.",
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
@click.option("-y", "--overwrite", is_flag=True, help="Replace existing outputs.")
def compare(
    source: str,
    result: str,
    output: str | None,
    layout: Arrangement,
    slow: float,
    stills: int | None,
    overwrite: bool,
) -> None:
    """Show A, the source, beside B, what was made of it.

    \b
    filmcli compare in.mp4 in.60fps.mp4                  -> in.60fps.compare.mp4
    filmcli compare in.mp4 in.60fps.mp4 --layout split --slow 4
    filmcli compare in.mp4 in.60fps.mp4 --stills 8       -> in.60fps.compare-1.png ...

    At every frame of B, A is the frame that a player shows at that time. A's sound is copied,
    unless time is slowed.
    """
    from filmcli import comparison
    from filmcli.video.probe import probe

    left, right = probe(source), probe(result)
    output = output_path(result, "compare", output)
    if stills:
        names = comparison.still_names(left, right, output, stills)
        written = list(names.values())
        _check(source, result, written, overwrite)
        comparison.stills(left, right, names, arrangement=layout)
    else:
        written = [output]
        if not output.lower().endswith(comparison.ENDINGS):
            raise UsageError(
                f"cannot write {output}",
                "its ending names no container that a comparison is written to",
                "use one of " + " ".join(comparison.ENDINGS),
            )
        _check(source, result, written, overwrite)
        with _bar(right) as progress:
            comparison.compare(
                left, right, output, arrangement=layout, slow=slow, progress=progress
            )
    for name in written:
        show_path(name)


def _check(source: str, result: str, outputs: Sequence[str], overwrite: bool) -> None:
    """Refuse names that are taken, unwritable, or one of the two films."""
    for output in outputs:
        check_output(source, output, overwrite)
        check_output(result, output, overwrite)


@contextmanager
def _bar(result: VideoInfo) -> Iterator[Callable[[int], None]]:
    """Draw how far the comparison is, if somebody watches."""
    total = round((result.duration or 0) * (result.rate or 0))
    if not sys.stderr.isatty() or not total:
        yield lambda done: None  # noqa: ARG005
        return
    with click.progressbar(length=total, label="comparing", file=sys.stderr) as bar:
        yield lambda done: bar.update(done - bar.pos)
