"""Meta-training: weights from which one step of adaptation goes far, and the rates to step with.

MAML's outer loop (Finn et al. 2017) around `filmcli.adaptation.inner.adapt`, the very function
that adapts at test time. The outer loss is that of the query at the adapted weights, and a share
of it at the unadapted ones, so that a film that is not adapted to loses nothing. Rates are learned
along, as logarithms: one for every tensor, or every weight (Meta-SGD), the same or another in
every step (LSLR).

Model-agnostic: a network is anything that is called with (left, right, phase).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from filmcli.adaptation.inner import RULES, Params, Rates, adapt
from filmcli.adaptation.lessons import Lesson, Questions
from filmcli.adaptation.subsets import ADAPTERS, SUBSETS, subset
from filmcli.errors import RenderError, UsageError
from filmcli.training.tasks import Task
from filmcli.training.watch import Report


@dataclass(frozen=True)
class MetaRecipe:
    """The numbers of a meta-training run.

    `order` 1 takes the inner steps' gradients for constants, 2 differentiates them too.
    `unadapted_share` weighs the query loss of the unadapted weights against the adapted ones'.
    No `inner_steps` at all is ordinary training on the queries.
    """

    steps: int = 1000
    tasks: int = 4  # to one step of the outer loop
    inner_steps: int = 1
    fewer_steps: bool = False  # each task's are drawn from 1 to inner_steps
    order: int = 1
    learning_rate: float = 3e-5
    rule: str = "adam"  # of an inner step; "sgd" goes further where a scene asks for more
    first_inner_rate: float = 3e-4
    longest: float = math.inf  # that a step of the inner loop leads, over all parameters
    rate_of_rates: float = 0.02  # of the logarithms
    rate_per_weight: bool = False
    rate_per_step: bool = False
    unadapted_share: float = 0.5
    subset: str = "tail"
    doubled: float = 0.0
    cycle: float = 1.0
    average_decay: float = 0.99
    clip_norm: float = 1.0
    side: int = 160  # px of a task's frames
    support: int = 2  # triplets in a task's support
    queries: int = 3  # triplets in a task's query: 1 or 3
    roomy: bool = False  # tasks have frames around, by which the motion in them bends
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise UsageError for a rule or a subset that there is not."""
        for name, known in (("rule", RULES), ("subset", SUBSETS | {ADAPTERS: None})):
            if (asked := getattr(self, name)) not in known:
                why = f"Known are {', '.join(known)}."
                raise UsageError(f"There is no {name} '{asked}'.", why, "Name one of these.")


@dataclass(frozen=True)
class Learned:
    """Parameters to start from, and for each step the rates to adapt them with, by name."""

    params: dict[str, Tensor]
    rates: list[dict[str, Tensor]]


def meta_train(
    net: nn.Module,
    tasks: Iterator[Task],
    recipe: MetaRecipe,
    report: Report | None = None,
    keep: Callable[[Learned, int], None] | None = None,
    keep_every: int = 100,
    rates: Rates | None = None,
) -> Learned:
    """Return what `recipe` learns from `tasks`, starting at the parameters of `net`.

    Only the parameters that adapt are learned; the network itself is not changed. It begins with
    `rates` that were learned before, if they are for as many steps of the same parameters. `report`
    hears each step's mean query losses, before and after adaptation; `keep` gets what is learned
    and the number of steps, every `keep_every` and at the end. Raises UsageError for a subset that
    has no start of its own, RenderError if a loss stops being a number.
    """
    if recipe.subset == ADAPTERS:
        why = "They begin at nothing, in every scene anew."
        raise UsageError("Low-rank adapters cannot be meta-trained.", why, "Name another subset.")
    try:
        chosen = subset(dict(net.named_parameters()), recipe.subset).start
    except ValueError as error:
        why = "The network has no such parameters."
        do = "Name another; 'all' is of every network."
        raise UsageError(f"There is nothing in '{recipe.subset}' to learn.", why, do) from error
    params = {name: p.detach().clone().requires_grad_() for name, p in chosen.items()}
    logs = _first_logs(params, recipe, rates)
    optimiser = torch.optim.Adam(
        [
            {"params": list(params.values()), "lr": recipe.learning_rate},
            {"params": [log for of_step in logs for log in of_step.values()],
             "lr": recipe.rate_of_rates},
        ]
    )  # fmt: skip
    dice = random.Random(recipe.seed)
    average = {name: p.detach().clone() for name, p in params.items()}
    for step in range(recipe.steps):
        optimiser.zero_grad()
        told = {"step": float(step + 1), **_outer_step(net, params, logs, tasks, recipe, dice)}
        _check(told)
        nn.utils.clip_grad_norm_(params.values(), recipe.clip_norm)
        for group in optimiser.param_groups:
            group.setdefault("peak", group["lr"])
            group["lr"] = group["peak"] * _share_at(step, recipe)
        optimiser.step()
        decay = min(recipe.average_decay, (1 + step) / (10 + step))
        for name, value in average.items():
            value.lerp_(params[name].detach(), 1 - decay)
        if report is not None:
            report(told)
        if keep is not None and ((step + 1) % keep_every == 0 or step + 1 == recipe.steps):
            keep(_learned(average, logs), step + 1)
    return _learned(average, logs)


