"""Adapting to a scene: it helps where it can, and never harms."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from filmcli.adaptation.judges import SHARPNESS
from filmcli.adaptation.lessons import Questions, Triplets
from filmcli.adaptation.scene import (
    Recipe,
    Scene,
    SceneAdaptation,
    adapt_scene,
    applied,
    course,
)
from filmcli.network import machine
from tests import nets

TIMES = [Fraction(i, 24) for i in range(60)]


class Tinted(nn.Module):
    """A blend that has learned a wrong tint; the scene can teach it the right one."""

    def __init__(self, tint: float) -> None:
        super().__init__()
        self.tint = nn.Parameter(torch.full((3,), tint))

    def forward(self, left: Tensor, right: Tensor, phase: Tensor) -> Tensor:
        at = phase[:, None, None, None]
        return (1 - at) * left + at * right + self.tint[:, None, None]


def fading(i: int) -> Tensor:
    """Every pixel brightens evenly, so the blend is right."""
    ramp = torch.linspace(0.1, 0.5, 96).expand(1, 3, 80, 96)
    return ramp + i / 120


def scene(frames: int = 30, motion: float = 2.0) -> Scene:
    return Scene(4, 0, frames, TIMES, [motion] * len(TIMES))


RECIPE = Recipe(learning_rate=0.01, crop_px=64, subset="all")


def test_a_wrong_tint_is_unlearned_and_the_network_stays_as_it_is() -> None:
    net = Tinted(0.02)
    result = adapt_scene(net, scene(), fading, replace(RECIPE, steps=2))
    assert result.deltas is not None
    assert result.why == ""
    assert (result.scene, result.frames) == (4, 30)
    assert applied(net, result.deltas)["tint"].abs().max() < 2e-3
    assert result.before is not None
    assert result.after is not None
    # off by the tint over the doubled gap, and by twice of it in the cycle
    assert result.before == pytest.approx(-10 * math.log10(0.02 * 0.04), abs=0.05)
    assert result.after > result.before + 15
    assert torch.equal(net.tint, torch.full((3,), 0.02))


def test_a_step_that_overshoots_is_dropped() -> None:
    result = adapt_scene(Tinted(0.001), scene(), fading, replace(RECIPE, learning_rate=0.1))
    assert result.deltas is None
    assert result.why == "no gain on held-out frames"
    assert result.before is not None
    assert result.after is not None
    assert result.after < result.before


def test_the_best_number_of_steps_is_kept() -> None:
    # three steps of 0.01 take the tint away, ten go far beyond
    recipe = replace(RECIPE, steps=10, rates=[{"tint": 0.01}] * 3 + [{"tint": 0.1}])
    result = adapt_scene(Tinted(0.03), scene(), fading, recipe)
    assert (result.steps, result.why) == (3, "")
    assert result.deltas is not None
    assert applied(Tinted(0.03), result.deltas)["tint"].abs().max() < 1e-3


def test_a_step_leads_no_further_than_it_may() -> None:
    recipe = replace(RECIPE, learning_rate=1.0, longest=0.03)
    result = adapt_scene(Tinted(0.02), scene(), fading, recipe)
    assert result.deltas is not None
    assert float(result.deltas["tint"].norm()) == pytest.approx(0.03, rel=1e-3)


def test_a_step_to_nowhere_is_dropped() -> None:
    recipe = replace(RECIPE, rule="sgd", learning_rate=math.inf)
    result = adapt_scene(Tinted(0.01), scene(), fading, recipe)
    assert result.deltas is None
    assert result.why == "diverged"


@pytest.mark.parametrize(
    ("found", "recipe", "why"),
    [
        (scene(frames=4), RECIPE, "too few frames"),
        (scene(motion=0.0), RECIPE, "no motion"),
        (scene(), replace(RECIPE, steps=0), "no steps"),
    ],
)
def test_scenes_that_teach_nothing_are_passed_over(found: Scene, recipe: Recipe, why: str) -> None:
    def never(i: int) -> Tensor:
        raise AssertionError(f"frame {i} was decoded for nothing")

    result = adapt_scene(Tinted(0.1), found, never, recipe)
    assert (result.deltas, result.before, result.why) == (None, None, why)


def test_flickering_and_tiny_scenes_are_passed_over() -> None:
    def flicker(i: int) -> Tensor:
        return torch.full((1, 3, 80, 96), 0.2 + 0.5 * (i % 2))

    assert adapt_scene(Tinted(0.1), scene(), flicker, RECIPE).why == "no even motion"
    small = adapt_scene(Tinted(0.1), scene(), lambda i: fading(i)[..., :40, :], RECIPE)
    assert small.why == "too small"


def test_film_learns_and_says_the_same_twice() -> None:
    net = nets.tinted(nets.still(), 0.03).requires_grad_(False)  # a brightness that is off
    before = {name: value.clone() for name, value in net.state_dict().items()}
    recipe = Recipe(
        learning_rate=0.003, crop_px=64, support=4, held_out=3, questions=Questions(1, 0.5)
    )
    first, again = (adapt_scene(net, scene(), fading, recipe) for _ in range(2))
    assert first.deltas is not None
    assert again.deltas is not None
    assert first.deltas.keys() == again.deltas.keys()
    for name, value in first.deltas.items():
        assert torch.equal(value, again.deltas[name])
    assert first.after == again.after
    assert first.before is not None and first.after is not None
    assert first.after > first.before + 5
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


def test_in_bfloat16_a_scene_gains_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nets.tinted(nets.still(), 0.03).requires_grad_(False)
    recipe = Recipe(learning_rate=0.003, crop_px=64, support=4, held_out=3)
    found = []
    for quick in (False, True):
        monkeypatch.setattr(machine, "_multiplies_bfloat16", lambda quick=quick: quick)
        with machine.quick_convolutions(torch.device("cpu")):
            inside = nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3)).dtype
        assert inside == (torch.bfloat16 if quick else torch.float32)
        found.append(adapt_scene(net, scene(), fading, recipe))
    exact, rounded = found
    assert exact.after is not None and rounded.after is not None
    assert exact.before == pytest.approx(rounded.before, abs=0.02)
    assert exact.after == pytest.approx(rounded.after, abs=0.05)
    assert exact.after > 35


def test_rates_of_single_weights_are_used() -> None:
    # The tint that is left is one of another colour: nearer to the truth, and further for eyes.
    recipe = replace(RECIPE, rates=[{"tint": torch.tensor([0.02, 0.0, 0.01])}])
    assert adapt_scene(Tinted(0.02), scene(), fading, recipe).why == "held-out frames look worse"
    recipe = replace(recipe, judge=SHARPNESS)
    result = adapt_scene(Tinted(0.02), scene(), fading, recipe)
    assert result.deltas is not None
    expected = torch.tensor([-0.02, 0.0, -0.01])
    torch.testing.assert_close(result.deltas["tint"].float(), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("subset", ["late", "adapters"])
def test_other_parts_of_the_network_adapt_too(subset: str) -> None:
    net = nets.tinted(nets.still(), 0.03).requires_grad_(False)
    nn.init.normal_(net.fuse.paint.weight, std=0.01)
    recipe = Recipe(
        rule="sgd", learning_rate=0.01, crop_px=64, subset=subset, questions=Questions(1, 0)
    )
    result = adapt_scene(net, scene(), fading, recipe)
    assert result.before is not None
    assert result.after is not None
    assert result.after > result.before


def test_a_step_sees_a_like_share_of_the_lessons_from_all_over_the_scene() -> None:
    class Watched(Tinted):
        seen: ClassVar[list[list[float]]] = []

        def forward(self, left: Tensor, right: Tensor, phase: Tensor) -> Tensor:
            self.seen.append(left.mean(dim=(1, 2, 3)).tolist())
            return super().forward(left, right, phase)

    def lesson(level: float) -> Triplets:
        frame = torch.full((1, 3, 8, 8), level)
        return Triplets(frame, frame, frame, torch.tensor([0.5]))

    recipe = Recipe(batch=4, subset="all", questions=Questions(1, 0))
    space, loss = course(Watched(0.0), [lesson(number / 8) for number in range(7)], recipe)
    for step in range(3):
        loss(space.start, step)
    numbers = [[round(8 * level) for level in levels] for levels in Watched.seen]
    assert numbers == [[0, 2, 4, 6], [1, 3, 5], [0, 2, 4, 6]]


def of_another_scene(shift: float) -> SceneAdaptation:
    return SceneAdaptation(2, 20, {"tint": torch.full((3,), shift).half()})


def test_steps_go_on_from_what_an_earlier_scene_learned() -> None:
    # half of the tint is gone already, and a step of 0.01 takes away the rest
    net = Tinted(0.02)
    result = adapt_scene(net, scene(), fading, RECIPE, of_another_scene(-0.01))
    assert (result.like, result.steps, result.why) == (2, 1, "")
    assert result.deltas is not None
    assert applied(net, result.deltas)["tint"].abs().max() < 1e-4
    alone = adapt_scene(net, scene(), fading, RECIPE)
    assert alone.after is not None
    assert result.after is not None
    assert result.after > alone.after


def test_what_an_earlier_scene_learned_is_used_as_it_is_where_steps_do_harm() -> None:
    lent = of_another_scene(-0.02)
    result = adapt_scene(Tinted(0.02), scene(), fading, RECIPE, lent)
    assert (result.like, result.steps, result.why) == (2, 0, "")
    assert result.deltas is lent.deltas
    assert result.after is not None
    assert result.before is not None
    assert result.after > result.before + 15


@pytest.mark.parametrize("earlier", [of_another_scene(0.05), SceneAdaptation(2, 20)])
def test_what_helps_nothing_is_not_taken(earlier: SceneAdaptation) -> None:
    result = adapt_scene(Tinted(0.02), scene(), fading, RECIPE, earlier)
    alone = adapt_scene(Tinted(0.02), scene(), fading, RECIPE)
    assert result.like is None
    assert result.after == alone.after
    assert torch.equal((result.deltas or {})["tint"], (alone.deltas or {})["tint"])
