"""One course of adaptation on one clip: what it gains on the frames that were dropped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.adaptation.courses import Course, Size
from filmcli.adaptation.film import adaptable, recipe_of
from filmcli.adaptation.gate import judging
from filmcli.adaptation.inner import RULES, adapt
from filmcli.adaptation.lessons import Exam, Questions, decibels
from filmcli.adaptation.making import Making
from filmcli.adaptation.scene import (
    Recipe,
    Scene,
    adapting,
    applied,
    course,
    lessons_of,
    rates_of,
)  # fmt: skip
from filmcli.evaluation.makers import Network, Run
from filmcli.network.weights import Weights, load
from filmcli.video.footage import read_rgb

_HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Shot:
    """A clip as a slow film (`kept`), and some of the dropped frames to be scored by (`truth`)."""

    name: str
    kept: list[Tensor]
    truth: dict[int, Tensor]  # the frame between kept i and i + 1
    window: tuple[slice, slice]  # rows and columns that are made and scored


@dataclass(frozen=True)
class Model:
    """A network to adapt; `frame_seconds(shot)` is what making one picture of a shot costs."""

    net: nn.Module
    fingerprint: str
    recipe: Recipe  # that its weights ask for
    frame_seconds: Callable[[Shot], float]


def model_of(path: str | None) -> Model:
    """The network of a weights file; a picture is made by the doorway that `upsample` uses."""
    weights = load(path)
    return Model(
        adaptable(weights, "cpu"),
        weights.sha256[:12],
        recipe_of(weights, 1),
        lambda shot: _doorway_seconds(weights, shot),
    )


def _doorway_seconds(weights: Weights, shot: Shot) -> float:
    pictures = [(f[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8) for f in shot.kept]
    make = Network(weights, "cpu")
    make(Run(pictures[:2], [(_HALF,)]))
    started = time.process_time()
    make(Run(pictures[1:4], [(_HALF,)] * 2))
    return (time.process_time() - started) / 2


def read_shot(path: str, size: Size) -> Shot:
    """Read a clip; dropped frames spread over it, within a middle window, will be scored."""
    frames = [
        torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float() / 255
        for frame in read_rgb(path)
    ]
    places = np.arange(len(frames[1:-1:2]))
    if size.dropped is not None:
        spread = np.linspace(0, len(places) - 1, size.dropped + 2)[1:-1]
        places = np.unique(spread.round().astype(int))
    height, width = frames[0].shape[-2:]
    rows = min(height, (size.window_px or 3 * height) * 2 // 3)
    columns = min(width, size.window_px or width)
    top, left = (height - rows) // 2, (width - columns) // 2
    window = (slice(top, top + rows), slice(left, left + columns))
    return Shot(Path(path).stem, frames[::2], {int(i): frames[2 * i + 1] for i in places}, window)


class Truth:
    """Scores parameters by the dropped frames; what does not depend on `names` is done once."""

    def __init__(self, net: nn.Module, shot: Shot, names: Sequence[str]) -> None:
        rows, columns = shot.window
        making, half = Making(net, names), torch.tensor([0.5])
        kept = {i: shot.kept[i][..., rows, columns] for at in shot.truth for i in (at, at + 1)}
        self._asked = [
            (making.between(kept[i], kept[i + 1], half), truth[..., rows, columns])
            for i, truth in shot.truth.items()
        ]

    @torch.no_grad()
    def scores(self, params: dict[str, Tensor]) -> list[float]:
        """PSNR of each frame, rounded to 8 bits as a film's are."""
        return [
            decibels((make(params).clamp(0, 1) * 255).round() / 255, truth)[0]
            for make, truth in self._asked
        ]


def measure(model: Model, shot: Shot, asked: Course) -> dict[str, Any]:
    """What one course gains on one clip, after each of its counts of steps; JSON can hold it."""
    net, recipe = model.net, asked.recipe(model.recipe)
    started = time.process_time()
    found = lessons_of(_scene(shot), shot.kept.__getitem__, recipe)
    assert not isinstance(found, str), f"{shot.name}: {found}"
    support, held_out = found
    names = adapting(net, recipe)
    exams, before, spent = {}, {}, {"lessons": time.process_time() - started}
    for name in Questions._fields:
        started = time.process_time()
        exams[name] = Exam(net, held_out, Questions(**{**_NONE, name: 1.0}), names)
        before[name] = exams[name].scores({})
        spent[name] = time.process_time() - started
    judged = [name for name, on in judging(recipe.questions)._asdict().items() if on]
    around = spent["lessons"] + 2 * sum(spent[name] for name in judged)
    truth = Truth(net, shot, names)
    base = truth.scores({})
    steps = []
    for count, deltas, seconds in _trajectory(model, support, recipe, asked.counts):
        params = applied(net, deltas)
        after = {name: exam.scores(params) for name, exam in exams.items()}
        scores = truth.scores(params)
        steps.append({"steps": count, "seconds": around + seconds, "truth": scores, **after})
    asking = {"taught": list(recipe.questions), "judged": judged}
    told = {"clip": shot.name, **asking, "truth": base, **before, "steps": steps}
    return {**_rounded(told), "frame_seconds": model.frame_seconds(shot)}


_NONE = dict.fromkeys(Questions._fields, 0.0)


def _scene(shot: Shot) -> Scene:
    """The kept frames as one scene, with the motion that a survey would see."""
    times = [Fraction(i) for i in range(len(shot.kept))]
    small = [
        cv2.resize(frame[0].mean(dim=0).numpy() * 255, (160, 90), interpolation=cv2.INTER_AREA)
        for frame in shot.kept
    ]
    motion = [0.0, *(float(np.abs(b - a).mean()) for a, b in pairwise(small))]
    return Scene(0, 0, len(times), times, motion)


def _trajectory(
    model: Model, support: Sequence[Any], recipe: Recipe, counts: Sequence[int]
) -> Iterator[tuple[int, dict[str, Tensor], float]]:
    """Adapt once, to the largest of `counts`; yield (steps, deltas, seconds) of each."""
    space, loss = course(model.net, support, recipe)
    seen: dict[int, tuple[dict[str, Tensor], float]] = {}
    started = time.process_time()

    def watched(values: dict[str, Tensor], step: int) -> Tensor:
        seen[step] = ({k: v.detach() for k, v in values.items()}, time.process_time() - started)
        return loss(values, step)

    last = adapt(
        watched,
        space.start,
        rates_of(recipe, space),
        max(counts),
        rule=RULES[recipe.rule],
        pull=recipe.pull,
    )
    seen[max(counts)] = (last, time.process_time() - started)
    base = space.weights(space.start)
    for count in counts:
        params = space.weights(seen[count][0])
        yield count, {k: (params[k] - base[k]).half() for k in params}, seen[count][1]


def _rounded(told: Any) -> Any:
    if isinstance(told, float):
        return round(told, 4)
    if isinstance(told, dict):
        return {name: _rounded(value) for name, value in told.items()}
    return [_rounded(value) for value in told] if isinstance(told, list) else told
