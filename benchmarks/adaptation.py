"""What adaptation gains: `python -m benchmarks.adaptation CLIPS` writes docs/adaptation.md.

Every second frame of each clip is dropped. Adaptation sees the kept frames only; made frames are
scored against the dropped ones, which it never saw, with and without the gate's veto.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from filmcli.adaptation.film import adaptable, recipe_of
from filmcli.adaptation.inner import RULES, Loss, adapt
from filmcli.adaptation.lessons import Exam, Questions, Triplets, decibels, making
from filmcli.adaptation.scene import Recipe, adapting, applied, course, verdict
from filmcli.adaptation.subsets import Space
from filmcli.adaptation.support import Choice, choose, gather
from filmcli.network.film import Film
from filmcli.network.weights import load
from filmcli.video.footage import read_rgb

DOCUMENT, RESULTS = "docs/adaptation.md", "docs/adaptation.jsonl"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
ROW: dict[str, Any] = {
    "label": "base",
    "questions": "cycle",
    "subset": "tail",
    "rates": (),
    "rule": "adam",
    "counts": (1, 3, 10),
    "crop": Recipe().crop_px,
    "batch": Recipe().batch,
    "dropped": 2,  # scored frames of each clip
    "window": 320,  # width of what is scored, px
}
"""One row's settings; no `rates` are the learned ones."""
PLAN: tuple[dict[str, Any], ...] = (
    {"rates": (3e-4, 1e-3)},
    {"rates": (3e-4,), "questions": "doubled"},
)
"""The rows of the document, as what differs from ROW."""

QUESTIONS = {
    "doubled": Questions(1.0, 0.0),
    "cycle": Questions(0.0, 1.0),
    "both": Questions(1.0, 1.0),
}


@dataclass(frozen=True)
class Shot:
    """A clip as a slow film (`kept`), and some of the dropped frames to be scored by (`truth`)."""

    name: str
    kept: list[Tensor]
    truth: dict[int, Tensor]  # the frame between kept i and i + 1
    window: tuple[slice, slice]  # rows and columns that are made and scored


