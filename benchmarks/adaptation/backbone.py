"""The voxel-flow network, trained and then meta-trained on the spot, as the paper's DVF was.

Both are one function: training is meta-training without inner steps.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from benchmarks.adaptation.measure import Model, Shot
from filmcli.adaptation.lessons import Questions
from filmcli.adaptation.scene import Recipe
from filmcli.backbones.voxelflow import VoxelFlow
from filmcli.training.material import load_material
from filmcli.training.meta import Learned, MetaRecipe, meta_train
from filmcli.training.tasks import tasks

_SIDE = 96
_BASE = MetaRecipe(
    tasks=2, inner_steps=0, learning_rate=1e-3, unadapted_share=0.0, subset="all", side=_SIDE
)
_META = MetaRecipe(
    tasks=2, learning_rate=1e-4, first_inner_rate=1e-4, subset="all", doubled=1.0, cycle=0.0,
    side=_SIDE,
)  # fmt: skip
_STEPS = {"tiny": (4, 2), "small": (1500, 400), "full": (4000, 1200)}


def backbone(clips: str, size: str, folder: str) -> dict[str, Model]:
    """The trained and the meta-trained network, from `folder` if they stand there."""
    path = os.path.join(folder, f"voxelflow-{size}.pt")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        base, meta = _taught(clips, size)
        torch.save({"voxelflow": vars(base), "voxelflow meta": vars(meta)}, f"{path}.partial")
        os.replace(f"{path}.partial", path)
    stored = torch.load(path, weights_only=True)
    fingerprint = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]
    models = {}
    for label, learned in stored.items():
        net = _with(Learned(**learned))
        taught = Questions(_META.doubled, _META.cycle)
        recipe = Recipe(rates=learned["rates"] or None, questions=taught)
        models[label] = Model(net, fingerprint, recipe, partial(_seconds, net))
    return models


def _taught(clips: str, size: str) -> tuple[Learned, Learned]:
    sources = load_material((clips,), None, None, _SIDE).sources
    torch.manual_seed(0)
    net: nn.Module = VoxelFlow()
    learned = []
    for recipe, steps in zip((_BASE, _META), _STEPS[size], strict=True):
        drawn = tasks(sources, _SIDE, recipe.seed, queries=recipe.queries)
        learned.append(meta_train(net, drawn, replace(recipe, steps=steps), _tell))
        net = _with(learned[-1])
    return learned[0], learned[1]


def _tell(line: dict[str, float]) -> None:
    if line["step"] % 50 == 0:
        numbers = f"{line['before']:.4f} -> {line['after']:.4f}"
        print(f"voxel flow, step {line['step']:.0f}: {numbers}", flush=True)


def _with(learned: Learned) -> nn.Module:
    net = VoxelFlow()
    net.load_state_dict(learned.params)
    return net.eval().requires_grad_(False)


def _seconds(net: nn.Module, shot: Shot) -> float:
    """What one picture costs, for which nothing is kept from the one before."""
    times = []
    for _ in range(2):  # the first is for warmth
        started = time.process_time()
        net(shot.kept[0], shot.kept[1], torch.tensor([0.5]))
        times.append(time.process_time() - started)
    return times[-1]
