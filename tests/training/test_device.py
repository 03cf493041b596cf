"""A training step on a device that is not the CPU (`tests.apart`)."""

from __future__ import annotations

import footage
import pytest
import torch

from filmcli.training.learner import Learner
from filmcli.training.material import Material
from filmcli.training.ranks import Ranks
from filmcli.training.recipe import Recipe
from filmcli.training.stream import batches
from tests.apart import DEVICE

MATERIAL = Material([], footage.assets())


def test_a_step_is_the_cpus() -> None:
    recipe = Recipe(batch=2, side=32, steps=4, warmup=1, bfloat16=False)
    told = []
    for device in (torch.device("cpu"), DEVICE):
        learner = Learner(recipe, "film-m", None, Ranks(0, 1, device))
        steps = ((step, next(batches(MATERIAL, recipe, step, 0))) for step in (0, 2))
        told.append([learner.step(step, parts) for step, parts in steps])
    for here, apart in zip(*told, strict=True):
        assert apart == pytest.approx(here, rel=1e-3)