def read_shot(path: str, dropped: int, window_px: int) -> Shot:
    """Read a clip; `dropped` frames spread over it, within a middle window, will be scored."""
    frames = [
        torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float() / 255
        for frame in read_rgb(path)
    ]
    kept = frames[::2]
    places = np.unique(np.linspace(0, len(frames) // 2 - 1, dropped + 2).round().astype(int)[1:-1])
    truth = {int(i): frames[2 * int(i) + 1] for i in places if 2 * int(i) + 2 < len(frames)}
    height, width = frames[0].shape[-2:]
    rows, columns = min(height, window_px * 2 // 3), min(width, window_px)
    top, left = (height - rows) // 2, (width - columns) // 2
    window = (slice(top, top + rows), slice(left, left + columns))
    return Shot(Path(path).stem, kept, truth, window)


class Truth:
    """Scores parameters by the dropped frames; what does not depend on `names` is done once."""

    def __init__(self, net: nn.Module, shot: Shot, names: Sequence[str]) -> None:
        rows, columns = shot.window
        half = torch.tensor([0.5])
        self._asked = []
        for i, truth in shot.truth.items():
            pair = (shot.kept[i][..., rows, columns], shot.kept[i + 1][..., rows, columns])
            self._asked.append((making(net, *pair, half, names), truth[..., rows, columns]))

    @torch.no_grad()
    def score(self, params: dict[str, Tensor]) -> float:
        """Mean PSNR, made frames rounded to 8 bits as a film's are."""
        found = [
            decibels((make(params).clamp(0, 1) * 255).round() / 255, truth)
            for make, truth in self._asked
        ]
        return float(np.mean(found))


def choose_triplets(shot: Shot, recipe: Recipe) -> tuple[list[Triplets], list[Triplets]]:
    """The support and held-out triplets of the kept frames, as a film's scene would give them."""
    times = [Fraction(i) for i in range(len(shot.kept))]
    small = [
        cv2.resize(frame[0].mean(dim=0).numpy() * 255, (160, 90), interpolation=cv2.INTER_AREA)
        for frame in shot.kept
    ]
    motion = [0.0, *(float(np.abs(b - a).mean()) for a, b in pairwise(small))]
    choice = choose(times, motion, (0, len(times)), recipe.support, recipe.held_out)
    assert isinstance(choice, Choice), f"{shot.name}: {choice}"
    middles = sorted([*choice.support, *choice.held_out])
    found = gather(middles, shot.kept.__getitem__, times, recipe.crop_px, recipe.seed)
    support = [found[i] for i in choice.support if i in found]
    return support, [found[i] for i in choice.held_out if i in found]


def trajectory(
    course_of: tuple[Space, Loss], recipe: Recipe, counts: Sequence[int]
) -> Iterator[tuple[int, dict[str, Tensor], float]]:
    """Adapt once, to the largest of `counts`; yield (steps, deltas, seconds) of each."""
    space, loss = course_of
    seen: dict[int, tuple[dict[str, Tensor], float]] = {}
    started = time.process_time()

    def watched(values: dict[str, Tensor], step: int) -> Tensor:
        seen[step] = ({k: v.detach() for k, v in values.items()}, time.process_time() - started)
        return loss(values, step)

    rates = recipe.rates or [dict.fromkeys(space.start, recipe.learning_rate)]
    rule = RULES[recipe.rule]
    last = adapt(watched, space.start, rates, max(counts), rule=rule, pull=recipe.pull)
    seen[max(counts)] = (last, time.process_time() - started)
    base = space.weights(space.start)
    for count in counts:
        params = space.weights(seen[count][0])
        yield count, {k: (params[k] - base[k]).half() for k in params}, seen[count][1]


def measure(
    net: Film, paths: Sequence[str], recipes: Sequence[Recipe], asked: dict[str, Any]
) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """Gains of every clip by number of the recipe and of steps; recipes differ in rates only."""
    gains: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for path in paths:
        shot = read_shot(path, asked["dropped"], asked["window"])
        support, held_out = choose_triplets(shot, recipes[0])
        names = adapting(net, recipes[0])
        truth, exam = Truth(net, shot, names), Exam(net, held_out, names)
        base, before = truth.score({}), exam.score({})
        lessons = course(net, support, recipes[0])
        lessons[1](lessons[0].start, 0)  # the frozen part, which all recipes share
        for number, recipe in enumerate(recipes):
            for count, deltas, seconds in trajectory(lessons, recipe, asked["counts"]):
                params = applied(net, deltas)
                after = exam.score(params)
                gains.setdefault((number, count), []).append(
                    {
                        "shot": shot.name,
                        "base": base,
                        "gain": truth.score(params) - base,
                        "held_out": [new - old for new, old in zip(after, before, strict=True)],
                        "kept": not verdict(before, after, recipe.margin_db),
                        "seconds": seconds,
                    }
                )
    return gains


def summary(row: dict[str, Any]) -> dict[str, float]:
    """The numbers of a row that tables show."""
    shots = row["shots"]
    gated = [shot["gain"] if shot["kept"] else 0.0 for shot in shots]
    return {
        "base": float(np.mean([shot["base"] for shot in shots])),
        "gain": float(np.mean([shot["gain"] for shot in shots])),
        "worst": min(shot["gain"] for shot in shots),
        "gated": float(np.mean(gated)),
        "gated_worst": min(gated),
        "kept": sum(shot["kept"] for shot in shots),
        "seconds": float(np.mean([shot["seconds"] for shot in shots])),
    }


def measure_rows(asked: dict[str, Any], paths: Sequence[str], results: str) -> None:
    """Measure what `asked` names, unless `results` has it already; append it there and print it."""
    weights = load(asked["weights"])
    facts = {**asked, "weights": weights.sha256[:12], "clips": len(paths)}
    if any(row["asked"] == facts for row in rows(results)):
        return
    recipe = replace(
        recipe_of(weights, max(asked["counts"])),
        questions=QUESTIONS[asked["questions"]],
        rule=asked["rule"],
        subset=asked["subset"],
        crop_px=asked["crop"],
        batch=asked["batch"],
    )
    rates = asked["rates"]
    recipes = [replace(recipe, rates=None, learning_rate=rate) for rate in rates] or [recipe]
    found = measure(adaptable(weights, "cpu"), paths, recipes, asked)
    for (number, count), shots in sorted(found.items()):
        rate = rates[number] if rates else None
        row = {"asked": facts, "rate": rate, "steps": count, "shots": shots}
        with open(results, "a") as file:
            file.write(json.dumps(row) + "\n")
        numbers = " ".join(f"{key} {value:.3f}" for key, value in summary(row).items())
        told = (asked[key] for key in ("label", "questions", "subset"))
        print(*told, rate, count, numbers, flush=True)


def rows(results: str) -> list[dict[str, Any]]:
    """What was measured before."""
    if not os.path.exists(results):
        return []
    return [json.loads(line) for line in Path(results).read_text().splitlines()]


def table(results: str) -> str:
    """The rows as a table in Markdown."""
    head = (
        "| weights | question | adapts | rate | steps | unadapted, dB | gain, dB | worst | "
        "gain, gated | worst, gated | kept | s a scene |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    )
    lines = []
    for row in rows(results):
        of, asked = summary(row), row["asked"]
        rate = "learned" if row["rate"] is None else f"{row['rate']:g}"
        told = " | ".join(asked[name] for name in ("label", "questions", "subset"))
        lines.append(
            f"| {told} | {rate} | {row['steps']} | "
            f"{of['base']:.2f} | {of['gain']:+.3f} | {of['worst']:+.3f} | {of['gated']:+.3f} | "
            f"{of['gated_worst']:+.3f} | {of['kept']:.0f}/{len(row['shots'])} | "
            f"{of['seconds']:.1f} |"
        )
    return "\n".join((*head, *lines))


def rewrite(document: str, results: str) -> None:
    """Put the table between the document's two marks."""
    before, _, rest = Path(document).read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    Path(document).write_text(f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}")


def main() -> None:
    """Measure one row, or all of PLAN, and rewrite the document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adaptation", description=__doc__)
    parser.add_argument("clips", help="folder of clips")
    parser.add_argument("--all", action="store_true", help="every row of the document")
    parser.add_argument("--results", default=RESULTS)
    parser.add_argument("--only", nargs="*", help="names of clips")
    options = {**ROW, "weights": None}
    for name, value in options.items():
        kind = {"weights": str, "rates": float, "counts": int}.get(name, type(value))
        several = "*" if isinstance(value, tuple) else None
        parser.add_argument(f"--{name}", default=value, type=kind, nargs=several)
    asked = vars(parser.parse_args())
    paths = [
        os.path.join(asked["clips"], name)
        for name in sorted(os.listdir(asked["clips"]))
        if name.endswith(".mp4") and (not asked["only"] or Path(name).stem in asked["only"])
    ]
    row = {name: asked[name] for name in options}
    for found in [{**row, **planned} for planned in PLAN] if asked["all"] else [row]:
        lists = {name: list(found[name]) for name in ("rates", "counts")}
        measure_rows({**found, **lists}, paths, asked["results"])
    if asked["results"] == RESULTS:
        rewrite(DOCUMENT, RESULTS)


if __name__ == "__main__":
    main()
