"""Tasks and the outer loop, on networks small enough for a test."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from filmcli.adaptation.film import adaptable, recipe_of
from filmcli.adaptation.lessons import Triplets
from filmcli.adaptation.scene import fits
from filmcli.backbones.voxelflow import VoxelFlow
from filmcli.errors import InputError, RenderError, UsageError
from filmcli.network.film import Film
from filmcli.network.moment import Moment
from filmcli.network.weights import load, named_rates, save
from filmcli.training.clips import Clip
from filmcli.training.meta import MetaRecipe, meta_train, outer_losses
from filmcli.training.tasks import Task, as_task, tasks
from tests import nets


def numbered_clip(frames: int = 12, size: tuple[int, int] = (60, 80)) -> Clip:
    """Frame i is grey of level 20 i, everywhere."""
    pictures = np.stack([np.full((*size, 3), 20 * i, np.uint8) for i in range(frames)])
    return Clip(pictures, np.full(frames - 1, 20.0, np.float32), size)


def test_a_task_asks_at_two_intervals() -> None:
    window = torch.arange(7.0)[:, None, None, None].expand(7, 3, 2, 2)
    support, query = as_task(window, queries=1)
    assert [frames[:, 0, 0, 0].tolist() for frames in support[:3]] == [[0, 2], [2, 4], [4, 6]]
    assert [frames[:, 0, 0, 0].tolist() for frames in query[:3]] == [[2], [3], [4]]
    _, query = as_task(window, queries=3)
    assert [frames[:, 0, 0, 0].tolist() for frames in query[:3]] == [
        [0, 2, 4],
        [1, 3, 5],
        [2, 4, 6],
    ]
    assert support.phase.tolist() == [0.5, 0.5]


def test_longer_windows_have_more_support_and_the_query_is_spread_over_them() -> None:
    window = torch.arange(11.0)[:, None, None, None].expand(11, 3, 2, 2)
    support, query = as_task(window, queries=3)
    assert support.middle[:, 0, 0, 0].tolist() == [2, 4, 6, 8]
    assert query.middle[:, 0, 0, 0].tolist() == [1, 5, 9]
    drawn = next(tasks([[numbered_clip(11, (48, 48))]], 48, seed=1, queries=3, support=4))
    assert drawn.support.left.shape == (4, 3, 48, 48)
    assert drawn.query.left.shape == (3, 3, 48, 48)
    with pytest.raises(InputError, match="13 frames"):
        next(tasks([[numbered_clip()]], 48, 0, support=5))
    with pytest.raises(UsageError, match="1 lessons"):
        next(tasks([[numbered_clip()]], 48, 0, support=1))


def test_roomy_tasks_ask_the_same_of_the_frames_inside() -> None:
    window = torch.arange(15.0)[:, None, None, None].expand(15, 3, 2, 2)
    for plain, roomy in zip(as_task(window[4:11], 3), as_task(window, 3, room=4), strict=True):
        assert all(torch.equal(*pair) for pair in zip(plain[:4], roomy[:4], strict=True))
        gap = roomy.right - roomy.middle
        for before, after in ((-3, 3), (-2, 2)):
            beside = roomy.beside(before, after)
            assert beside is not None
            assert torch.equal(beside[0], roomy.middle + before * gap)
            assert torch.equal(beside[1], roomy.middle + after * gap)
    clip = numbered_clip(size=(48, 48))
    longer = Clip([*clip.frames, *clip.frames[:3]], np.full(14, 20.0, np.float32), clip.size)
    drawn = next(tasks([[longer]], 48, seed=1, queries=3, roomy=True))
    assert drawn.support.around is not None
    assert drawn.support.around.shape == (2, 4, 3, 48, 48)
    with pytest.raises(InputError, match="15 frames"):
        next(tasks([[numbered_clip()]], 48, 0, roomy=True))


def test_tasks_are_windows_of_even_stride_and_the_same_for_the_same_seed() -> None:
    sources = [[numbered_clip(size=(48, 48))], [numbered_clip(5)]]  # the second is too short
    drawn = list(islice(tasks(sources, 48, seed=1), 20))
    steps = set()
    for support, query in drawn:
        levels = [round(float(f[k].mean() * 255 / 20)) for k in (0, 1) for f in support[:3]]
        assert [levels[1], levels[2]] == levels[3:5]
        steps.add(levels[1] - levels[0])
        assert round(float(query.middle.mean() * 255 / 20)) == (levels[1] + levels[4]) // 2
        assert support.left.shape == (2, 3, 48, 48)
    assert steps == {2, -2}  # forwards and backwards; twelve frames hold no wider stride
    again = list(islice(tasks(sources, 48, seed=1, first=7), 1))
    assert torch.equal(again[0].query.middle, drawn[7].query.middle)


def test_clips_too_short_or_small_are_refused() -> None:
    with pytest.raises(InputError, match="7 frames"):
        next(tasks([[numbered_clip(6)], [numbered_clip(size=(30, 80))]], 48, 0))
    with pytest.raises(UsageError, match="2 queries"):
        next(tasks([[numbered_clip()]], 48, 0, queries=2))


class Line(nn.Module):
    """Makes the constant w; `left` and the others only tell the batch."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w, dtype=torch.float64))

    def forward(self, left: Tensor, right: Tensor, phase: Tensor) -> Tensor:  # noqa: ARG002
        return self.w.expand_as(left)


