"""Meta-training from a folder of films to a weights file: adapted better, from its own rates."""

from __future__ import annotations

import torch

from filmcli.adaptation.film import LESSONS, LONGEST, RULE, prepared
from filmcli.backbones import build, load
from filmcli.network.weights import named_rates, save
from filmcli.training.clips import Clip
from filmcli.training.curves import draw_curves
from filmcli.training.loop import Run
from filmcli.training.meta import Learned, MetaRecipe, meta_train
from filmcli.training.tasks import tasks
from filmcli.training.watch import Line, Report, Watch


def meta_train_film(
    recipe: MetaRecipe, run: Run, sources: list[list[Clip]], report: Report
) -> None:
    """Meta-train the weights `run.initial` (by default the shipped ones) and write them.

    The output holds the learned rates beside the weights. A meta-training does not resume: what
    was written last, weights and rates, is what to go on from. Raises what `meta_train` and `load`
    raise.
    """
    weights = load(run.initial)
    with torch.device("meta"):
        empty = build(weights.config)
    net = prepared(empty, weights, run.device)
    drawn = tasks(
        sources,
        recipe.side,
        recipe.seed,
        queries=recipe.queries,
        support=recipe.support,
        roomy=recipe.roomy,
    )
    log = f"{run.output}.log"
    watch = Watch(log, report, recipe.steps, recipe.tasks, run.report_every)

    def keep(learned: Learned, step: int) -> None:
        tensors = {**weights.state_dict, **learned.params, **named_rates(learned.rates)}
        taught = {
            LESSONS: f"{recipe.doubled:g} {recipe.cycle:g}",
            RULE: recipe.rule,
            LONGEST: f"{recipe.longest:g}",
        }
        said = {**weights.metadata, **run.metadata, **taught, "meta_steps": str(step)}
        save(run.output, weights.config, tensors, said)
        draw_curves(log, f"{run.output}.png")

    def hear(line: Line) -> None:
        watch.add(int(line["step"]), {name: line[name] for name in ("before", "after")})

    meta_train(
        net,
        watch.waiting(drawn),
        recipe,
        hear,
        keep=keep,
        keep_every=run.save_every,
        rates=weights.rates,
    )
