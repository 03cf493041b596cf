"""One scene: choose lessons, adapt, and keep the result only if held-out frames say so.

The held-out triplets are never a lesson. Both questions are put to them before and after: at the
doubled gap, and at the true one by the cycle. Adapted weights that fail, or are not finite, are
dropped, and the scene is made with the base weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import torch
from torch import Tensor, nn

from filmcli.adaptation.inner import RULES, Loss, Params, Rates, adapt
from filmcli.adaptation.lessons import Exam, Lesson, Questions, Score, Triplets
from filmcli.adaptation.subsets import Space, subset
from filmcli.adaptation.support import SMALLEST_CROP_PX, Choice, choose, gather, stack

CYCLE = Questions(doubled=0.0, cycle=1.0)


@dataclass(frozen=True)
class Recipe:
    """How to adapt. Costs are bounded by crops, whatever the size of the film.

    With `rates`, the parameters they name adapt by them; without, those of `subset` by
    `learning_rate`.
    A step sees `batch` of the `support` triplets, the next step the next ones. The gate asks for
    `margin_db` more on the mean of both questions, and on neither for less.
    """

    steps: int = 1
    learning_rate: float = 3e-4
    rates: Rates | None = None
    rule: str = "adam"
    pull: float = 0.0
    subset: str = "tail"
    questions: Questions = CYCLE
    support: int = 12
    batch: int = 6
    held_out: int = 3
    crop_px: int = 192
    margin_db: float = 0.03
    seed: int = 0

    def spelled(self) -> str:
        """Return in words everything that changes the result, but for rates: weights hold those."""
        return repr(replace(self, rates=None))


@dataclass(frozen=True)
class Scene:
    """Frames `first` <= i < `last` between two cuts of a film, with all its times and motion."""

    number: int
    first: int
    last: int
    times: Sequence[Fraction]
    motion: Sequence[float]


def scenes_of(
    times: Sequence[Fraction], cuts: Sequence[int], motion: Sequence[float]
) -> list[Scene]:
    """Return the scenes of a film with frames at `times`, of which `cuts` begin a new one."""
    bounds = [0, *cuts, len(times)]
    return [
        Scene(number, first, last, times, motion)
        for number, (first, last) in enumerate(pairwise(bounds))
    ]


@dataclass(frozen=True)
class SceneAdaptation:
    """What adaptation gave one scene: `deltas` to add to the weights, None for the base weights.

    `before` and `after` are scores on the held-out triplets, None if it did not come to that;
    `why` says in words why base weights are used, and is empty where they are not.
    """

    scene: int
    frames: int
    deltas: dict[str, Tensor] | None = None
    before: Score | None = None
    after: Score | None = None
    seconds: float = 0.0
    why: str = ""


def adapt_scene(
    net: nn.Module, scene: Scene, frame_at: Callable[[int], Tensor], recipe: Recipe
) -> SceneAdaptation:
    """Fit `net` to `scene`; the network itself is not changed.

    `frame_at(i)` gives frame i of the film as RGB `(1, 3, H, W)` on the network's device; it is
    asked in rising order, once a frame. The result is a function of the frames, the network and
    the recipe alone.
    """
    started = time.monotonic()
    frames = scene.last - scene.first

    def base(why: str, before: Score | None = None, after: Score | None = None) -> SceneAdaptation:
        seconds = time.monotonic() - started
        return SceneAdaptation(scene.number, frames, None, before, after, seconds, why)

    if recipe.steps == 0:
        return base("no steps")
    choice = choose(
        scene.times, scene.motion, (scene.first, scene.last), recipe.support, recipe.held_out
    )
    if isinstance(choice, str):
        return base(choice)
    support, held_out = _triplets(choice, scene, frame_at, recipe)
    if not support or not held_out:
        return base("no even motion")
    if min(support[0].left.shape[-2:]) < SMALLEST_CROP_PX:
        return base("too small")
    exam = Exam(net, held_out, adapting(net, recipe))
    before = exam.score({})
    deltas = fit(net, support, recipe)
    if not all(bool(torch.isfinite(delta).all()) for delta in deltas.values()):
        return base("diverged", before)
    after = exam.score(applied(net, deltas))
    seconds = time.monotonic() - started
    why = verdict(before, after, recipe.margin_db)
    if why:
        return base(why, before, after)
    return SceneAdaptation(scene.number, frames, deltas, before, after, seconds)


def fit(net: nn.Module, support: Sequence[Triplets], recipe: Recipe) -> dict[str, Tensor]:
    """Return what `recipe` adds to the parameters of `net` on `support`, by the inner loop.

    The deltas are rounded to float16 here and nowhere else, so that stored ones are the same.
    """
    space, loss = course(net, support, recipe)
    rates = recipe.rates or [dict.fromkeys(space.start, recipe.learning_rate)]
    values = adapt(
        loss, space.start, rates, recipe.steps, rule=RULES[recipe.rule], pull=recipe.pull
    )
    base, params = space.weights(space.start), space.weights(values)
    return {name: (params[name] - base[name]).half() for name in params}


def course(net: nn.Module, support: Sequence[Triplets], recipe: Recipe) -> tuple[Space, Loss]:
    """Return the values that `recipe` adapts and the loss of each step: a batch of `support`."""
    space = space_of(net, recipe)
    names = list(space.weights(space.start))
    batches = [
        stack(support[place : place + recipe.batch])
        for place in range(0, len(support), recipe.batch)
    ]
    lessons: dict[int, Lesson] = {}

    def loss(values: dict[str, Tensor], step: int) -> Tensor:
        number = step % len(batches)
        if number not in lessons:
            lessons[number] = Lesson(net, batches[number], recipe.questions, names)
        return lessons[number].loss(space.weights(values))

    return space, loss


def space_of(net: nn.Module, recipe: Recipe) -> Space:
    """Return where the inner loop walks: what the rates name, or the recipe's subset."""
    params = {name: parameter.detach() for name, parameter in net.named_parameters()}
    if recipe.rates:
        return Space({name: params[name] for name in recipe.rates[0]}, dict)
    return subset(params, recipe.subset)


def adapting(net: nn.Module, recipe: Recipe) -> list[str]:
    """Return the names of the parameters that will change."""
    space = space_of(net, recipe)
    return list(space.weights(space.start))


def applied(net: nn.Module, deltas: Params) -> dict[str, Tensor]:
    """Return the parameters of `net` that have one of `deltas`, with it added."""
    own = dict(net.named_parameters())
    return {name: own[name].detach() + delta.to(own[name]) for name, delta in deltas.items()}


def verdict(before: Score, after: Score, margin_db: float) -> str:
    """Return in words why adapted weights must not be used; "" if they may."""
    if not all(map(math.isfinite, after)):
        return "diverged"
    gains = [new - old for new, old in zip(after, before, strict=True)]
    if min(gains) < 0 or sum(gains) / len(gains) < margin_db:
        return "no gain on held-out frames"
    return ""


def _triplets(
    choice: Choice, scene: Scene, frame_at: Callable[[int], Tensor], recipe: Recipe
) -> tuple[list[Triplets], list[Triplets]]:
    """Return the support and the held-out triplets, without the damaged ones."""
    middles = sorted([*choice.support, *choice.held_out])
    found = gather(middles, frame_at, scene.times, recipe.crop_px, recipe.seed)
    support = [found[middle] for middle in choice.support if middle in found]
    # The lessons of one step should not lie side by side in the scene.
    stride = max(1, math.ceil(len(support) / recipe.batch))
    spread = [lesson for start in range(stride) for lesson in support[start::stride]]
    return spread, [found[middle] for middle in choice.held_out if middle in found]
