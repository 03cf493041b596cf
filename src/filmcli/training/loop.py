"""The training loop: first the flow, then the picture."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from filmcli.errors import UsageError
from filmcli.network import weights
from filmcli.network.film import CONFIGS, Film
from filmcli.network.machine import choose_device, keep_freed_memory
from filmcli.network.vgg import SOURCES, Vgg19, load_vgg
from filmcli.training.checkpoint import load_checkpoint, save_checkpoint
from filmcli.training.curves import draw_curves
from filmcli.training.guard import Guard, astray
from filmcli.training.material import Material
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Batch
from filmcli.training.stream import batches
from filmcli.training.terms import flow_terms, picture_terms
from filmcli.training.validation import Validation
from filmcli.training.watch import Report, Watch


@dataclass(frozen=True)
class Run:
    """Where a run reads and writes, and how often; only what it begins with changes the result.

    `output` is the weights file; beside it stand `output`.checkpoint, from which the same
    run resumes, `output`.log, one JSON object a report, and `output`.png, its curves.
    """

    output: str
    metadata: dict[str, str]
    initial: str | None = None  # weights to begin with, a shipped name or a file
    device: str = "auto"
    workers: int = 1
    vgg: str | None = None  # weights of VGG-19, for the recipes that need them
    validate: str | None = None  # folder of films to score on
    report_every: int = 100  # steps
    validate_every: int = 1000
    save_every: int = 500


def train(recipe: Recipe, run: Run, material: Material, report: Report) -> None:
    """Train by `recipe` until its last step, and write the averaged weights.

    A checkpoint of the same recipe beside the output is resumed, exactly. Raises
    RenderError if the run diverges; the last good checkpoint stays.
    """
    keep_freed_memory()
    device = choose_device(run.device)
    net = _network(recipe, run.initial).to(device)
    vgg = _vgg(run.vgg).to(device) if recipe.needs_vgg() else None
    optimiser = torch.optim.AdamW(
        net.parameters(), eps=recipe.epsilon, weight_decay=recipe.weight_decay
    )
    average = {name: value.clone() for name, value in net.state_dict().items()}
    checkpoint = f"{run.output}.checkpoint"
    first = 0
    if os.path.exists(checkpoint):
        first = load_checkpoint(checkpoint, recipe, net, optimiser, average)
    log = f"{run.output}.log"
    watch = Watch(log, report, recipe.steps, recipe.batch, run.report_every)
    validation = Validation(run.validate, recipe.config, average) if run.validate else None
    guard = Guard()
    stream = watch.waiting(batches(material, recipe, first, run.workers))
    for step, parts in enumerate(stream, first):
        terms = _step(recipe, step, net, vgg, optimiser, parts)
        chapter = recipe.stage(step)[0], recipe.is_late(step)
        guard.follow(step, chapter, _weighted(recipe, step, terms))
        _average(net, average, recipe.average_decay, step)
        watch.add(step + 1, terms, rate=recipe.rate_at(step))
        last = step + 1 == recipe.steps
        if validation and (last or (step + 1) % run.validate_every == 0):
            with watch.aside():
                watch.tell(step + 1, validated=validation.score())
        if (last or (step + 1) % run.save_every == 0) and guard.calm:
            save_checkpoint(checkpoint, recipe, step + 1, net, optimiser, average)
            said = {**run.metadata, "steps": str(step + 1)}
            weights.save(run.output, recipe.config, average, said)
            draw_curves(log, f"{run.output}.png")


def _network(recipe: Recipe, initial: str | None) -> Film:
    torch.manual_seed(recipe.seed)
    net = Film(CONFIGS[recipe.config])
    if initial is not None:
        net.load_state_dict(weights.load(initial).state_dict)
    # 11 to 13 % more samples a second than the default layout (film-xs, one AVX-512 core).
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def _vgg(path: str | None) -> Vgg19:
    if path is None:
        raise UsageError("This recipe compares features of VGG-19.", "Give --vgg FILE.", SOURCES)
    return load_vgg(path)


def _step(
    recipe: Recipe,
    step: int,
    net: Film,
    vgg: Vgg19 | None,
    optimiser: torch.optim.Optimizer,
    parts: list[Batch],
) -> dict[str, float]:
    """Take one step of the optimiser and return the terms of the loss, before weighting."""
    for group in optimiser.param_groups:
        group["lr"] = recipe.rate_at(step)
    optimiser.zero_grad()
    told: dict[str, float] = {}
    for part in parts:
        terms = _terms(recipe, step, net, vgg, part)
        loss = torch.stack([w * terms[name] for name, w in recipe.weights_at(step).items()]).sum()
        (loss / len(parts)).backward()  # type: ignore[no-untyped-call]
        for name, value in terms.items():
            told[name] = told.get(name, 0.0) + float(value.detach()) / len(parts)
    norm = nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
    if not torch.isfinite(norm):
        raise astray(f"The gradient of step {step} is not a number.")
    optimiser.step()
    return told


def _terms(
    recipe: Recipe, step: int, net: Film, vgg: Vgg19 | None, part: Batch
) -> dict[str, Tensor]:
    device = next(net.parameters()).device
    part = Batch(*(values.to(device) for values in part))
    stage, _ = recipe.stage(step)
    if not stage:
        return flow_terms(net, part, recipe.bfloat16)
    return picture_terms(net, part, recipe.bfloat16, recipe.weights_at(step), vgg)


def _weighted(recipe: Recipe, step: int, terms: dict[str, float]) -> float:
    return sum(weight * terms[name] for name, weight in recipe.weights_at(step).items())


def _average(net: nn.Module, average: dict[str, Tensor], decay: float, step: int) -> None:
    """Move the running mean of the weights; young means follow faster."""
    decay = min(decay, (1 + step) / (10 + step))
    for name, value in net.state_dict().items():
        average[name].lerp_(value, 1 - decay)