def level_task(support: float, query: float) -> Task:
    def triplets(level: float) -> Triplets:
        frame = torch.full((1, 3, 4, 4), level, dtype=torch.float64)
        return Triplets(frame, frame, frame, torch.tensor([0.5], dtype=torch.float64))

    return Task(triplets(support), triplets(query))


def test_outer_losses_by_hand() -> None:
    # |w - 0.5| has slope -1 at w = 0.2; a step of 0.1 goes to 0.3, where the query 0.9 is 0.6 off
    net = Line(0.2)
    params = dict(net.named_parameters())
    recipe = MetaRecipe(inner_steps=1, subset="all", rule="sgd")
    before, after = outer_losses(net, params, [{"w": 0.1}], level_task(0.5, 0.9), recipe)
    assert before.item() == pytest.approx(0.7, abs=1e-4)
    assert after.item() == pytest.approx(0.6, abs=1e-4)


def test_the_rate_is_learned() -> None:
    # support and query agree that w lies far off: a longer step helps
    recipe = MetaRecipe(
        subset="all",
        steps=40,
        tasks=1,
        learning_rate=0.0,
        first_inner_rate=0.01,
        rate_of_rates=0.1,
    )
    learned = meta_train(Line(0.2), repeat(level_task(0.8, 0.8)), recipe)
    assert learned.params["w"].item() == pytest.approx(0.2)
    assert learned.rates[0]["w"].item() > 0.03
    # and where the support misleads, a shorter one
    learned = meta_train(Line(0.5), repeat(level_task(0.9, 0.1)), recipe)
    assert learned.rates[0]["w"].item() < 0.005


def test_the_gradient_of_every_steps_rate_by_hand() -> None:
    # 0.2 goes to 0.3 and on to 0.45; the query is 0.9, so either rate's gradient is -1, and that
    # of its logarithm minus the rate. Adam's first step is by the sign: both logarithms rise by 1.
    recipe = MetaRecipe(inner_steps=2, rate_per_step=True, subset="all", rule="sgd")
    rates = [{"w": torch.tensor(rate, requires_grad=True)} for rate in (0.1, 0.15)]
    net = Line(0.2)
    params = dict(net.named_parameters())
    _, after = outer_losses(net, params, rates, level_task(0.6, 0.9), recipe)
    assert after.item() == pytest.approx(0.45, abs=1e-4)
    gradients = torch.autograd.grad(after, [rate["w"] for rate in rates])
    assert [gradient.item() for gradient in gradients] == pytest.approx([-1, -1], abs=1e-4)
    recipe = replace(recipe, steps=1, tasks=1, learning_rate=0.0, first_inner_rate=0.1)
    recipe = replace(recipe, rate_of_rates=20.0)  # a twentieth of it at the first, warming step
    learned = meta_train(net, repeat(level_task(0.6, 0.9)), recipe)
    expected = pytest.approx(0.1 * math.e, rel=1e-4)
    assert [rates["w"].item() for rates in learned.rates] == [expected, expected]


