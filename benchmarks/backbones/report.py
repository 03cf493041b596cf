"""What was measured, as tables in Markdown and as curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np

from benchmarks.adaptation.courses import Course
from benchmarks.adaptation.report import BEGIN, END, Row, summary
from benchmarks.backbones.courses import ABLATIONS, COUNTS, columns
from filmcli.backbones import BACKBONES
from filmcli.training.curves import panel

Rows = Mapping[Course, Sequence[Row]]
"""The rows of all clips, by the course that was followed on them."""

_TITLES = {
    "voxelflow": "voxel flow (DVF)",
    "superslomo": "SuperSloMo",
    "sepconv": "SepConv",
    "dain": "DAIN",
}


def tables(rows: Rows) -> str:
    """Return everything: what was trained, the paper's table, the same gain by gain, ablations."""
    parts = [_trainings(rows), _main(rows), _gains("All networks", _of_networks(rows), rows)]
    for title, courses in ABLATIONS.items():
        known = [course for course in courses if course in rows]
        if len(known) > 1:
            parts.append(_gains(title, known, rows))
    return "\n\n".join(parts)


def _of_networks(rows: Rows) -> list[Course]:
    courses = [course for network in BACKBONES for course in columns(network)]
    return [course for course in courses if course in rows and course.counts == COUNTS]


def _trainings(rows: Rows) -> str:
    """How long each was trained: of the base samples are drawn, of the others tasks."""
    lines = ["| weights | steps | samples or tasks | minutes of one core |", "|---|---|---|---|"]
    of_label = {course.weights: found[0]["trained"] for course, found in rows.items()}
    for label, spent in of_label.items():
        if "lessons" not in label:
            lines.append(
                f"| {label} | {spent['steps']:.0f} | {spent['steps'] * spent['drawn']:.0f} "
                f"| {spent['minutes']:.1f} |"
            )
    return "\n".join(lines)


def _main(rows: Rows) -> str:
    """The paper's table: PSNR before adapting, and of the meta-trained weights after each count."""
    heads = ["PSNR, dB", "blend", "base", "re-trained", "meta, unadapted"]
    heads += [f"+{count}" for count in COUNTS] + [f"gated, +{count}" for count in COUNTS]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for network in BACKBONES:
        courses = columns(network)
        if all(course in rows for course in courses):
            cells = [f"{fmean(fmean(row['blend']) for row in rows[courses[0]]):.2f}"]
            cells += [f"{summary(rows[course], 0).base:.2f}" for course in courses]
            found = [summary(rows[courses[2]], count) for count in COUNTS]
            cells += [f"{of.base + of.gain:.2f}" for of in found]
            cells += [f"{of.base + of.gated:.2f}" for of in found]
            lines.append(f"| {_TITLES[network]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _gains(title: str, courses: Sequence[Course], rows: Rows) -> str:
    """Gains over the same weights unadapted, of the mean and of the clip that loses most."""
    heads = ["weights", "rate", "adapts", "unadapted, dB"]
    heads += [f"+{count}" for count in COUNTS] + [f"worst, +{count}" for count in COUNTS]
    lines = [f"{title}:\n", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for course in courses:
        found = [summary(rows[course], count) for count in COUNTS]
        numbers = [*(of.gain for of in found), *(of.worst for of in found)]
        rate = "learned" if course.rate is None else f"{course.rate:g}"
        lines.append(
            f"| {course.weights} | {rate} | {course.subset} | {found[0].base:.2f} "
            f"| {' | '.join(f'{number:+.3f}' for number in numbers)} |"
        )
    return "\n".join(lines)


def tell(course: Course, rows: Sequence[Row]) -> str:
    """Return a course's gains in one line."""
    found = [(count, summary(rows, count)) for count in course.counts]
    gains = ", ".join(f"{count}: {of.gain:+.3f} (worst {of.worst:+.3f})" for count, of in found)
    rate = "learned" if course.rate is None else f"{course.rate:g}"
    return f"{course.weights} {rate} {course.subset}: {found[0][1].base:.2f} dB; {gains}"


def draw(rows: Rows, prefix: str) -> list[str]:
    """Draw PSNR by steps for each network, and the gains of every ablation; return the files."""
    drawn = []
    main = [_curves(columns(network), rows, absolute=True) for network in BACKBONES]
    for name, panels in (
        ("steps", [panel("PSNR, dB, by steps", of, float, "{:.2f}") for of in main if of]),
        ("ablations", list(_ablations(rows))),
    ):
        if panels:
            path = f"{prefix}-{name}.png"
            cv2.imwrite(path, cv2.cvtColor(np.concatenate(panels), cv2.COLOR_RGB2BGR))
            drawn.append(path)
    return drawn


def _ablations(rows: Rows) -> Iterator[np.ndarray]:
    for title, courses in ABLATIONS.items():
        curves = _curves(courses, rows, absolute=False)
        if curves:
            yield panel(f"{title}: gain, dB, by steps", curves, float, "{:+.3f}")


def _curves(
    courses: Sequence[Course], rows: Rows, *, absolute: bool
) -> dict[str, list[tuple[float, float]]]:
    """Return (steps, decibels) by course, from the weights as they were to the most steps."""
    curves = {}
    for course in courses:
        if course in rows:
            found = [(count, summary(rows[course], count)) for count in (0, *course.counts)]
            rate = "" if absolute or course.rate is None else f" {course.rate:g}"
            part = "" if course.subset == "all" else f" {course.subset}"
            curves[f"{course.weights}{rate}{part}"] = [
                (float(count), of.gain + (of.base if absolute else 0)) for count, of in found
            ]
    return curves


def rewrite(document: str, rows: Rows, pictures: Sequence[str]) -> None:
    """Put tables and pictures between the document's two marks."""
    before, _, rest = Path(document).read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    shown = [f"![{Path(path).stem}]({Path(path).name})" for path in pictures]
    middle = "\n\n".join([tables(rows), *shown])
    Path(document).write_text(f"{before}{BEGIN}\n\n{middle}\n\n{END}{after}")
