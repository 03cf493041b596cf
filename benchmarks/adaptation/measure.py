"""One course of adaptation on one clip: what it gains on the frames that were dropped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.adaptation.courses import TRUTH, Course, Size
from filmcli.adaptation.film import adaptable, recipe_of
from filmcli.adaptation.judges import judge_named
from filmcli.adaptation.lessons import Exam, Questions, Triplets, decibels
from filmcli.adaptation.making import Make, Making
from filmcli.adaptation.scene import (
    Recipe,
    Scene,
    adapting,
    applied,
    course,
    deltas_of,
    lessons_of,
    looks,
    walk,
)
from filmcli.adaptation.support import Choice, gather, stack
from filmcli.evaluation.makers import Network, Run
from filmcli.evaluation.metrics import Picture
from filmcli.lpips import Lpips, load_lpips
from filmcli.network.machine import quick_convolutions
from filmcli.network.weights import Weights, load
from filmcli.video.footage import read_rgb

_HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Shot:
    """A clip as a slow film (`kept`), and some of the dropped frames to be scored by (`truth`)."""

    name: str
    kept: list[Tensor]
    truth: dict[int, Tensor]  # the frame between kept i and i + 1
    others: dict[int, Tensor]  # likewise, those that are not scored
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


def judged_by(judge: str, model: Model) -> Model:
    """Return the model with a gate that asks the `judge` of that name of looks."""
    return replace(model, recipe=replace(model.recipe, judge=judge))


def _doorway_seconds(weights: Weights, shot: Shot) -> float:
    pictures = [(f[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8) for f in shot.kept]
    make = Network(weights, "cpu")
    make(Run(pictures[:2], [(_HALF,)]))
    started = time.process_time()
    make(Run(pictures[1:4], [(_HALF,)] * 2))
    return (time.process_time() - started) / 2


_MULTIPLE = 8  # px that a network's sides are; only the doorway pads


def shot_of(name: str, pictures: Iterable[Picture], size: Size) -> Shot:
    """Return a clip as a shot; of dropped frames spread over it, a middle window is scored."""
    frames = [
        torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
        for picture in pictures
    ]
    places = np.arange(len(frames[1:-1:2]))
    if size.dropped is not None:
        spread = np.linspace(0, len(places) - 1, size.dropped + 2)[1:-1]
        places = np.unique(spread.round().astype(int))
    height, width = frames[0].shape[-2:]
    rows = min(height, (size.window_px or 3 * height) * 2 // 3)
    columns = min(width, size.window_px or width)
    rows, columns = rows - rows % _MULTIPLE, columns - columns % _MULTIPLE
    top, left = (height - rows) // 2, (width - columns) // 2
    window = (slice(top, top + rows), slice(left, left + columns))
    dropped = dict(enumerate(frames[1:-1:2]))
    truth = {int(i): dropped.pop(int(i)) for i in places}
    return Shot(name, frames[::2], truth, dropped, window)


def read_shot(path: str, size: Size) -> Shot:
    """Read a clip as a shot."""
    return shot_of(Path(path).stem, read_rgb(path), size)


class Truth:
    """Scores parameters by the dropped frames; what does not depend on `names` is done once."""

    def __init__(self, net: nn.Module, shot: Shot, names: Sequence[str], lpips: Lpips) -> None:
        rows, columns = shot.window
        making, half = Making(net, names), torch.tensor([0.5])
        kept = {
            i: shot.kept[i][..., rows, columns]
            for i in {at + step for at in shot.truth for step in range(-1, 3)}
            if 0 <= i < len(shot.kept)
        }

        def made(left: int) -> Make:
            """As in a film: by the frames around, too, where both are there."""
            around = (kept[left - 1], kept[left + 2]) if {left - 1, left + 2} <= set(kept) else None
            return making.between(kept[left], kept[left + 1], half, around)

        self._asked = [(made(i), truth[..., rows, columns]) for i, truth in shot.truth.items()]
        self._lpips = lpips

    @torch.no_grad()
    def scores(self, params: dict[str, Tensor]) -> dict[str, list[float]]:
        """Return PSNR ("truth") and LPIPS of each frame, rounded to 8 bits as a film's are."""
        made = [
            ((make(params).clamp(0, 1) * 255).round() / 255, truth) for make, truth in self._asked
        ]
        return {
            "truth": [decibels(frame, truth)[0] for frame, truth in made],
            "lpips": [float(self._lpips(frame, truth)) for frame, truth in made],
        }


