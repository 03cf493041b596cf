"""The inner loop of MAML: parameters in, parameters out; one function for test time and training.

    repeat: gradients of the lesson's loss; params = params - rate * direction(gradients)

Rates stand beside the weights, one for each tensor or each weight, and may differ from step to
step (LSLR and Meta-SGD of the literature); what meta-training learns of them, test time uses.
Whoever calls decides what is differentiated: if the parameters or rates that go in require
gradients, what comes out depends on them, to the first order (the steps' own gradients are
constants) or, with `create_graph`, to the second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

Params = Mapping[str, Tensor]
"""Parameters as a value: tensors by the names that the network gives them."""

Loss = Callable[[dict[str, Tensor], int], Tensor]
"""(parameters, number of the step from 0) -> scalar."""

Rates = Sequence[Mapping[str, Tensor | float]]
"""For each step, a rate by name: a scalar or one of the parameter's shape. The last stays."""

Moments = tuple[Tensor, Tensor]
Rule = Callable[[Tensor, Moments | None, int], tuple[Tensor, Moments | None]]
"""(gradient, what was kept of earlier ones, number of the step) -> (direction, what to keep)."""

MEAN_DECAY, SQUARE_DECAY = 0.9, 0.99
EPSILON = 1e-8


def plain(gradient: Tensor, moments: Moments | None, step: int) -> tuple[Tensor, Moments | None]:  # noqa: ARG001
    """Return the gradient itself: SGD."""
    return gradient, None


def adam(gradient: Tensor, moments: Moments | None, step: int) -> tuple[Tensor, Moments | None]:
    """Return Adam's direction; the first is the gradient's sign, whatever the loss's scale.

    EPSILON stands under the root, so that the direction of a zero gradient can be differentiated.
    """
    mean, square = moments or (torch.zeros_like(gradient), torch.zeros_like(gradient))
    mean = MEAN_DECAY * mean + (1 - MEAN_DECAY) * gradient
    square = SQUARE_DECAY * square + (1 - SQUARE_DECAY) * gradient**2
    unbiased = mean / (1 - MEAN_DECAY ** (step + 1))
    scale = torch.sqrt(square / (1 - SQUARE_DECAY ** (step + 1)) + EPSILON**2)
    return unbiased / scale, (mean, square)


RULES: Mapping[str, Rule] = MappingProxyType({"adam": adam, "sgd": plain})
"""The rules by their names in a recipe."""


def adapt(
    loss: Loss,
    start: Params,
    rates: Rates,
    steps: int,
    *,
    rule: Rule = adam,
    pull: float = 0.0,
    longest: float = math.inf,
    create_graph: bool = False,
) -> Iterator[dict[str, Tensor]]:
    """Yield the parameters at `start`, which is left as it is, and after each of `steps` steps.

    `pull` in [0, 1] is the share of the way back to `start` that every step goes, beside the
    gradient, which leads no further than `longest`, the length over all parameters. A parameter
    that the loss does not depend on stays. Raises ValueError if steps are asked for and there are
    no rates.
    """
    if steps and not rates:
        raise ValueError("there is no rate to step with")
    params = dict(start)
    kept: dict[str, Moments | None] = dict.fromkeys(params)
    yield dict(params)
    for step in range(steps):
        moves = {}
        for name, gradient in _gradients(loss, params, step, create_graph).items():
            direction, kept[name] = rule(gradient, kept[name], step)
            moves[name] = rates[min(step, len(rates) - 1)][name] * direction
        share = _share(moves, longest)
        for name, move in moves.items():
            back = pull * (params[name] - start[name])
            params[name] = params[name] - share * move - back
        yield dict(params)


def _share(moves: Params, longest: float) -> Tensor | float:
    """Return what of `moves` is no longer than `longest`, at most all."""
    if math.isinf(longest) or not moves:
        return 1.0
    squares = torch.stack([(move**2).sum() for move in moves.values()]).sum()
    return (longest / torch.sqrt(squares + EPSILON**2)).clamp(max=1.0)


def _gradients(
    loss: Loss, params: dict[str, Tensor], step: int, create_graph: bool
) -> dict[str, Tensor]:
    """Return the gradients of `loss` by name, leaving out parameters it does not depend on."""
    # At test time nothing requires a gradient: fresh leaves keep the steps from piling up a graph.
    tracked = {
        name: value if value.requires_grad else value.detach().requires_grad_()
        for name, value in params.items()
    }
    with torch.enable_grad():
        gradients = torch.autograd.grad(
            loss(tracked, step),
            list(tracked.values()),
            create_graph=create_graph,
            allow_unused=True,
        )
    return {
        name: gradient
        for name, gradient in zip(tracked, gradients, strict=True)
        if gradient is not None
    }
