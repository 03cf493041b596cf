"""What was measured, as tables in Markdown and as curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import cv2
import numpy as np

from benchmarks.adaptation.courses import BESIDE, CAPTIONS, GROUPS, STEPS, TRUTH, Course
from filmcli.adaptation.gate import Scores, verdict
from filmcli.adaptation.lessons import Questions
from filmcli.adaptation.scene import Recipe, looks
from filmcli.training.curves import panel

BEGIN, END = "<!-- table -->", "<!-- end of table -->"
_HEAD = (
    "| weights | lesson | adapts | rule, rate | steps | unadapted, dB | gain, dB | worst "
    "| gain, gated | worst, gated | kept | cost, frames |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|",
)

Row = dict[str, Any]
Rows = Mapping[Course, Sequence[Row]]
"""The rows of the clips that a course was followed on."""


class Summary(NamedTuple):
    """One course after one number of steps; decibels are means over clips of their frames'."""

    base: float
    gain: float
    worst: float
    gated: float
    gated_worst: float
    kept: int
    clips: int
    frames: float  # that could have been made in the time of adapting


def summary(rows: Sequence[Row], steps: int) -> Summary:
    """Sum up a course after `steps`; none at all are the weights as they were."""
    gains, through, frames = [], [], []
    for row in rows:
        after = next((each for each in row["steps"] if each["steps"] == steps), None)
        gains.append(_gain(row, after) if after else 0.0)
        let = gated(row, steps) if after else None
        through.append(_gain(row, let) if let else 0.0)
        frames.append(after["seconds"] / row["frame_seconds"] if after else 0.0)
    return Summary(
        base=fmean(fmean(row["truth"]) for row in rows),
        gain=fmean(gains),
        worst=min(gains),
        gated=fmean(through),
        gated_worst=min(through),
        kept=sum(gain != 0 for gain in through),
        clips=len(rows),
        frames=fmean(frames),
    )


def _gain(row: Row, after: Row) -> float:
    return fmean(after["truth"]) - fmean(row["truth"])


def gated(
    row: Row,
    steps: int,
    judged: Sequence[str] = Questions._fields,
    margin_db: float = Recipe().margin_db,
    errors: float = Recipe().errors,
) -> Row | None:
    """What the gate makes of so many steps if it judges by these questions; None for no steps."""

    def scores(of: Row) -> Scores:
        return Scores([of[question] for question in judged])

    passed = [
        after
        for after in row["steps"]
        if after["steps"] in looks(steps)
        and not verdict(scores(row), scores(after), margin_db, errors)
    ]
    return max(passed, key=lambda after: fmean(map(fmean, scores(after).psnr)), default=None)


def tables(rows: Rows) -> str:
    """Everything that was measured: a matrix of the paper's comparison, then group by group."""
    parts = [_matrix(rows)]
    for group, courses in GROUPS.items():
        lines = [line for course in courses if course in rows for line in _lines(course, rows)]
        if lines:
            parts.append("\n".join((f"{CAPTIONS[group]}:\n", *_HEAD, *lines)))
    return "\n\n".join([*parts, _gates(rows)])


