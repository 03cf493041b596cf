"""One scene: choose lessons, adapt, and keep the result only if held-out frames say so.

The held-out triplets are never a lesson; they are scored before and after. Adapted weights that
fail, or are not finite, are dropped, and the scene is made with the base weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from statistics import fmean

import torch
from torch import Tensor, nn

from filmcli.adaptation.gate import DIVERGED, ByQuestion, Scores, verdict
from filmcli.adaptation.inner import RULES, Loss, Params, Rates, adapt
from filmcli.adaptation.judges import LPIPS, judge_named
from filmcli.adaptation.lessons import Exam, Lesson, Questions, Triplets
from filmcli.adaptation.subsets import Space, subset
from filmcli.adaptation.support import SMALLEST_CROP_PX, Choice, choose, gather, stack
from filmcli.network.machine import quick_convolutions

CYCLE = Questions(doubled=0.0, cycle=1.0)


@dataclass(frozen=True)
class Recipe:
    """How to adapt. Costs are bounded by crops, whatever the size of the film.

    With `rates`, the parameters they name adapt by them; without, those of `subset` by
    `learning_rate`.
    A step sees at most `batch` of the `support` triplets, the next step the next ones, and leads no
    further than `longest`. The gate asks for `margin_db` more, and for so many standard `errors` of
    that gain; of looks it asks the `judge` of that name.
    """

    steps: int = 1
    learning_rate: float = 3e-4
    rates: Rates | None = None
    rule: str = "adam"
    pull: float = 0.0
    longest: float = math.inf
    subset: str = "tail"
    questions: Questions = CYCLE
    support: int = 12
    batch: int = 4
    held_out: int = 4
    crop_px: int = 160
    margin_db: float = 0.02
    errors: float = 0.5
    judge: str = LPIPS
    seed: int = 0

    @property
    def seen(self) -> int:
        """Triplets that its steps see."""
        return min(self.support, self.steps * self.batch)

    def spelled(self) -> str:
        """Return in words everything that changes the result, but for rates: weights hold those."""
        return repr(replace(self, rates=None))


@dataclass(frozen=True)
class Scene:
    """Frames `first` <= i < `last` between two cuts of a film, with all its times and motion.

    `look` is the scene as a small picture, in hex digits; None if it is not known.
    """

    number: int
    first: int
    last: int
    times: Sequence[Fraction]
    motion: Sequence[float]
    look: str | None = None


def scenes_of(
    times: Sequence[Fraction],
    cuts: Sequence[int],
    motion: Sequence[float],
    looks: Sequence[str] = (),
) -> list[Scene]:
    """Return the scenes of a film with frames at `times`, of which `cuts` begin a new one."""
    bounds = [0, *cuts, len(times)]
    return [
        Scene(number, first, last, times, motion, looks[number] if looks else None)
        for number, (first, last) in enumerate(pairwise(bounds))
    ]


@dataclass(frozen=True)
class SceneAdaptation:
    """What adaptation gave one scene: `deltas` to add to the weights, None for the base weights.

    `before` and `after` are mean PSNRs on the held-out triplets, in dB, None if it did not come to
    that; `looks_before` and `looks_after` say how different from the truth they look, by the
    recipe's judge. `why` says in words why base weights are used, and is empty where they are not.
    `like` is the earlier scene that lent its deltas, None if none did; `steps` were taken from
    there, or from the base weights.
    """

    scene: int
    frames: int
    deltas: dict[str, Tensor] | None = None
    before: float | None = None
    after: float | None = None
    looks_before: float | None = None
    looks_after: float | None = None
    seconds: float = 0.0
    why: str = ""
    like: int | None = None
    steps: int = 0

    @property
    def gain(self) -> float | None:
        """What held-out frames gained, in dB; None if base weights are used."""
        if self.deltas is None or self.before is None or self.after is None:
            return None
        return self.after - self.before


def adapt_scene(
    net: nn.Module,
    scene: Scene,
    frame_at: Callable[[int], Tensor],
    recipe: Recipe,
    earlier: SceneAdaptation | None = None,
) -> SceneAdaptation:
    """Fit `net` to `scene`; the network itself is not changed.

    The deltas of an `earlier` scene are begun with if they pass this scene's gate, and used as they
    are if steps of its own add nothing.

    `frame_at(i)` gives frame i of the film as RGB `(1, 3, H, W)` on the network's device; it is
    asked in rising order, once a frame. The result is a function of the frames, the network, the
    recipe and the earlier deltas alone.
    """
    started = time.monotonic()
    found = lessons_of(scene, frame_at, recipe)
    result = SceneAdaptation(scene.number, scene.last - scene.first)
    if isinstance(found, str):
        result = replace(result, why=found)
    else:
        with quick_convolutions(found[0][0].left.device):
            result = _fitted(net, *found, recipe, result, earlier)
    return replace(result, seconds=time.monotonic() - started)


def lessons_of(
    scene: Scene, frame_at: Callable[[int], Tensor], recipe: Recipe
) -> tuple[list[Triplets], list[Triplets]] | str:
    """Return the support and the held-out triplets, or in words why there are none."""
    choice = triplets_of(scene, recipe)
    if isinstance(choice, str):
        return choice
    support, held_out = gather(choice, frame_at, scene.times, recipe.crop_px, recipe.seed)
    if not support or not held_out:
        return "no even motion"
    if min(support[0].left.shape[-2:]) < SMALLEST_CROP_PX:
        return "too small"
    return support, held_out


def triplets_of(scene: Scene, recipe: Recipe) -> Choice | str:
    """Return which triplets `recipe` takes of a scene, or in words why none; no frame is seen."""
    if recipe.steps == 0:
        return "no steps"
    bounds = (scene.first, scene.last)
    return choose(scene.times, scene.motion, bounds, recipe.seen, recipe.held_out)


def _fitted(
    net: nn.Module,
    support: Sequence[Triplets],
    held_out: Sequence[Triplets],
    recipe: Recipe,
    base: SceneAdaptation,
    earlier: SceneAdaptation | None,
) -> SceneAdaptation:
    """Return `base` with the best of what was learned of `support`, if `held_out` lets it pass."""
    judge = judge_named(recipe.judge, held_out[0].left.device)
    exam = Exam(net, stack(held_out), Questions(), adapting(net, recipe), judge)
    before = exam.scores({})
    base = replace(base, before=_mean(before.psnr), looks_before=_mean(before.distances))
    lent = earlier.deltas if earlier is not None else None
    passed: list[SceneAdaptation] = []
    if earlier is not None and lent is not None:
        after = exam.scores(applied(net, lent))
        if verdict(before, after, recipe.margin_db, recipe.errors):
            lent = None
        else:
            base = replace(base, like=earlier.scene)
            passed.append(replace(_scored(base, after), deltas=lent))
    for steps, deltas in fits(net, support, recipe, lent):
        finite = all(bool(torch.isfinite(delta).all()) for delta in deltas.values())
        after = exam.scores(applied(net, deltas)) if finite else Scores([[math.nan]])
        why = verdict(before, after, recipe.margin_db, recipe.errors)
        if not why:
            passed.append(replace(_scored(base, after), deltas=deltas, steps=steps))
    if passed:
        return max(passed, key=lambda result: (result.after, -result.steps))
    return replace(base if why == DIVERGED else _scored(base, after), why=why)


def _scored(base: SceneAdaptation, after: Scores) -> SceneAdaptation:
    return replace(base, after=_mean(after.psnr), looks_after=_mean(after.distances))


def _mean(found: ByQuestion) -> float:
    """Return the mean over all questions, each of the same triplets."""
    return fmean(fmean(of_question) for of_question in found)


def fits(
    net: nn.Module, support: Sequence[Triplets], recipe: Recipe, start: Params | None = None
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Yield what `recipe` adds to the parameters of `net` on `support`, by the inner loop.

    That is (number of steps, deltas), after a few of its steps and at the end. The deltas `start`
    are added before the first step, and are part of what is yielded.
    """
    space, loss = course(net, support, recipe, start)
    for steps, values in enumerate(walk(recipe, space, loss)):
        if steps in looks(recipe.steps):
            yield steps, deltas_of(net, space, values)


