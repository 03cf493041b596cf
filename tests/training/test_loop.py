"""The loop: exact resume, independence of workers, schedules, terms, a network that learns."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import footage
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from filmcli.errors import InputError, RenderError, UsageError
from filmcli.lpips import load_lpips
from filmcli.network import weights
from filmcli.network.film import Film
from filmcli.network.networks import CONFIGS, Network, build
from filmcli.network.vgg import Vgg19
from filmcli.training.loop import Run, train
from filmcli.training.material import Material
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Batch
from filmcli.training.stream import batches
from filmcli.training.terms import Eyes, made_of, terms_of, weighted
from tests import nets

RECIPE = Recipe(steps=4, batch=2, side=32, bfloat16=False, warmup=2)
MATERIAL = Material([], footage.assets())
BLIND = Eyes()


def nothing(line: dict[str, float]) -> None:
    """Report to nobody."""


def at(folder: Path, name: str = "w.safetensors", every: int = 2) -> Run:
    folder.mkdir(exist_ok=True)
    said = {"recipe": "test", "data": "textures"}
    return Run(str(folder / name), said, workers=0, report_every=1, save_every=every)


def logged(folder: Path) -> list[dict[str, float]]:
    lines = (folder / "w.safetensors.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


def contents(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    with safe_open(path, "pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def test_resumes_to_the_same_bits(tmp_path: Path) -> None:
    train(RECIPE, at(tmp_path / "whole"), MATERIAL, nothing)

    def interrupt(line: dict[str, float]) -> None:
        if line["step"] == 3:
            raise KeyboardInterrupt

    broken = at(tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train(RECIPE, broken, MATERIAL, interrupt)
    train(RECIPE, broken, MATERIAL, nothing)
    for name in ("w.safetensors", "w.safetensors.checkpoint"):
        whole, resumed = (contents(tmp_path / run / name) for run in ("whole", "broken"))
        assert whole[0] == resumed[0]
        assert whole[1].keys() == resumed[1].keys()
        assert all(torch.equal(value, resumed[1][key]) for key, value in whole[1].items()), name


def test_what_is_written_can_be_loaded_and_begun_with(tmp_path: Path) -> None:
    run = at(tmp_path / "first")
    train(RECIPE, run, MATERIAL, nothing)
    loaded = weights.load(run.output)
    assert loaded.config == "film-m"
    assert loaded.metadata["steps"] == "4"
    lines = logged(tmp_path / "first")
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all(
        line["samples_per_second"] <= min(line[f"{part}_samples_per_second"] for part in parts)
        for line in lines
        for parts in (("data", "network"),)
    )
    terms = {"charbonnier", "laplacian", "ssim", "lpips", "fetched", "flow", "decibels"}
    assert all(terms <= line.keys() for line in lines)
    second = at(tmp_path / "second")
    still = replace(RECIPE, steps=1, batch=1, rate=0.0)
    train(still, Run(second.output, {}, initial=run.output, workers=0), MATERIAL, nothing)
    again = weights.load(second.output).state_dict
    assert all(torch.equal(again[name], value) for name, value in loaded.state_dict.items())


def test_a_run_may_save_before_it_has_told_anything(tmp_path: Path) -> None:
    run = replace(at(tmp_path, every=1), report_every=100)
    train(replace(RECIPE, steps=2), run, MATERIAL, nothing)
    assert weights.load(run.output).metadata["steps"] == "2"


def test_another_recipe_does_not_resume(tmp_path: Path) -> None:
    train(RECIPE, at(tmp_path), MATERIAL, nothing)
    with pytest.raises(UsageError, match="another recipe"):
        train(Recipe(steps=5), at(tmp_path), MATERIAL, nothing)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    run = at(tmp_path)
    Path(f"{run.output}.checkpoint").write_bytes(b"\x08" + b"\0" * 20)
    with pytest.raises(InputError, match="cannot be read"):
        train(RECIPE, run, MATERIAL, nothing)


def test_divergence_stops_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    run = at(tmp_path, every=1)
    wild = replace(RECIPE, steps=50, batch=1, rate=1e30)
    with pytest.raises(RenderError, match="diverged"):
        train(wild, run, MATERIAL, nothing)
    with safe_open(f"{run.output}.checkpoint", "pt") as file:
        assert int(file.metadata()["step"]) >= 1


@pytest.mark.parametrize("first", [0, 3])
def test_batches_do_not_depend_on_workers(first: int) -> None:
    alone = list(batches(MATERIAL, RECIPE, first, 0))
    shared = list(batches(MATERIAL, RECIPE, first, 1))
    assert len(alone) == 4 - first
    for a, b in zip(alone, shared, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a[0], b[0], strict=True))


def test_a_batch_in_parts_is_the_batch(tmp_path: Path) -> None:
    recipe = replace(RECIPE, batch=4, steps=3, census_weight=0.5)
    for parts in (1, 4):
        run = at(tmp_path / str(parts))
        train(replace(recipe, accumulate=parts), run, MATERIAL, nothing)
    whole, parted = (logged(tmp_path / parts) for parts in ("1", "4"))
    for one, other in zip(whole, parted, strict=True):
        for name in recipe.weights_at(0):
            assert other[name] == pytest.approx(one[name], rel=1e-3), name
    uneven = replace(recipe, accumulate=3)
    with pytest.raises(UsageError, match="3 equal parts"):
        train(uneven, at(tmp_path / "uneven"), MATERIAL, nothing)


def drawn(**numbers: int) -> Batch:
    return next(batches(MATERIAL, replace(RECIPE, **numbers), 0, 0))[0]  # type: ignore[arg-type]


def said_of(
    net: Network, batch: Batch, wanted: Collection[str], eyes: Eyes = BLIND, bfloat16: bool = False
) -> dict[str, torch.Tensor]:
    """The terms of what the network makes of the batch."""
    return terms_of(made_of(net, batch, bfloat16=bfloat16), batch, wanted, eyes)


def test_a_few_steps_teach_the_flow() -> None:
    torch.manual_seed(0)
    net = build(CONFIGS["film-m"])
    batch = drawn(side=48)
    optimiser = torch.optim.AdamW(net.parameters(), lr=5e-4)
    course = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = said_of(net, batch, {"flow"})["flow"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), RECIPE.clip_norm)
        optimiser.step()
        course.append(float(loss.detach()))
    assert sum(course[-5:]) / 5 < 0.5 * course[0]


def test_every_term_is_a_finite_number_also_in_bfloat16() -> None:
    net = build(CONFIGS["film-m"])
    wanted = replace(RECIPE, census_weight=1.0, l1_weight=1.0).weights_at(0)
    assert set(wanted) == {
        *("charbonnier", "l1", "laplacian", "census", "ssim", "lpips", "fetched", "flow")
    }
    terms = said_of(net, drawn(), wanted, Eyes(load_lpips()), bfloat16=True)
    assert set(terms) == {*wanted, "decibels"}
    assert all(torch.isfinite(value) and value.dtype == torch.float32 for value in terms.values())


def test_only_what_is_wanted_is_computed() -> None:
    terms = said_of(nets.still(nets.TINY), drawn(), {"l1", "lpips"})
    assert set(terms) == {"l1", "decibels"}  # no eyes were given


def test_published_film_has_no_flow_at_the_moment_and_learns_without_it() -> None:
    torch.manual_seed(0)
    net = Film(nets.TINY_FILM)
    weights = RECIPE.weights_at(0)
    terms = said_of(net, drawn(), weights)
    assert set(terms) == {"charbonnier", "laplacian", "ssim", "decibels"}
    weighted(terms, weights).backward()
    assert all(value.grad is not None for value in net.parameters())


def test_terms_of_a_blend_by_hand() -> None:
    """Nothing moves: left, right and those around are grey of known levels."""
    grey = (0.2, 0.5, 0.6, 0.1, 0.7)
    left, target, right, before, after = (torch.full((1, 3, 32, 32), level) for level in grey)
    known, ways = torch.tensor([[1.0, 1.0, 1.0, 0.0]]), torch.zeros(1, 8, 32, 32)
    half, taught = torch.tensor([0.5]), torch.zeros(1)
    batch = Batch(left, target, right, half, before, after, known, ways, taught)
    wanted = {"l1", "fetched", "flow"}
    terms = said_of(nets.still(nets.TINY), batch, wanted)
    assert terms["l1"].item() == pytest.approx(0.1, abs=1e-6)  # the blend is 0.4
    # of levels 2 and 3: the nearer is off by 0.1, both by 0.2, before by 0.4, after is not known
    levels = nets.TINY.levels_for(32, 32) - 1
    assert terms["fetched"].item() == pytest.approx(levels * (0.1 + 0.6 * 0.2 + 0.3 * 0.2))
    assert terms["flow"].item() == 0.0  # its ways are not known
    assert terms["decibels"].item() == pytest.approx(20.0, abs=1e-3)
    moved = batch._replace(ways=ways + 4, taught=torch.ones(1))
    off = said_of(nets.still(nets.TINY), moved, wanted)["flow"].item()
    # every flow is off by (4, 4): at full size, at level 2 by (1, 1), at level 3 by (0.5, 0.5)
    full, fine, coarse = (2**0.5 * by for by in (4, 1, 0.5))
    assert off == pytest.approx((0.5 * full + 2.5 * fine + 2.5 * 2**0.5 * coarse) / 2, rel=1e-3)


def test_weighted_is_the_sum_of_what_there_is() -> None:
    assert weighted({"l1": 0.5, "flow": 2.0, "decibels": 30.0}, {"l1": 2.0, "flow": 0.25}) == 1.5
    assert weighted({"l1": 0.5}, {"l1": 2.0, "flow": 0.25}) == 1.0
    value = torch.tensor(3.0, requires_grad=True)
    weighted({"l1": value}, {"l1": 2.0}).backward()
    assert value.grad is not None and value.grad.item() == 2.0


def test_frames_around_count_where_they_are_known() -> None:
    net, batch = nets.lively(nets.TINY), drawn()
    shown = torch.rand(2, *batch.left.shape, generator=torch.Generator().manual_seed(1))

    def loss(known: list[list[int]], chosen: list[int], *around: torch.Tensor) -> float:
        part = batch._replace(known=torch.tensor(known).float(), before=around[0], after=around[1])
        part = Batch(*(values[chosen] for values in part))
        terms = said_of(net, part, {"charbonnier", "fetched"})
        return float(terms["charbonnier"].detach())

    both, none = [1, 1, 1, 1], [1, 1, 0, 0]
    with torch.no_grad():
        apart = loss([both, none], [0], *shown), loss([both, none], [1], *shown)
        together = loss([both, none], [0, 1], *shown)
        assert together == pytest.approx(sum(apart) / 2, rel=1e-4)
        # what is not known may look like anything
        assert apart[1] == pytest.approx(loss([both, none], [1], *(1 - shown)), rel=1e-6)
        for known in (none, [1, 1, 1, 0], [1, 1, 0, 1]):
            assert apart[0] != pytest.approx(loss([known, none], [0], *shown), rel=1e-3)


def test_a_recipe_that_compares_features_asks_for_their_network(tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=3, late_style_weight=40.0, vgg_weight=1.0)
    with pytest.raises(UsageError, match="VGG-19"):
        train(recipe, at(tmp_path), MATERIAL, nothing)
    torch.manual_seed(0)
    save_file(Vgg19().state_dict(), tmp_path / "vgg.safetensors")
    run = replace(at(tmp_path), vgg=str(tmp_path / "vgg.safetensors"))
    train(recipe, run, MATERIAL, nothing)
    found = [[name for name in ("vgg", "style") if line.get(name)] for line in logged(tmp_path)]
    assert found == [["vgg"], ["vgg"], ["style"]]


def test_rates_warm_up_and_fall() -> None:
    recipe = Recipe(steps=2000, warmup=100, rate=0.5, final_rate=0.1)
    assert recipe.rate_at(0) == pytest.approx(0.005)
    assert recipe.rate_at(49) == pytest.approx(0.25, rel=2e-3)
    assert recipe.rate_at(100) == pytest.approx(0.5, rel=6e-3)
    assert recipe.rate_at(1000) == pytest.approx(0.275)
    assert recipe.rate_at(1999) == pytest.approx(0.05, abs=1e-3)
    stairs = Recipe(steps=400, stairs=4, rate=1.0, final_rate=0.1, warmup=0)
    rates = [stairs.rate_at(step) for step in (0, 99, 100, 200, 300, 399)]
    assert rates == pytest.approx([1.0, 1.0, 0.464, 0.215, 0.1, 0.1], abs=1e-3)


def test_crutches_fall_to_a_fifth_and_the_rest_stays() -> None:
    recipe = Recipe(steps=1000, fetched_weight=0.5, flow_weight=0.1)
    first, half, last = (recipe.weights_at(step) for step in (0, 500, 1000))
    for name, weight in first.items():
        share = (0.6, 0.2) if name in ("fetched", "flow") else (1.0, 1.0)
        assert (half[name], last[name]) == pytest.approx([of * weight for of in share]), name
    assert (first["fetched"], first["flow"]) == (0.5, 0.1)
    assert "fetched" not in replace(recipe, fetched_weight=0.0).weights_at(0)
