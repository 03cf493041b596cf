"""The training step that is recorded as a CUDA graph, on CUDA tensors without values.

Autocast to bfloat16 and the fused optimiser are taken there only (`tests.fake_cuda`,
`make test-fake-cuda`); with values and gradients the step runs in `test_recorded_step`.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from benchmarks.gpu import train
from benchmarks.gpu.train import Pupil
from filmcli.training.presets import changed
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Batch
from tests.fake_cuda import CUDA, Captured, gradients_at_once, needs_cuda_build, pretended

pytestmark = needs_cuda_build

RECIPE = changed(Recipe(), ("side=64", "batch=2"))


def test_a_recorded_step_on_cuda_meets_nothing_of_main_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net, lpips = train.build(train.CONFIGS[RECIPE.config]), train.load_lpips()
    monkeypatch.setattr(train, "build", lambda _: net)  # what is made in the block cannot move
    monkeypatch.setattr(train, "load_lpips", lambda: lpips)
    with pretended(), gradients_at_once(net):
        pupil = Pupil(RECIPE, SimpleNamespace(batch=batch(2, 64)), None)  # type: ignore[arg-type]
        for progress in (0.0, 0.5):
            with Captured() as captured:
                pupil.step(progress, lambda step: step())
    assert torch.bfloat16 in captured.dtypes


def batch(count: int, side: int) -> Batch:
    def empty(*shape: int) -> torch.Tensor:
        return torch.empty(count, *shape, device=CUDA)

    picture = (3, side, side)
    left, target, right, before, after = (empty(*picture) for _ in range(5))
    return Batch(
        left, target, right, empty(), before, after, empty(4), empty(8, side, side), empty()
    )
