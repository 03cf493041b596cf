"""Scores as people and programs read them: tables and a report, or one JSON object a line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from filmcli.cli.console import show_error
from filmcli.cli.objects import JsonTeller
from filmcli.errors import FilmcliError

if TYPE_CHECKING:
    from filmcli.evaluation.album import Shown
    from filmcli.evaluation.board import Result, Table
    from filmcli.evaluation.metrics import Score
    from filmcli.evaluation.rebuilt import Rebuilt


class Scores:
    """Tells of every sequence on standard error, and prints tables when all are done."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.notes: list[str] = []
        self.results: list[Result] = []
        self.strips: list[Shown] = []
        self.failures: list[FilmcliError] = []

    def add(self, source: str, result: Result, phases: Sequence[Fraction]) -> None:  # noqa: ARG002
        """Hear of one sequence."""
        self.results.append(result)
        told = "  ".join(f"{name} {_words(score)}" for name, score in result.scores().items())
        click.echo(f"filmcli: {result.name}: {told}", err=True)

    def fail(self, source: str, failure: FilmcliError) -> None:  # noqa: ARG002
        """Tell why something has no scores; the rest goes on."""
        self.failures.append(failure)
        show_error(failure)

    def show(self, tables: Sequence[Table], notes: Sequence[str], **facts: Any) -> None:  # noqa: ARG002
        """Print tables that belong together, and what has to be said of them."""
        for table in tables:
            show_table(table)
        click.echo(" ".join(notes) + "\n")
        self.tables += tables
        self.notes += [note for note in notes if note not in self.notes]


class JsonScores(Scores):
    """The same as one JSON object a line, for programs."""

    def __init__(self) -> None:
        super().__init__()
        self._json = JsonTeller()

    def add(self, source: str, result: Result, phases: Sequence[Fraction]) -> None:
        """Print the scores of one sequence."""
        from filmcli.evaluation.board import facts

        self.results.append(result)
        self._json.tell("sequence", source=source, name=result.name, **facts(result, phases))

    def fail(self, source: str, failure: FilmcliError) -> None:
        """Tell why something has no scores, to program and person."""
        self.failures.append(failure)
        self._json.fail(source, failure)

    def show(self, tables: Sequence[Table], notes: Sequence[str], **facts: Any) -> None:
        """Print the means."""
        self._json.tell("summary", **facts, notes=" ".join(notes))
        self.tables += tables
        self.notes += [note for note in notes if note not in self.notes]


def _words(score: Score) -> str:
    looks = "" if score.lpips is None else f" LPIPS {score.lpips:.4f}"
    return f"{score.psnr:.2f} dB{looks}"


@contextmanager
def bar(name: str, total: int) -> Iterator[Callable[[Rebuilt], None]]:
    """Draw how many frames are scored, if somebody watches."""
    if not sys.stderr.isatty():
        yield lambda rebuilt: None  # noqa: ARG005
        return
    with click.progressbar(length=total, label=name, file=sys.stderr) as drawn:
        yield lambda rebuilt: drawn.update(1)  # noqa: ARG005


def show_table(table: Table) -> None:
    """Print a table and an empty line: drawn on a terminal, in Markdown elsewhere."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Drawn

    from filmcli.evaluation.board import markdown

    console = Console(highlight=False)
    if not console.is_terminal:
        click.echo(markdown(table))
        return
    drawn = Drawn(title=table.title, title_justify="left", box=box.SIMPLE, padding=(0, 0, 0, 1))
    drawn.add_column(table.head[0])
    for name in table.head[1:]:
        drawn.add_column(name, justify="right")
    for words, *numbers in table.rows:
        drawn.add_row(words, *numbers, style="bold" if words == "mean" else "")
    console.print(drawn, markup=False)