def deltas_of(net: nn.Module, space: Space, values: Params) -> dict[str, Tensor]:
    """Return what `values` add to the parameters of `net`.

    They are rounded to float16 here and nowhere else, so that stored ones are the same.
    """
    base = dict(net.named_parameters())
    params = space.weights(values)
    return {name: (params[name] - base[name].detach()).half() for name in params}


def looks(steps: int) -> list[int]:
    """Return after which of so many steps held-out frames are asked: the best of them is kept."""
    return [*(n for n in (1, 3, 10, 30, 100, 300) if n < steps), steps]


def walk(recipe: Recipe, space: Space, loss: Loss) -> Iterator[dict[str, Tensor]]:
    """Yield the values that adapt, from the start of `space` on, step by step."""
    return adapt(
        loss,
        space.start,
        rates_of(recipe, space),
        recipe.steps,
        rule=RULES[recipe.rule],
        pull=recipe.pull,
        longest=recipe.longest,
    )


def course(
    net: nn.Module, support: Sequence[Triplets], recipe: Recipe, start: Params | None = None
) -> tuple[Space, Loss]:
    """Return the values that `recipe` adapts and the loss of each step: a batch of `support`."""
    space = space_of(net, recipe, start)
    names = list(space.weights(space.start))
    # Of like size, and what a step sees does not lie side by side in the scene.
    parts = math.ceil(len(support) / recipe.batch)
    batches = [stack(support[first::parts]) for first in range(parts)]
    lessons: dict[int, Lesson] = {}

    def loss(values: dict[str, Tensor], step: int) -> Tensor:
        number = step % len(batches)
        if number not in lessons:
            lessons[number] = Lesson(net, batches[number], recipe.questions, names)
        return lessons[number].loss(space.weights(values))

    return space, loss


def rates_of(recipe: Recipe, space: Space) -> Rates:
    """Return the recipe's rates, those of single weights beside the values they are for."""
    if not recipe.rates:
        return [dict.fromkeys(space.start, recipe.learning_rate)]
    return [
        {name: torch.as_tensor(rate).to(space.start[name]) for name, rate in of_step.items()}
        for of_step in recipe.rates
    ]


def space_of(net: nn.Module, recipe: Recipe, start: Params | None = None) -> Space:
    """Return where the inner loop walks, from `start`: what the rates name, or the subset."""
    params = {name: parameter.detach() for name, parameter in net.named_parameters()}
    params |= applied(net, start or {})
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