def _matrix(rows: Rows) -> str:
    """PSNR by steps, without the gate and as it lets them through."""
    lines = []
    for title, gain in (("without the gate", "gain"), ("gated", "gated")):
        lines.append(f"| PSNR, dB, {title}; steps: | {' | '.join(map(str, (0, *STEPS)))} |")
        lines.append("|---" * (2 + len(STEPS)) + "|")
        for course in (*GROUPS["steps"], *GROUPS["backbone"]):
            if course in rows:
                known = {0, *(each["steps"] for each in rows[course][0]["steps"])}
                found = [summary(rows[course], n) if n in known else None for n in (0, *STEPS)]
                cells = (f"{of.base + getattr(of, gain):.2f}" if of else "" for of in found)
                lines.append(f"| {words(course)} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines[:-1])


def _lines(course: Course, rows: Rows) -> Iterable[str]:
    for each in rows[course][0]["steps"]:
        of = summary(rows[course], each["steps"])
        yield (
            f"| {course.weights} | {_lesson(course, rows[course][0])} | "
            f"{'as learned' if course.rate is None else course.subset} | "
            f"{_rule(course)} | {each['steps']} | {of.base:.2f} | {of.gain:+.3f} | "
            f"{of.worst:+.3f} | {of.gated:+.3f} | {of.gated_worst:+.3f} | "
            f"{of.kept}/{of.clips} | {of.frames:.0f} |"
        )


def _gates(rows: Rows) -> str:
    """How other gates would have done on the courses of FILM, at all numbers of steps."""
    seen = [
        (row, after["steps"])
        for course, of_course in rows.items()
        if not course.weights.startswith("voxelflow") and course.questions != TRUTH
        for row in of_course
        for after in row["steps"]
    ]
    if not seen:
        return ""
    best = fmean(
        max(0.0, *(_gain(row, after) for after in row["steps"] if after["steps"] in looks(steps)))
        for row, steps in seen
    )
    lines = [
        "Gates, on the mean over courses, steps and clips; one that knew the truth would gain "
        f"{best:+.3f} dB:\n",
        "| judged by | margin, dB | errors | gain, dB | worst | lose over 0.05 dB | kept |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in ("doubled", "cycle", "both"):
        judged = Questions._fields if name == "both" else (name,)
        for margin, errors in product((0.0, 0.02, 0.05), (0.0, 0.5, 1.0)):
            let = [(row, gated(row, steps, judged, margin, errors)) for row, steps in seen]
            gains = [_gain(row, after) if after else 0.0 for row, after in let]
            losing = sum(gain < -0.05 for gain in gains)
            kept = sum(after is not None for _, after in let)
            lines.append(
                f"| {name} | {margin:g} | {errors:g} | {fmean(gains):+.3f} | {min(gains):+.3f} | "
                f"{losing}/{len(seen)} | {kept}/{len(seen)} |"
            )
    return "\n".join(lines)


def _lesson(course: Course, row: Row) -> str:
    """What was taught, as the recipe of the row says it."""
    if course.questions == TRUTH:
        return TRUTH
    doubled, cycle = row["taught"]
    return "both" if doubled and cycle else "doubled" if doubled else "cycle"


def words(course: Course) -> str:
    """A course in a few words."""
    told = [course.weights, course.rule if course.rule != "adam" else "", _rate(course)]
    usual = Course()
    told += [getattr(course, n) for n in ("questions", "subset")
             if getattr(course, n) != getattr(usual, n)]  # fmt: skip
    return " ".join(part for part in told if part)


def _rule(course: Course) -> str:
    """How it steps; weights that learned rates learned the rule they are for too."""
    return f"{course.rule}, {_rate(course)}" if course.rate is not None else _rate(course)


def _rate(course: Course) -> str:
    return "learned" if course.rate is None else f"{course.rate:g}"


def draw(rows: Rows, prefix: str) -> list[str]:
    """Draw every group's gains over steps, ungated above and gated below; return the files.

    What loses more than half a decibel is drawn there, so that the rest can be told apart.
    """
    drawn = []
    for group, own in GROUPS.items():
        courses = [course for name in (*BESIDE.get(group, ()), group) for course in GROUPS[name]]
        shown = [course for course in courses if course in rows]
        if not any(course in rows for course in own):
            continue
        panels = []
        for title, name in (("gain, dB, without the gate", "gain"), ("gain, dB, gated", "gated")):
            curves = {
                words(course): [
                    (n, max(-0.5, getattr(summary(rows[course], n), name)))
                    for n in (0, *(each["steps"] for each in rows[course][0]["steps"]))
                ]
                for course in shown
            }
            panels.append(panel(f"{title}, by steps", curves, float, "{:+.3f}"))
        path = f"{prefix}-{group}.png"
        cv2.imwrite(path, cv2.cvtColor(np.concatenate(panels), cv2.COLOR_RGB2BGR))
        drawn.append(path)
    return drawn


def rewrite(document: str, rows: Rows, pictures: Sequence[str]) -> None:
    """Put tables and pictures between the document's two marks."""
    before, _, rest = Path(document).read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    shown = [f"![{Path(path).stem}]({Path(path).name})" for path in pictures]
    middle = "\n\n".join([tables(rows), *shown])
    Path(document).write_text(f"{before}{BEGIN}\n\n{middle}\n\n{END}{after}")
