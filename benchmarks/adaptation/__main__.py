"""Measure what is not measured yet, then write the tables."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.adaptation import __doc__ as about
from benchmarks.adaptation import unlike
from benchmarks.adaptation.courses import GROUPS, RATES, SIZES, Course
from benchmarks.adaptation.measure import (
    Model,
    Shot,
    judged_by,
    measure,
    model_of,
    read_shot,
    shot_of,
)
from benchmarks.adaptation.report import LIKE, UNLIKE, Row, Rows, rewrite, summary, words
from filmcli.adaptation.judges import LPIPS, SHARPNESS

T = TypeVar("T")

Clips = dict[str, Callable[[], Shot]]
"""How to get every clip of a set, by its name."""


def main() -> None:
    """Go through the courses, one clip after the other; what stands in the results is kept."""
    asked = _arguments()
    size, results = SIZES[asked.size], f"{asked.output}.jsonl"
    model = judged_by(asked.judge, model_of(asked.weights))
    sets = _sets(asked)
    known = {json.dumps(row["key"], sort_keys=True): row for row in _read(results)}
    rows: Rows = {}
    started, measured = time.monotonic(), 0
    for course, of, name in _work(asked, sets):
        followed = replace(course, counts=tuple(n for n in course.counts if n <= size.most_steps))
        key = _key(followed, of, name, asked.size, model)
        spelled = json.dumps(key, sort_keys=True)
        if spelled not in known:
            if time.monotonic() - started > 60 * asked.minutes:
                continue
            known[spelled] = {"key": key, **measure(model, sets[of][name](), followed)}
            with open(results, "a") as file:
                file.write(json.dumps(known[spelled]) + "\n")
            measured += 1
        found = rows.setdefault((of, course), [])
        found.append(known[spelled])
        if len(found) == len(sets[of]):
            _tell(of, course, found)
    print(f"{measured} rows measured in {time.monotonic() - started:.0f} s")
    # A course that is not through yet would have a mean of other clips than the rest.
    whole = {place: found for place, found in rows.items() if len(found) == len(sets[place[0]])}
    if os.path.exists(f"{asked.output}.md"):
        rewrite(f"{asked.output}.md", whole)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adaptation", description=about)
    parser.add_argument("clips", help="folder of clips that no weights were trained on")
    parser.add_argument("--weights", help="what adapts; by default the weights that ship")
    parser.add_argument("--films", help="clips to make unlike scenes of; left out without")
    parser.add_argument("--size", choices=SIZES, default="few")
    parser.add_argument("--groups", nargs="*", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--adapts", nargs="*", choices=RATES, default=list(RATES))
    parser.add_argument(
        "--judge", choices=(LPIPS, SHARPNESS), default=LPIPS,
        help="what the gate asks of looks; SHARPNESS is for users without LPIPS",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no row later")
    parser.add_argument("-o", "--output", default="docs/adaptation", help="prefix of all files")
    return parser.parse_args()


def _sets(asked: argparse.Namespace) -> dict[str, Clips]:
    """The clips of the folder and, with films to make them of, those unlike the training."""
    size = SIZES[asked.size]
    paths = _some(sorted(Path(asked.clips).glob("*.mp4")), size.clips)
    sets: dict[str, Clips] = {
        LIKE: {path.stem: partial(read_shot, str(path), size) for path in paths}
    }
    if asked.films:
        made = _some(list(unlike.sequences(asked.films)), size.clips)
        sets[UNLIKE] = {name: partial(shot_of, name, frames, size) for name, frames in made}
    return sets


def _some(items: list[T], most: int | None) -> list[T]:
    """So many of the items, evenly spread; all if there are no more."""
    if most is None or most >= len(items):
        return items
    return [items[len(items) * n // most] for n in range(most)]


def _work(asked: argparse.Namespace, sets: dict[str, Clips]) -> Iterator[tuple[Course, str, str]]:
    """Every course that is asked for with every clip of every set."""
    for course in (course for group in asked.groups for course in GROUPS[group]):
        if course.subset in asked.adapts:
            for of, clips in sets.items():
                for name in clips:
                    yield course, of, name


def _key(course: Course, of: str, name: str, size: str, model: Model) -> dict[str, Any]:
    """All that a row depends on, and so nothing of the gate: scores are kept, not its verdict."""
    recipe = replace(course.recipe(model.recipe), margin_db=0.0, errors=0.0).spelled()
    names = {"set": of, "clip": name, "size": size, "fingerprint": model.fingerprint}
    return {**course.key(), **names, "recipe": recipe}


def _read(results: str) -> list[Row]:
    if not os.path.exists(results):
        return []
    return [json.loads(line) for line in Path(results).read_text().splitlines()]


def _tell(of: str, course: Course, rows: list[Row]) -> None:
    for count in (each["steps"] for each in rows[0]["steps"]):
        it = summary(rows, count)
        print(
            f"{of}: {words(course)}, {count} steps: {it.base:.2f} dB, {it.gain:+.3f} "
            f"({it.worst:+.3f} to {it.best:+.3f}), LPIPS {it.lpips:+.2f} %, gated "
            f"{it.gated:+.3f} ({it.gated_worst:+.3f}), LPIPS {it.gated_lpips:+.2f} % "
            f"({it.gated_lpips_worst:+.2f}), {it.kept}/{it.clips} kept, {it.frames:.1f} frames",
            flush=True,
        )


if __name__ == "__main__":
    main()