def _outer_step(
    net: nn.Module,
    params: Params,
    logs: Sequence[Params],
    tasks: Iterator[Task],
    recipe: MetaRecipe,
    dice: random.Random,
) -> dict[str, float]:
    """Gather the gradients of a step's tasks; return their mean losses before and after."""
    told = {"before": 0.0, "after": 0.0}
    for _ in range(recipe.tasks):
        now = [{name: log.exp() for name, log in of_step.items()} for of_step in logs]
        steps = dice.randint(1, recipe.inner_steps) if recipe.fewer_steps else None
        before, after = outer_losses(net, params, now, next(tasks), recipe, steps)
        loss = (after + recipe.unadapted_share * before) / recipe.tasks
        loss.backward()  # type: ignore[no-untyped-call]
        told["before"] += before.item() / recipe.tasks
        told["after"] += after.item() / recipe.tasks
    return told


def outer_losses(
    net: nn.Module,
    params: Params,
    rates: Rates,
    task: Task,
    recipe: MetaRecipe,
    steps: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the query loss of `task` at `params`, and at what `steps` of adaptation make of them.

    By default the steps are the recipe's. With no share in the outer loss, the first has no graph.
    """
    query = Lesson(net, task.query, Questions(1.0, 0.0), list(params))
    if not recipe.inner_steps:
        loss = query.loss(params)
        return loss.detach(), loss
    lesson = Lesson(net, task.support, Questions(recipe.doubled, recipe.cycle), list(params))
    *_, adapted = adapt(
        lambda values, _: lesson.loss(values),
        params,
        rates,
        recipe.inner_steps if steps is None else steps,
        rule=RULES[recipe.rule],
        longest=recipe.longest,
        create_graph=recipe.order == 2,
    )
    with torch.set_grad_enabled(recipe.unadapted_share > 0):
        before = query.loss(params)
    return before, query.loss(adapted)


def _first_logs(params: Params, recipe: MetaRecipe, rates: Rates | None) -> list[dict[str, Tensor]]:
    """Return the logarithms of the rates to begin with, for each step and every one of `params`."""
    shape_of = torch.zeros_like if recipe.rate_per_weight else lambda value: value.new_zeros(())
    shapes = {name: shape_of(value.detach()) for name, value in params.items()}
    steps = recipe.inner_steps if recipe.rate_per_step else min(1, recipe.inner_steps)
    if rates is None or not _are_for(rates, shapes, steps):
        rates = [dict.fromkeys(shapes, recipe.first_inner_rate)] * steps
    return [
        {
            name: (shape + torch.as_tensor(of_step[name]).to(shape)).log().requires_grad_()
            for name, shape in shapes.items()
        }
        for of_step in rates
    ]


def _are_for(rates: Rates, shapes: Params, steps: int) -> bool:
    """True if there are `rates` for so many steps of values of these `shapes`."""
    return len(rates) == steps and all(
        {name: torch.as_tensor(rate).shape for name, rate in of_step.items()}
        == {name: shape.shape for name, shape in shapes.items()}
        for of_step in rates
    )


def _check(told: dict[str, float]) -> None:
    if not math.isfinite(told["before"] + told["after"]):
        raise RenderError(
            "the meta-training has diverged",
            f"the loss of step {told['step']:.0f} is not a number",
            "begin again with lower rates",
        )


def _learned(params: Params, logs: Sequence[Params]) -> Learned:
    rates = [{name: log.detach().exp() for name, log in of_step.items()} for of_step in logs]
    return Learned(dict(params), rates)


def _share_at(step: int, recipe: MetaRecipe) -> float:
    """Return the share of the outer rates: a short warm-up, then half a cosine to a tenth."""
    cosine = (1 + math.cos(math.pi * step / recipe.steps)) / 2
    return min(1.0, (step + 1) / 20) * (0.1 + 0.9 * cosine)
