"""Measure what is not measured yet, then write tables and curves."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.adaptation import __doc__ as about
from benchmarks.adaptation.backbone import backbone
from benchmarks.adaptation.courses import GROUPS, SIZES, Course
from benchmarks.adaptation.measure import Model, measure, model_of, read_shot
from benchmarks.adaptation.report import Row, draw, rewrite, summary, words


def main() -> None:
    """Go through the courses, one clip after the other; what stands in the results is kept."""
    asked = _arguments()
    size, results = SIZES[asked.size], f"{asked.output}.jsonl"
    paths = sorted(str(path) for path in Path(asked.clips).glob("*.mp4"))[: size.clips]
    models = _models(asked)
    known = {json.dumps(row["key"], sort_keys=True): row for row in _read(results)}
    rows: dict[Course, list[Row]] = {}
    started, measured = time.monotonic(), 0
    for course, path in _work(asked.groups, models, size.most_steps, paths):
        key = _key(course, path, asked.size, models[course.weights])
        spelled = json.dumps(key, sort_keys=True)
        if spelled not in known:
            if time.monotonic() - started > 60 * asked.minutes:
                continue
            found = measure(models[course.weights], read_shot(path, size), course)
            known[spelled] = {"key": key, **found}
            with open(results, "a") as file:
                file.write(json.dumps(known[spelled]) + "\n")
            measured += 1
        rows.setdefault(_named(course), []).append(known[spelled])
        if len(rows[_named(course)]) == len(paths):
            _tell(course, rows[_named(course)])
    print(f"{measured} rows measured in {time.monotonic() - started:.0f} s")
    # A course that is not through yet would have a mean of other clips than the rest.
    whole = {course: found for course, found in rows.items() if len(found) == len(paths)}
    pictures = draw(whole, asked.output)
    if os.path.exists(f"{asked.output}.md"):
        rewrite(f"{asked.output}.md", whole, pictures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adaptation", description=about)
    parser.add_argument("clips", help="folder of clips that no weights were trained on")
    parser.add_argument("--weights", help="base weights; by default those that ship")
    parser.add_argument("--meta", help="the same weights, meta-trained; left out without")
    parser.add_argument("--retrained", help="trained on as --meta, without inner steps; likewise")
    parser.add_argument("--train", help="clips to train the second backbone on; left out without")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--groups", nargs="*", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no row later")
    parser.add_argument("--work", default="build/adaptation", help="for the backbone's weights")
    parser.add_argument("-o", "--output", default="docs/adaptation", help="prefix of all files")
    return parser.parse_args()


def _models(asked: argparse.Namespace) -> dict[str, Model]:
    models = {"base": model_of(asked.weights)}
    for label, path in (("meta", asked.meta), ("re-trained", asked.retrained)):
        if path:
            models[label] = model_of(path)
    if asked.train and "backbone" in asked.groups:
        models |= backbone(asked.train, asked.size, asked.work)
    return models


def _work(
    groups: list[str], models: Mapping[str, Model], most: int, paths: list[str]
) -> Iterator[tuple[Course, str]]:
    """Every course of which there are weights, with every clip."""
    for group in groups:
        for course in GROUPS[group]:
            if course.weights in models:
                counts = tuple(count for count in course.counts if count <= most)
                for path in paths:
                    yield replace(course, counts=counts), path


def _named(course: Course) -> Course:
    """The course of the plan, whatever of it a smaller size leaves out."""
    return next(
        planned
        for courses in GROUPS.values()
        for planned in courses
        if replace(planned, counts=course.counts) == course
    )


def _key(course: Course, path: str, size: str, model: Model) -> dict[str, Any]:
    """All that a row depends on, and so nothing of the gate: scores are kept, not its verdict."""
    recipe = replace(course.recipe(model.recipe), margin_db=0.0, errors=0.0).spelled()
    names = {"clip": Path(path).stem, "size": size, "fingerprint": model.fingerprint}
    return {**course.key(), **names, "recipe": recipe}


def _read(results: str) -> list[Row]:
    if not os.path.exists(results):
        return []
    return [json.loads(line) for line in Path(results).read_text().splitlines()]


def _tell(course: Course, rows: list[Row]) -> None:
    for count in course.counts:
        of = summary(rows, count)
        print(
            f"{words(course)}, {count} steps: {of.base:.2f} dB, {of.gain:+.3f} "
            f"(worst {of.worst:+.3f}), gated {of.gated:+.3f} ({of.gated_worst:+.3f}), "
            f"{of.kept}/{of.clips} kept, {of.frames:.1f} frames",
            flush=True,
        )


if __name__ == "__main__":
    main()
