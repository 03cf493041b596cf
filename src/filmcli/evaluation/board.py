"""The board: scores of many sequences, their means, and the tables that people read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from filmcli.evaluation.metrics import MEASURES, Score, mean_score

Scores = dict[str, Score]
"""Scores by who made the frames."""


class FrameScores(NamedTuple):
    """The scores of one rebuilt frame; `step` (from 1) counts those between two kept ones."""

    frame: int
    scene: int
    step: int
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class Result:
    """What a sequence scored: at least one frame, of which all have scores by the same names."""

    name: str
    frames: Sequence[FrameScores]

    def scores(self, scene: int | None = None, step: int | None = None) -> Scores:
        """Mean scores of the frames, of one scene or of one step only if asked for."""
        chosen = [
            frame.scores
            for frame in self.frames
            if scene in (None, frame.scene) and step in (None, frame.step)
        ]
        return {name: mean_score([scores[name] for scores in chosen]) for name in chosen[0]}

    @property
    def scenes(self) -> list[int]:
        """The scenes that have scores, rising."""
        return sorted({frame.scene for frame in self.frames})


def mean_of(results: Iterable[Result], step: int | None = None) -> Scores:
    """Mean over sequences of their mean scores; at one `step` only if asked for."""
    means = [result.scores(step=step) for result in results]
    return {name: mean_score([scores[name] for scores in means]) for name in means[0]}


class Table(NamedTuple):
    """A table to be read: two columns of words, then columns of numbers, all as strings.

    `title` says what is measured, `best` which number of a row is the best.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: Literal["highest", "lowest", "none"] = "highest"


def tables(results: Sequence[Result], phases: Sequence[Fraction]) -> list[Table]:
    """The board as a table for each measure: sequences, their scenes, and the means.

    `phases` are those of the steps; the mean of each stands by itself if there are several.
    """
    names = list(results[0].frames[0].scores)
    lines = list(_lines(results, phases))
    return [
        Table(
            MEASURES[which].title,
            ("sequence", "frames", *names),
            [
                (words, count, *(_spell(which, scores[name].measured[which]) for name in names))
                for words, count, scores in lines
            ],
            MEASURES[which].best,
        )
        for which in results[0].frames[0].scores[names[0]].measured
    ]


def _spell(which: str, value: float) -> str:
    return MEASURES[which].form.format(value)


def _lines(
    results: Sequence[Result], phases: Sequence[Fraction]
) -> Iterator[tuple[str, str, Scores]]:
    """Yield what every line is about, how many frames it counts, and its scores."""
    for result in results:
        yield result.name, str(len(result.frames)), result.scores()
        if len(result.scenes) > 1:
            for scene in result.scenes:
                count = sum(frame.scene == scene for frame in result.frames)
                yield f"- scene {scene + 1}", str(count), result.scores(scene=scene)
    total = sum(len(result.frames) for result in results)
    yield "mean", str(total), mean_of(results)
    for step, phase in enumerate(phases, 1) if len(phases) > 1 else ():
        count = sum(frame.step == step for result in results for frame in result.frames)
        yield f"- at {phase}", str(count), mean_of(results, step)


def markdown(table: Table) -> str:
    """The table in Markdown, its title in the first column's head."""
    head = (table.title, *table.head[1:])
    rule = ("---", *("---:" for _ in table.head[1:]))
    rows = [head, rule, *table.rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in row)} |\n" for row in rows)


def _cell(words: str) -> str:
    return words.replace("|", "\\|")


def facts(result: Result, phases: Sequence[Fraction]) -> dict[str, Any]:
    """The scores of a sequence as JSON can hold them."""
    told: dict[str, Any] = {"frames": len(result.frames), "scores": spelled(result.scores())}
    if len(result.scenes) > 1:
        told["scenes"] = [
            {"scene": scene + 1, "scores": spelled(result.scores(scene=scene))}
            for scene in result.scenes
        ]
    if len(phases) > 1:
        told["phases"] = [
            {"phase": str(phase), "scores": spelled(result.scores(step=step))}
            for step, phase in enumerate(phases, 1)
        ]
    return told


def spelled(scores: Scores) -> dict[str, dict[str, float]]:
    """Scores as JSON can hold them, to a thousandth of a decibel and 1e-5 of the others."""
    return {
        name: {key: round(value, MEASURES[key].decimals) for key, value in score.measured.items()}
        for name, score in scores.items()
    }
