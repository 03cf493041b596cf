"""Which courses of the loss stop a run."""

from __future__ import annotations

import numpy as np
import pytest

from filmcli.errors import RenderError
from filmcli.training.guard import PATIENCE, Guard


def follow(losses: list[float], guard: Guard | None = None, chapter: int = 0) -> Guard:
    guard = guard or Guard()
    for step, loss in enumerate(losses):
        guard.follow(step, chapter, loss)
    return guard


def test_what_is_no_number_stops_at_once() -> None:
    with pytest.raises(RenderError, match="not a number"):
        follow([1.0, float("nan")])


def test_a_loss_that_leaps_and_stays_stops_after_patience() -> None:
    guard = follow([1.0] * 300)
    follow([9.0] * 10, guard)
    assert not guard.calm
    with pytest.raises(RenderError, match="4 times its mean before"):
        follow([9.0] * PATIENCE, guard)


def test_a_short_fit_passes() -> None:
    guard = follow([1.0] * 300)
    follow([50.0] * 30, guard)
    assert not guard.calm
    follow([1.0] * 60, guard)
    assert guard.calm
    follow([50.0] * 30, guard)


def test_noise_and_another_chapter_are_no_divergence() -> None:
    random = np.random.default_rng(0)
    guard = follow(random.exponential(1.0, 20_000).tolist())
    assert guard.calm
    follow([100.0] * 300, guard, chapter=1)
    assert guard.calm


def test_falling_losses_are_calm_and_a_fall_undone_is_not() -> None:
    fallen = [10 * 0.98**step + 0.2 for step in range(500)]
    guard = follow(fallen)
    assert guard.calm
    with pytest.raises(RenderError):
        follow([8.0] * 300, guard)