def test_steps_can_be_drawn() -> None:
    # every step goes by 0.1 towards the support: after one, two or three the query is hit or not
    recipe = MetaRecipe(
        inner_steps=3, fewer_steps=True, subset="all", steps=30, tasks=1, learning_rate=0.0,
        rule="sgd", first_inner_rate=0.1, rate_of_rates=0.0,
    )  # fmt: skip
    told: list[dict[str, float]] = []
    for _ in range(2):
        meta_train(Line(0.2), repeat(level_task(0.9, 0.9)), recipe, told.append)
    after = [round(line["after"], 3) for line in told]
    assert set(after) == {0.6, 0.5, 0.4}
    assert after[:30] == after[30:]


def test_without_inner_steps_it_is_ordinary_training() -> None:
    recipe = MetaRecipe(
        inner_steps=0, unadapted_share=0.0, subset="all", steps=60, tasks=1, learning_rate=0.05
    )
    told: list[dict[str, float]] = []
    learned = meta_train(Line(0.2), repeat(level_task(0.1, 0.8)), recipe, told.append)
    assert learned.params["w"].item() == pytest.approx(0.8, abs=0.1)
    assert learned.rates == []
    assert all(line["before"] == line["after"] for line in told)


def test_what_has_no_start_is_refused() -> None:
    with pytest.raises(UsageError, match="adapters"):
        meta_train(VoxelFlow(filters=2), moving_tasks(), MetaRecipe(subset="adapters"))


@pytest.mark.parametrize("per_weight", [False, True])
def test_learned_rates_are_walked_by_from_the_file(per_weight: bool, tmp_path: Path) -> None:
    """Two steps of learned rates, through meta-training, the file and the adapter, by hand."""
    net = nets.tinted(nets.still(), 0.5)  # too bright everywhere: each step darkens
    recipe = MetaRecipe(
        steps=1, tasks=1, inner_steps=2, rate_per_step=True, rate_per_weight=per_weight,
        doubled=1.0, cycle=0.0, queries=1, rate_of_rates=20.0, rule="sgd",
    )  # fmt: skip
    learned = meta_train(net, moving_tasks(), recipe)
    name = "fuse.paint.bias"
    assert [rates[name].shape for rates in learned.rates] == [(32,) if per_weight else ()] * 2
    path = str(tmp_path / "meta.safetensors")
    tensors = {**net.state_dict(), **learned.params, **named_rates(learned.rates)}
    save(path, "film-m", tensors, dtype=torch.float32)
    weights = load(path)
    found = recipe_of(weights, 2)
    assert found.rates == weights.rates
    assert len(weights.rates) == 2
    *_, (_, deltas) = fits(adaptable(weights), [next(moving_tasks(64)).support], found)
    walked = weights.rates[0][name] + weights.rates[1][name]
    # what is added to the three colours: down by both steps' rates
    expected = -walked.expand(32)[nets.RESIDUAL]
    torch.testing.assert_close(deltas[name].float()[nets.RESIDUAL], expected, rtol=2e-3, atol=1e-6)


def test_a_run_that_diverges_says_so() -> None:
    with pytest.raises(RenderError, match="diverged"):
        meta_train(
            Line(float("nan")), repeat(level_task(0.1, 0.2)), MetaRecipe(steps=2, subset="all")
        )


