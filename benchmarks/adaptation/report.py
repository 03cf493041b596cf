"""What was measured, as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from benchmarks.adaptation.courses import GROUPS, STEPS, TRUTH, Course
from filmcli.adaptation.gate import Scores, verdict
from filmcli.adaptation.lessons import Questions
from filmcli.adaptation.scene import Recipe, looks

BEGIN, END = "<!-- table -->", "<!-- end of table -->"
LIKE, UNLIKE = "development", "unlike"
"""The sets of clips, by their names in a row."""

Row = dict[str, Any]
Rows = dict[tuple[str, Course], list[Row]]
"""By set and course, the rows of the clips that it was followed on."""


class Summary(NamedTuple):
    """One course after one number of steps: means over clips of their frames' dB and LPIPS.

    Changes of LPIPS are in per cent of a clip's; less is better.
    """

    base: float
    gain: float
    worst: float
    best: float
    lpips: float
    gated: float
    gated_worst: float
    gated_lpips: float
    gated_lpips_worst: float
    kept: int
    clips: int
    frames: float  # that could have been made in the time of adapting


def summary(rows: Sequence[Row], steps: int) -> Summary:
    """Sum up a course after `steps`; none at all are the weights as they were."""
    after = [_after(row, steps) for row in rows]
    gains = [_gain(row, each) for row, each in zip(rows, after, strict=True)]
    let = [(row, gated(row, steps)) for row in rows]
    through = [_gain(row, each) for row, each in let]
    changes = [_change(row, each) for row, each in let]
    return Summary(
        base=fmean(fmean(row["truth"]) for row in rows),
        gain=fmean(gains),
        worst=min(gains),
        best=max(gains),
        lpips=fmean(_change(row, each) for row, each in zip(rows, after, strict=True)),
        gated=fmean(through),
        gated_worst=min(through),
        gated_lpips=fmean(changes),
        gated_lpips_worst=max(changes),
        kept=sum(each is not None for _, each in let),
        clips=len(rows),
        frames=fmean(
            each["seconds"] / row["frame_seconds"] if each else 0.0
            for row, each in zip(rows, after, strict=True)
        ),
    )


def _after(row: Row, steps: int) -> Row | None:
    return next((each for each in row["steps"] if each["steps"] == steps), None)


def _gain(row: Row, after: Row | None) -> float:
    return fmean(after["truth"]) - fmean(row["truth"]) if after else 0.0


def _change(row: Row, after: Row | None) -> float:
    """Per cent of LPIPS; 0 where that was not measured."""
    if after is None or "lpips" not in row:
        return 0.0
    return 100 * (fmean(after["lpips"]) / fmean(row["lpips"]) - 1)


def gated(
    row: Row,
    steps: int,
    margin_db: float = Recipe().margin_db,
    errors: float = Recipe().errors,
) -> Row | None:
    """What the gate makes of so many steps: the best that it lets through, None for no steps.

    The truth is taught without a gate: nothing of it passes.
    """
    if not all(question in row for question in Questions._fields):
        return None
    before, passed = _scores(row), []
    for after in row["steps"]:
        found = _scores(after)
        if after["steps"] in looks(steps) and not verdict(before, found, margin_db, errors):
            passed.append((fmean(map(fmean, found.psnr)), after))
    return max(passed, key=lambda one: one[0], default=(0.0, None))[1]


def _scores(of: Row) -> Scores:
    return Scores([of[question] for question in Questions._fields], of.get("distances", ()))


def tables(rows: Rows) -> str:
    """What adaptation gains, what it could by the truth, and what of scenes unlike the training."""
    made = ("\n".join(table(rows)) for table in (_gains, _limits, _strange))
    return "\n\n".join(table for table in made if table)


def _gains(rows: Rows) -> Iterator[str]:
    yield (
        "| lesson | adapts | steps | gain, dB | lowest, highest | LPIPS | gated, dB | lowest "
        "| LPIPS, gated | highest | kept | cost, frames |"
    )
    yield "|---" * 12 + "|"
    for course in _courses(rows, LIKE):
        if course.questions == TRUTH:
            continue
        for steps in (each["steps"] for each in rows[LIKE, course][0]["steps"]):
            of = summary(rows[LIKE, course], steps)
            yield (
                f"| {course.questions} | {course.subset} | {steps} | {of.gain:+.3f} "
                f"| {of.worst:+.2f}, {of.best:+.2f} | {of.lpips:+.1f} % | {of.gated:+.3f} "
                f"| {of.gated_worst:+.2f} | {of.gated_lpips:+.1f} % "
                f"| {of.gated_lpips_worst:+.1f} % | {of.kept}/{of.clips} | {of.frames:.0f} |"
            )


def _limits(rows: Rows) -> Iterator[str]:
    heads = [f"{steps}, {of}" for of in (LIKE, UNLIKE) for steps in STEPS]
    yield f"| by the truth; steps: | {' | '.join(heads)} |"
    yield "|---" * (1 + len(heads)) + "|"
    for course in GROUPS[TRUTH]:
        cells = []
        for of in (LIKE, UNLIKE):
            found = rows.get((of, course))
            for steps in STEPS:
                it = summary(found, steps) if found else None
                cells.append(f"{it.gain:+.3f} ({it.lpips:+.1f} %)" if it else "")
        if any(cells):
            yield f"| {course.subset} | {' | '.join(cells)} |"


def _strange(rows: Rows) -> Iterator[str]:
    courses = _courses(rows, UNLIKE)
    if not courses:
        return
    names = [row["clip"] for row in rows[UNLIKE, courses[0]]]
    yield f"| {STEPS[-1]} steps | {' | '.join(names)} | mean | LPIPS | gated |"
    yield "|---" * (4 + len(names)) + "|"
    base = [fmean(row["truth"]) for row in rows[UNLIKE, courses[0]]]
    yield f"| unadapted, dB | {' | '.join(f'{n:.2f}' for n in base)} | {fmean(base):.2f} | | |"
    for course in courses:
        found = rows[UNLIKE, course]
        cells = [f"{_gain(row, _after(row, STEPS[-1])):+.2f}" for row in found]
        of = summary(found, STEPS[-1])
        through = "" if course.questions == TRUTH else f"{of.gated:+.3f}"
        yield (
            f"| {words(course)} | {' | '.join(cells)} | {of.gain:+.3f} | {of.lpips:+.1f} % "
            f"| {through} |"
        )


def _courses(rows: Rows, of: str) -> list[Course]:
    planned = [course for courses in GROUPS.values() for course in courses]
    return [course for course in planned if (of, course) in rows]


def words(course: Course) -> str:
    """A course in a few words."""
    return f"{course.questions}, {course.subset}"


def rewrite(document: str, rows: Rows) -> None:
    """Put the tables between the document's two marks."""
    before, _, rest = Path(document).read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    Path(document).write_text(f"{before}{BEGIN}\n\n{tables(rows)}\n\n{END}{after}")
