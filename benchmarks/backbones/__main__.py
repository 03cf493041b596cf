"""Train what is not trained yet, measure what is not measured yet, write tables and curves."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.adaptation.courses import SIZES, Course
from benchmarks.adaptation.measure import Model, Shot, measure, read_shot
from benchmarks.backbones import __doc__ as about
from benchmarks.backbones.courses import SUPPORT, SUPPORTS, every_course
from benchmarks.backbones.pictures import draw_strips
from benchmarks.backbones.report import Rows, draw, rewrite, tell
from benchmarks.backbones.stages import SIDE_PX, cost, every_stage, is_done, train
from filmcli.adaptation.film import prepared, recipe_of
from filmcli.adaptation.lessons import decibels
from filmcli.backbones import BACKBONES, build, load
from filmcli.training.material import load_material

_SCENE = {"held_out": 3, "crop_px": 128}
"""What is taken of a scene, less than for a film: there are many courses."""


def main() -> None:
    """Train, measure, write; what stands in the folder and in the results is kept."""
    asked = _arguments()
    folder = Path(asked.work)
    folder.mkdir(parents=True, exist_ok=True)
    material = cache(partial(load_material, (asked.train,), None, None, SIDE_PX))
    for stage in every_stage(asked.networks, asked.size) if asked.train else ():
        train(stage, material, folder)
    if asked.clips is None:
        return
    models = _models(folder, asked.size)
    rows = _measured(asked, models)
    strips = draw_strips({label: model for label, (model, _) in models.items()}, asked.output)
    pictures = [*draw(rows, asked.output), *strips]
    if Path(f"{asked.output}.md").exists():
        rewrite(f"{asked.output}.md", rows, pictures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.backbones",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clips", nargs="?", help="clips to score on; without, it only trains")
    parser.add_argument("--train", help="films to train on; without, what is trained is measured")
    parser.add_argument(
        "--networks", nargs="*", choices=BACKBONES, default=list(BACKBONES),
        help="those that are trained and measured now; what is known of others stands",
    )  # fmt: skip
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no row later")
    parser.add_argument("--work", default="build/backbones", help="for the weights")
    parser.add_argument("-o", "--output", default="docs/backbones", help="prefix of all files")
    return parser.parse_args()


def _models(folder: Path, size: str) -> dict[str, tuple[Model, dict[str, float]]]:
    """Every network that is trained, by its label, and what that cost."""
    models = {}
    for stage in every_stage(list(BACKBONES), size):
        if is_done(stage, folder):
            models[stage.label] = _model_of(folder / stage.file), cost(stage, folder)
    for label, support in SUPPORTS.items():
        of = label.partition(",")[0]
        if of in models:
            model, spent = models[of]
            recipe = replace(model.recipe, support=support)
            models[label] = replace(model, recipe=recipe), spent
    return models


def _model_of(path: Path) -> Model:
    weights = load(str(path))
    with torch.device("meta"):
        empty = build(weights.config)
    net = prepared(empty, weights, "cpu")
    recipe = replace(recipe_of(weights, 1), support=SUPPORT, **_SCENE)
    return Model(net, weights.sha256[:12], recipe, partial(_seconds, net))


def _seconds(net: nn.Module, shot: Shot) -> float:
    """What one picture of the scored window costs; nothing is kept from the one before."""
    rows, columns = shot.window
    left, right = (frame[..., rows, columns] for frame in shot.kept[:2])
    started = time.process_time()
    with torch.no_grad():
        net(left, right, torch.tensor([0.5]))
    return time.process_time() - started


def _measured(asked: argparse.Namespace, models: dict[str, tuple[Model, dict[str, float]]]) -> Rows:
    """Measure what is not known yet; return the courses that are known of every clip.

    The others would have a mean of other clips than the rest.
    """
    results, size = Path(f"{asked.output}.jsonl"), SIZES[asked.size]
    paths = sorted(Path(asked.clips).glob("*.mp4"))[: size.clips]
    known = [json.loads(line) for line in _lines(results)]
    started, rows = time.monotonic(), {}
    for course in every_course():
        found = []
        for path in paths:
            model, spent = models.get(course.weights, (None, {}))
            key = _key(course, path, asked.size, model)
            row = next((row for row in reversed(known) if key.items() <= row["key"].items()), None)
            is_asked = course.weights.split()[0] in asked.networks
            in_time = time.monotonic() - started <= 60 * asked.minutes
            if row is None and model and is_asked and in_time:
                shot = read_shot(str(path), size)
                told = measure(model, shot, course)
                row = {"key": key, **told, "blend": _blended(shot), "trained": spent}
                with results.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            if row is not None:
                found.append(row)
        if found and len(found) == len(paths):
            rows[course] = found
            print(tell(course, found), flush=True)
    return rows


def _blended(shot: Shot) -> list[float]:
    """PSNR of what needs no network: the mean of both neighbours, rounded to 8 bits."""
    rows, columns = shot.window
    found = []
    for left, truth in shot.truth.items():
        blend = (shot.kept[left] + shot.kept[left + 1]) / 2
        made = (blend * 255).round() / 255
        found += decibels(made[..., rows, columns], truth[..., rows, columns])
    return [round(score, 4) for score in found]


def _lines(results: Path) -> list[str]:
    return results.read_text().splitlines() if results.exists() else []


def _key(course: Course, path: Path, size: str, model: Model | None) -> dict[str, Any]:
    """All that a row depends on; of weights that are not there, what was measured last stands."""
    key = {**course.key(), "clip": path.stem, "size": size}
    if model is None:
        return key
    recipe = replace(course.recipe(model.recipe), margin_db=0.0, errors=0.0).spelled()
    return {**key, "fingerprint": model.fingerprint, "recipe": recipe}


if __name__ == "__main__":
    main()