def moving_tasks(side: int = 32) -> Iterator[Task]:
    """Noise that moves by 2 px a frame, by another seed in every task."""
    number = 0
    while True:
        generator = torch.Generator().manual_seed(number)
        texture = torch.rand(1, 3, side // 4, side // 2, generator=generator)
        large = nn.functional.interpolate(texture, size=(side, 2 * side), mode="bilinear")
        window = torch.cat([large[..., 2 * i : 2 * i + side] for i in range(7)])
        yield as_task(window, queries=3)
        number += 1


@pytest.mark.parametrize(
    "build",
    [lambda: Film(nets.TINY_FILM), lambda: Moment(nets.TINY), lambda: VoxelFlow(filters=4)],
    ids=["film", "ours", "voxel flow"],
)
@pytest.mark.parametrize("order", [1, 2])
def test_any_network_learns_in_the_outer_loop(build: Callable[[], nn.Module], order: int) -> None:
    torch.manual_seed(0)
    net = build()
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    recipe = MetaRecipe(
        subset="all",
        steps=8,
        tasks=1,
        order=order,
        learning_rate=3e-3,
        first_inner_rate=1e-3,
        doubled=1.0,
        cycle=0.2,
    )
    told: list[dict[str, float]] = []
    learned = meta_train(net, repeat(next(moving_tasks(side=24))), recipe, told.append)
    assert [line["step"] for line in told] == list(range(1, 9))
    for loss in ("before", "after"):
        assert told[-1][loss] < told[0][loss]
    assert told[0]["after"] < told[0]["before"]
    for name, value in net.state_dict().items():
        assert torch.equal(value, kept[name])
    (rates,) = learned.rates
    assert rates.keys() == learned.params.keys()
    assert all(rate > 0 for rate in rates.values())


def test_it_goes_on_from_rates_that_were_learned_for_the_same_steps() -> None:
    net = VoxelFlow(filters=2)
    recipe = MetaRecipe(subset="all", steps=1, tasks=1, rate_of_rates=1e-6, rate_per_step=True)
    known = [{name: torch.tensor(0.01) for name, _ in net.named_parameters()}]

    def rates_after(recipe: MetaRecipe) -> list[float]:
        learned = meta_train(net, moving_tasks(side=24), recipe, rates=known)
        return [float(rate) for of_step in learned.rates for rate in of_step.values()]

    assert rates_after(recipe) == pytest.approx([0.01] * len(known[0]), rel=1e-4)
    for other in (replace(recipe, inner_steps=2), replace(recipe, rate_per_weight=True)):
        net_rates = meta_train(net, moving_tasks(side=24), other, rates=known).rates
        first = other.first_inner_rate
        assert all(torch.allclose(rate, torch.tensor(first), rtol=1e-4)
                   for of_step in net_rates for rate in of_step.values())  # fmt: skip


def test_orders_differ_by_what_the_step_depends_on() -> None:
    torch.manual_seed(0)
    net = VoxelFlow(filters=2).double()
    nn.init.normal_(net.output_conv.weight, std=0.1)
    task = next(moving_tasks())
    task = Task(*(Triplets(*(part.double() for part in t[:4])) for t in task))  # type: ignore[arg-type]
    params = dict(net.named_parameters())
    rates = [dict.fromkeys(params, 0.05)]

    def outer(order: int) -> Tensor:
        recipe = MetaRecipe(subset="all", order=order, rule="sgd")
        return outer_losses(net, params, rates, task, recipe)[1]

    name = "output_conv.bias"
    first, second = (torch.autograd.grad(outer(order), params[name])[0] for order in (1, 2))
    torch.testing.assert_close(outer(1), outer(2))
    assert not torch.allclose(first, second)
    # the second-order gradient is the true one: by central differences
    step = 1e-4  # warping is done in float32
    with torch.no_grad():
        params[name][2] += step
        above = outer_losses(net, params, rates, task, MetaRecipe(rule="sgd"))[1]
        params[name][2] -= 2 * step
        below = outer_losses(net, params, rates, task, MetaRecipe(rule="sgd"))[1]
        params[name][2] += step
    assert second[2].item() == pytest.approx((above - below).item() / (2 * step), rel=0.02)