def measure(model: Model, shot: Shot, asked: Course) -> dict[str, Any]:
    """What one course gains on one clip, after each of its counts of steps; JSON can hold it.

    Seconds are of all that a user's scene would take: lessons, steps, exams.
    """
    with quick_convolutions(shot.kept[0].device):
        told = _followed(model, shot, asked)
    return {**_rounded(told), "frame_seconds": model.frame_seconds(shot)}


def _followed(model: Model, shot: Shot, asked: Course) -> dict[str, Any]:
    net, recipe = model.net, asked.recipe(model.recipe)
    started = time.process_time()
    found = lessons_of(_scene(shot), shot.kept.__getitem__, recipe)
    assert not isinstance(found, str), f"{shot.name}: {found}"
    support, held_out = found
    if asked.questions == TRUTH:  # which is a limit: no gate is asked
        support, held_out = _true_lessons(shot, recipe, roomy=support[0].around is not None), []
    names = adapting(net, recipe)
    prepared = time.process_time()
    exam = _exam(net, held_out, names, recipe)
    before = exam({})
    examined = time.process_time() - prepared
    truth = Truth(net, shot, names, load_lpips())
    base = truth.scores({})
    steps = []
    for count, deltas, seconds in _trajectory(model, support, recipe, asked.counts):
        params = applied(net, deltas)
        spent = prepared - started + seconds + (1 + len(looks(count))) * examined
        steps.append({"steps": count, "seconds": spent, **truth.scores(params), **exam(params)})
    return {
        "clip": shot.name,
        "taught": list(recipe.questions),
        **base,
        **before,
        "steps": steps,
    }


def _exam(
    net: nn.Module, held_out: Sequence[Triplets], names: Sequence[str], recipe: Recipe
) -> Callable[[dict[str, Tensor]], dict[str, Any]]:
    """Return what tells how parameters answer what is held out; nothing, if nothing is."""
    if not held_out:
        return lambda _: {}
    judge = judge_named(recipe.judge, held_out[0].left.device)
    exam = Exam(net, stack(held_out), Questions(), names, judge)

    def told(params: dict[str, Tensor]) -> dict[str, Any]:
        psnr, distances = exam.scores(params)
        return {**dict(zip(Questions._fields, psnr, strict=True)), "distances": distances}

    return told


def _true_lessons(shot: Shot, recipe: Recipe, *, roomy: bool) -> list[Triplets]:
    """Lessons at the interval that will be made, from dropped frames that are not scored.

    `roomy` ones know the kept frames around, by which motion bends, as the film's own do.
    """
    last = len(shot.kept) - 2
    places = np.array([i for i in sorted(shot.others) if not roomy or 0 < i < last])
    spread = np.linspace(0, len(places) - 1, min(recipe.support, len(places))).round().astype(int)
    frames = {2 * i: frame for i, frame in enumerate(shot.kept)}
    frames |= {2 * i + 1: frame for i, frame in shot.others.items()}
    # Two frames from the middle one stand dropped ones, for which no lesson here asks.
    frames |= {2 * i + 1: shot.kept[i] for i in shot.truth}
    chosen = Choice([2 * int(i) + 1 for i in places[spread]], [], roomy)
    times = [Fraction(i) for i in range(2 * len(shot.kept))]
    return gather(chosen, frames.__getitem__, times, recipe.crop_px, recipe.seed)[0]


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
    spent, started = 0.0, time.process_time()
    for step, values in enumerate(walk(recipe, space, loss)):
        spent += time.process_time() - started
        if step in counts:
            yield step, deltas_of(model.net, space, values), spent
        started = time.process_time()


def _rounded(told: Any) -> Any:
    if isinstance(told, float):
        return round(told, 5)
    if isinstance(told, dict):
        return {name: _rounded(value) for name, value in told.items()}
    return [_rounded(value) for value in told] if isinstance(told, list) else told
