"""`filmcli evaluate`: how good the made frames are, beside the old ways of making them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import click

from filmcli.cli import options
from filmcli.cli.cluster import crew_of
from filmcli.cli.console import library_warnings, printable
from filmcli.cli.inputs import films
from filmcli.cli.scores import JsonScores, Scores, bar
from filmcli.errors import FilmcliError, UsageError

if TYPE_CHECKING:
    from filmcli.cluster.crew import Crew
    from filmcli.evaluation.album import Album
    from filmcli.evaluation.board import Result
    from filmcli.evaluation.entries import Entry
    from filmcli.evaluation.metrics import Scorer
    from filmcli.evaluation.rebuilt import Rebuilt

_ANY_RATE = Fraction(24)  # of a folder of pictures: no score depends on it
_RIVALS = "repeat,blend,dis,minterpolate"


@click.command()
@click.argument("inputs", nargs=-1, metavar="[INPUT...]", type=click.Path())
@click.option(
    "-w",
    "--weights",
    multiple=True,
    metavar="NAME|PATH",
    help="Weights to score; may be given several times.  [default: those of upsample]",
)
@click.option(
    "--drop",
    type=click.Choice(["2", "3"]),
    default="2",
    show_default=True,
    help="Keep one frame of so many.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="Only the first N intervals between kept frames of each film.",
)
@click.option(
    "--steps",
    default="0",
    show_default=True,
    metavar="N,N,...",
    help="Steps of adaptation to each scene; every number is scored.",
)
@click.option(
    "--synthetic",
    is_flag=True,
    help="Score a drawn film too, where errors of time can be measured.",
)
@click.option(
    "--judge",
    is_flag=True,
    help="Score by ST-LPIPS too, which no network here was trained on; slow.",
)
@click.option(
    "--rivals",
    default=_RIVALS,
    show_default=True,
    metavar="NAME,...|none",
    help="Other ways to make frames, scored beside.",
)
@options.cuts
@options.device
@options.cluster
@options.precision
@options.as_json
@click.option(
    "--report",
    type=click.Path(),
    metavar="FOLDER",
    help="Write tables, curves and strips of the worst frames: index.html, report.md.",
)
def evaluate(
    inputs: tuple[str, ...],
    weights: tuple[str, ...],
    drop: str,
    limit: int | None,
    steps: str,
    synthetic: bool,
    judge: bool,
    rivals: str,
    cuts: str,
    device: str,
    cluster: str | None,
    precision: str,
    as_json: bool,
    report: str | None,
) -> int:
    """Drop frames of films, make them again, and say how near they come.

    \b
    filmcli evaluate in.mp4                     every second frame: PSNR, SSIM, LPIPS
    filmcli evaluate films/ --drop 3            two of three, which shows errors of time
    filmcli evaluate in.mp4 --steps 0,1,10      what adaptation to each scene gains
    filmcli evaluate films/ --report scores     and pictures: scores/index.html
    filmcli evaluate --synthetic                a drawn film: is every frame of its own time?
    filmcli evaluate vimeo90k:/data/vimeo       a benchmark, beside published numbers

    Beside the network stand the old ways: the frame before (repeat), both frames mixed (blend),
    optical flow (OpenCV's DIS), and ffmpeg's minterpolate. No frame is scored across a cut.
    Benchmarks are vimeo90k, ucf101, middlebury, xiph and snu-film, by the folder that holds them.
    """
    from filmcli.evaluation.entries import enter, machine_words
    from filmcli.evaluation.metrics import open_scorer
    from filmcli.evaluation.report import check_folder, write_report

    if not inputs and not synthetic:
        raise UsageError("there is nothing to score", "", "give films, or --synthetic")
    if report:
        check_folder(report)
    old_ways = [] if rivals == "none" else rivals.split(",")
    entries = enter(weights, _numbers(steps), old_ways, device, precision)
    scores = JsonScores() if as_json else Scores()
    named = [_as_benchmark(given) for given in inputs]
    given = [path for path, name in zip(inputs, named, strict=True) if not name]
    paths = [path for path, _ in films(given, None)]
    with library_warnings(), _crew(cluster, device, precision) as crew:
        scorer = open_scorer(judge)
        question = _Question(entries, scorer, judge, int(drop), cuts, limit, bool(report))
        notes = [question.scorer.conventions, machine_words(device, precision)]
        _films(paths, question, scores, notes, crew)
        for benchmark in filter(None, named):
            _benchmark(*benchmark, question, scores, notes)
        if synthetic:
            _drawn(question, scores, notes)
    if report and scores.tables:
        page = write_report(report, scores.tables, scores.notes, scores.results, scores.strips)
        click.echo(f"look at {printable(page)}", err=True)
    if scores.failures:
        alone = len(paths) + len(inputs) - len(given) + synthetic == 1
        return scores.failures[0].exit_code if alone else 1
    return 0


@dataclass(frozen=True)
class _Question:
    """What is asked of every input."""

    entries: Sequence[Entry]
    scorer: Scorer
    judge: bool
    drop: int
    cuts: str
    limit: int | None
    with_strips: bool

    def plain(self) -> list[Entry]:
        """Those who take part without adaptation; UsageError if no network does."""
        chosen = [entry for entry in self.entries if not entry.steps]
        if all(entry.is_rival for entry in chosen):
            raise UsageError(
                "there is no scene to adapt to",
                "benchmarks and the drawn film are scored without adaptation",
                "let --steps hold 0",
            )
        return chosen

    def album(self, name: str, entries: Sequence[Entry]) -> Album | None:
        """What keeps strips of a sequence, if a report is wanted."""
        from filmcli.evaluation.album import Album

        return Album(name, entries, self.scorer) if self.with_strips else None


def _crew(cluster: str | None, device: str, precision: str) -> AbstractContextManager[Crew | None]:
    """Who scores films, one each: a cluster's workers, or None for this process."""
    return nullcontext() if cluster is None else crew_of(cluster, device, precision)


def _films(
    paths: Sequence[str],
    question: _Question,
    scores: Scores,
    notes: Sequence[str],
    crew: Crew | None,
) -> None:
    """Score films; one that cannot be scored does not stop the rest."""
    from filmcli.evaluation.board import mean_of, spelled, tables
    from filmcli.evaluation.dropping import dropping_words, phases_of

    phases = phases_of(question.drop)
    found: dict[int, Result] = {}

    def take(index: int, scored: Result | FilmcliError) -> None:
        if isinstance(scored, FilmcliError):
            scores.fail(paths[index], scored)
        else:
            found[index] = scored
            scores.add(paths[index], scored, phases)

    if crew is not None:
        _films_far(paths, question, scores, crew, take)
    else:
        for index, (path, name) in enumerate(zip(paths, _names(paths), strict=True)):
            try:
                take(index, _film(path, name, question, scores))
            except FilmcliError as failure:
                take(index, failure)
    results = [found[index] for index in sorted(found)]
    if results:
        facts = {"sequences": len(results), "scores": spelled(mean_of(results))}
        told = [dropping_words(question.drop), *notes]
        scores.show(tables(results, phases), told, drop=question.drop, **facts)


def _films_far(
    paths: Sequence[str],
    question: _Question,
    scores: Scores,
    crew: Crew,
    take: Callable[[int, Result | FilmcliError], None],
) -> None:
    """Let each film be scored by a worker."""
    from filmcli.evaluation.cluster import Scored, Scoring, score_films
    from filmcli.video.spool import as_film

    asked = question.drop, question.cuts, question.limit, question.with_strips
    scoring = Scoring(question.entries, question.judge, *asked)
    films = [
        (name, as_film(path, _ANY_RATE)) for path, name in zip(paths, _names(paths), strict=True)
    ]

    def hear(index: int, said: Scored | FilmcliError) -> None:
        if isinstance(said, FilmcliError):
            take(index, said)
        else:
            scores.strips += said.strips
            take(index, said.result)

    score_films(crew, scoring, films, hear)


def _as_benchmark(given: str) -> tuple[str, str] | None:
    """Name and folder of a benchmark, None for a film; a film's own name goes before."""
    from filmcli.evaluation.benchmarks import BENCHMARKS

    name, colon, folder = given.partition(":")
    return (name, folder) if colon and name in BENCHMARKS and not os.path.exists(given) else None


def _benchmark(
    name: str, folder: str, question: _Question, scores: Scores, notes: Sequence[str]
) -> None:
    """Score every level of a benchmark, plain weights only: two frames are no scene."""
    from filmcli.evaluation.benchmarks import HALF, open_benchmark, score_benchmark
    from filmcli.evaluation.board import mean_of, spelled, tables
    from filmcli.evaluation.published import NOTE, published_table

    entries = question.plain()
    makers = {entry.name: entry.maker for entry in entries}
    try:
        for level in open_benchmark(name, folder):
            album = question.album(level.name, entries)
            cases = sum(len(of[: question.limit]) for of in level.sequences.values())
            with bar(level.name, cases) as progress:
                watch = _both(progress, album)
                results = score_benchmark(level, makers, question.scorer, question.limit, watch)
            scores.strips += album.strips() if album else []
            for result in results:
                scores.add(folder, result, [HALF])
            table = published_table(level.name)
            told = [level.protocol, *notes, *([NOTE] if table else [])]
            facts = {"sequences": len(results), "scores": spelled(mean_of(results))}
            boards = [*tables(results, [HALF]), *([table] if table else [])]
            scores.show(boards, told, benchmark=level.name, **facts)
    except FilmcliError as failure:
        scores.fail(folder, failure)


def _drawn(question: _Question, scores: Scores, notes: Sequence[str]) -> None:
    """Score the built-in film, plain weights only: its shots are too short to adapt to."""
    from filmcli.evaluation import drawn
    from filmcli.evaluation.board import mean_of, spelled, tables

    entries = question.plain()
    makers = {entry.name: entry.maker for entry in entries}
    album = question.album("drawn film", entries)
    shots = {f"drawn {name}": first for name, first in drawn.FIRST_FRAMES.items()}
    intervals = min(question.limit or drawn.INTERVALS, drawn.INTERVALS)
    with bar("drawn film", len(shots) * intervals * len(drawn.PHASES)) as progress:
        watch = _both(progress, album)
        results, errors = drawn.score_drawn(makers, question.scorer, shots, intervals, watch)
    scores.strips += album.strips() if album else []
    for result in results:
        scores.add(result.name, result, drawn.PHASES)
    facts = {
        "sequences": len(results),
        "scores": spelled(mean_of(results)),
        "time_error_ms": drawn.median_errors(errors),
        "thirds_below_middle_db": drawn.price_of_thirds(results),
    }
    boards = [*tables(results, drawn.PHASES), drawn.time_table(results, errors)]
    scores.show(boards, [drawn.NOTES, *notes], **facts)


def _film(path: str, name: str, question: _Question, scores: Scores) -> Result:
    """Score one film, and keep strips of it if a report is wanted."""
    from filmcli.evaluation.dropping import open_film, score_film
    from filmcli.video.spool import as_film

    album = question.album(name, question.entries)
    with as_film(path, _ANY_RATE) as file:
        film = open_film(file, question.drop, question.cuts, question.limit)
        with bar(name, film.scored) as progress:
            watch = _both(progress, album)
            result = score_film(film, name, question.entries, question.scorer, watch)
    scores.strips += album.strips() if album else []
    return result


def _numbers(text: str) -> list[int]:
    """Read counts of steps parted by commas; UsageError for anything else."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"cannot use {text[:40]!r} as steps", "", "give --steps like 0,1,10")
    return [int(part) for part in parts]


def _names(paths: Sequence[str]) -> list[str]:
    """What tables call the films: their names without folder and ending, where that tells them."""
    stems = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    seen = Counter(stems)
    return [
        printable(stem if seen[stem] == 1 else path)
        for stem, path in zip(stems, paths, strict=True)
    ]


def _both(progress: Callable[[Rebuilt], None], album: Album | None) -> Callable[[Rebuilt], None]:
    """A watch that moves the bar and, if there is an album, lets it see the frame."""

    def watch(rebuilt: Rebuilt) -> None:
        progress(rebuilt)
        if album:
            album(rebuilt)

    return watch
