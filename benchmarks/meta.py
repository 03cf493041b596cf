"""What a task of meta-training costs one core: `python -m benchmarks.meta [WEIGHTS]`."""

from __future__ import annotations

import sys
import time

import torch

from filmcli.adaptation.film import adaptable
from filmcli.adaptation.subsets import subset
from filmcli.network.networks import Network
from filmcli.network.weights import load
from filmcli.training.meta import MetaRecipe, outer_losses
from filmcli.training.tasks import Task, as_task

RECIPES = {
    "one step of the cycle, 160 px": MetaRecipe(side=160),
    "three steps, 160 px": MetaRecipe(side=160, inner_steps=3),
    "three steps, 128 px": MetaRecipe(side=128, inner_steps=3),
    "three steps of the doubled gap, 128 px": MetaRecipe(
        side=128, inner_steps=3, doubled=1.0, cycle=0.0
    ),
    "no steps, 128 px": MetaRecipe(side=128, inner_steps=0),
    "three steps, 128 px, all but the extractor": MetaRecipe(
        side=128, inner_steps=3, subset="late"
    ),
    "three steps, 128 px, all": MetaRecipe(side=128, inner_steps=3, subset="all"),
}


def seconds(net: Network, recipe: MetaRecipe, times: int = 2) -> float:
    """Processor seconds of one task, forwards and backwards: the least of so many."""
    task = _drifting(recipe)
    chosen = subset(dict(net.named_parameters()), recipe.subset).start
    params = {name: value.detach().clone().requires_grad_() for name, value in chosen.items()}
    rates = [{name: torch.tensor(3e-4, requires_grad=True) for name in params}]
    spent = []
    for _ in range(times):
        started = time.process_time()
        before, after = outer_losses(net, params, rates, task, recipe)
        (after + recipe.unadapted_share * before).backward()  # type: ignore[no-untyped-call]
        spent.append(time.process_time() - started)
    return min(spent)


def _drifting(recipe: MetaRecipe) -> Task:
    """Smooth noise that drifts by 3 px a frame."""
    side = recipe.side
    small = torch.rand(1, 3, side // 4, side // 2, generator=torch.Generator().manual_seed(0))
    wide = torch.nn.functional.interpolate(small, size=(side, 2 * side), mode="bilinear")
    window = torch.cat([wide[..., 3 * i : 3 * i + side] for i in range(7)])
    return as_task(window, recipe.queries)


def main() -> None:
    """Print a row for each recipe, in Markdown."""
    torch.set_num_threads(1)
    net = adaptable(load(sys.argv[1] if len(sys.argv) > 1 else None), "cpu")
    print("| a task | s |\n|---|---|")
    for words, recipe in RECIPES.items():
        print(f"| {words} | {seconds(net, recipe):.2f} |", flush=True)


if __name__ == "__main__":
    main()
