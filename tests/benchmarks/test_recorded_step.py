"""The training step that is recorded as a CUDA graph: all of it stays on the device.

With values and gradients, on the tests' own device (`tests.apart`); `test_fake_cuda_step` asks the
same of CUDA's types and optimiser.
"""

from __future__ import annotations

import pytest
import torch

from benchmarks.gpu import train
from benchmarks.gpu.train import Feed, Pupil
from filmcli.training.presets import changed
from filmcli.training.recipe import Recipe
from tests.apart import DEVICE, counted


def test_a_recorded_step_neither_waits_nor_brings_anything() -> None:
    recipe = changed(Recipe(), ("side=64", "batch=2", "synthetic=0.5", "bfloat16=false"))
    feed = Feed(*train._tiny(DEVICE), recipe, DEVICE, workers=0)
    pupil = Pupil(recipe, feed, None)
    seen = []

    def run(step: object) -> None:
        with counted() as happened:
            step()  # type: ignore[operator]
        seen.append(happened)

    before = pupil.net.fuse.paint.weight.cpu().clone()
    for progress in (0.0, 0.5):
        feed.fill()
        pupil.step(progress, run)
    assert seen[1] == ([], [])
    told = pupil.means(2)
    assert set(told) == {*recipe.weights_at(0), "decibels", "norm"}
    assert all(value > 0 for value in told.values())
    assert not torch.equal(pupil.net.fuse.paint.weight.cpu(), before)


def test_what_it_counts() -> None:
    """Else the test above could not fail: losses that made tensors of numbers broke a recording."""
    x = torch.ones(3, device=DEVICE)
    for brings in (lambda: x.new_tensor([1.0]), lambda: torch.tensor([1.0], device=DEVICE)):
        with pytest.raises(RuntimeError):
            brings()
    with counted() as seen:
        torch.ones(3).to(DEVICE)
    assert seen.brought
    for waits in (lambda: x.sum().item(), lambda: x[x > 0], lambda: bool(x[0] > 0)):
        with counted() as seen:
            waits()
        assert seen.waits
