"""The loop: exact resume, independence of workers, schedules, and a network that learns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import footage
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from filmcli.errors import InputError, RenderError, UsageError
from filmcli.network import weights
from filmcli.network.film import CONFIGS, Film
from filmcli.network.vgg import Vgg19
from filmcli.training.loop import Run, train
from filmcli.training.material import Material
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Batch
from filmcli.training.stream import batches
from filmcli.training.terms import flow_terms, picture_terms

RECIPE = Recipe(steps=4, flow_steps=2, batch=2, side=32, bfloat16=False, warmup=2)
MATERIAL = Material([], footage.assets())


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


@pytest.mark.parametrize("fusion_steps", [0, 1])
def test_resumes_to_the_same_bits(tmp_path: Path, fusion_steps: int) -> None:
    recipe = replace(RECIPE, fusion_steps=fusion_steps)
    train(recipe, at(tmp_path / "whole"), MATERIAL, nothing)

    def interrupt(line: dict[str, float]) -> None:
        if line["step"] == 3:
            raise KeyboardInterrupt

    broken = at(tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, broken, MATERIAL, interrupt)
    train(recipe, broken, MATERIAL, nothing)
    for name in ("w.safetensors", "w.safetensors.checkpoint"):
        whole, resumed = (contents(tmp_path / run / name) for run in ("whole", "broken"))
        assert whole[0] == resumed[0]
        assert whole[1].keys() == resumed[1].keys()
        assert all(torch.equal(value, resumed[1][key]) for key, value in whole[1].items()), name


def test_fusion_alone_leaves_features_and_flows_as_they_were(tmp_path: Path) -> None:
    first, alone = at(tmp_path / "flow"), at(tmp_path / "alone")
    train(replace(RECIPE, steps=2), first, MATERIAL, nothing)
    recipe = replace(RECIPE, steps=2, flow_steps=0, fusion_steps=2)
    train(recipe, replace(alone, initial=first.output), MATERIAL, nothing)
    before, after = (weights.load(run.output).state_dict for run in (first, alone))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"fuse"}
    lines = logged(tmp_path / "alone")
    assert "charbonnier" in lines[0] and "flow" not in lines[0]


def test_what_is_written_can_be_loaded_and_begun_with(tmp_path: Path) -> None:
    run = at(tmp_path / "first")
    train(RECIPE, run, MATERIAL, nothing)
    loaded = weights.load(run.output)
    assert loaded.config == "film-xs"
    assert loaded.metadata["steps"] == "4"
    lines = logged(tmp_path / "first")
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all(
        line["samples_per_second"] <= min(line[f"{part}_samples_per_second"] for part in parts)
        for line in lines
        for parts in (("data", "network"),)
    )
    assert "charbonnier" not in lines[1] and "charbonnier" in lines[2]
    second = at(tmp_path / "second")
    still = Recipe(steps=1, flow_steps=0, batch=1, side=32, rate=0.0, bfloat16=False)
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
    wild = Recipe(steps=50, flow_steps=50, batch=1, side=32, flow_rate=1e30, bfloat16=False)
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


@pytest.mark.parametrize("flow_steps", [3, 0])
def test_a_batch_in_parts_is_the_batch(tmp_path: Path, flow_steps: int) -> None:
    recipe = replace(RECIPE, batch=4, steps=3, flow_steps=flow_steps, census_weight=0.5)
    for parts in (1, 4):
        run = at(tmp_path / str(parts))
        train(replace(recipe, accumulate=parts), run, MATERIAL, nothing)
    whole, parted = (logged(tmp_path / parts) for parts in ("1", "4"))
    for one, other in zip(whole, parted, strict=True):
        for name in recipe.weights_at(0):
            # Known pixels are counted part by part, which weighs them a little differently.
            assert other[name] == pytest.approx(one[name], rel=1e-3), name
    uneven = replace(recipe, accumulate=3)
    with pytest.raises(UsageError, match="3 equal parts"):
        train(uneven, at(tmp_path / "uneven"), MATERIAL, nothing)


def test_a_few_steps_teach_the_flow() -> None:
    torch.manual_seed(0)
    net = Film(CONFIGS["film-xs"])
    recipe = Recipe(steps=1, flow_steps=1, batch=2, side=48, bfloat16=False)
    batch = next(batches(MATERIAL, recipe, 0, 0))[0]
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)  # 2e-3 hops about at batch 2
    course = []
    for _ in range(80):
        optimiser.zero_grad()
        loss = flow_terms(net, batch, bfloat16=False)["flow"]
        loss.backward()
        optimiser.step()
        course.append(float(loss.detach()))
    assert sum(course[-10:]) / 10 < 0.6 * course[0]


def test_every_term_is_a_finite_number_also_in_bfloat16() -> None:
    net = Film(CONFIGS["film-xs"])
    recipe = Recipe(batch=2, side=32, census_weight=1.0)
    batch = next(batches(MATERIAL, recipe, 0, 0))[0]
    wanted = recipe.weights_at(recipe.flow_steps)
    assert set(wanted) == {
        "charbonnier",
        "laplacian",
        "census",
        "warped",
        "flow",
        "choice",
    }
    terms = picture_terms(net, batch, True, wanted)
    assert set(terms) == {*wanted, "decibels"}
    assert all(torch.isfinite(value) for value in terms.values())


def test_frames_around_count_where_there_are_some() -> None:
    torch.manual_seed(0)
    net = Film(CONFIGS["film-xs"])
    batch = next(batches(MATERIAL, Recipe(batch=2, side=32, flow_steps=0), 0, 0))[0]

    def loss(framed: list[float], chosen: list[int]) -> float:
        part = Batch(*(values[chosen] for values in batch._replace(framed=torch.tensor(framed))))
        return float(picture_terms(net, part, False, {"charbonnier"})["charbonnier"])

    with torch.no_grad():
        around = torch.rand(2, *batch.left.shape)
        batch = batch._replace(before=around[0], after=around[1])
        apart = loss([1, 0], [0]), loss([1, 0], [1])
        assert loss([1, 0], [0, 1]) == pytest.approx(sum(apart) / 2, rel=1e-4)
        assert apart[1] == pytest.approx(loss([0, 0], [1]), rel=1e-6)
        assert apart[0] != pytest.approx(loss([0, 0], [0]), rel=1e-3)


def test_a_recipe_that_compares_features_asks_for_their_network(tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=2, flow_steps=0, late_style_weight=40.0, vgg_weight=1.0)
    with pytest.raises(UsageError, match="VGG-19"):
        train(recipe, at(tmp_path), MATERIAL, nothing)
    torch.manual_seed(0)
    save_file(Vgg19().state_dict(), tmp_path / "vgg.safetensors")
    run = replace(at(tmp_path), vgg=str(tmp_path / "vgg.safetensors"))
    train(recipe, run, MATERIAL, nothing)
    assert [line["vgg"] > 0 for line in logged(tmp_path)] == [True, True]


def test_rates_warm_up_and_fall_in_both_stages() -> None:
    recipe = Recipe(
        steps=2000, flow_steps=1000, warmup=100, flow_rate=1.0, rate=0.5, final_rate=0.1
    )
    assert recipe.rate_at(0) == pytest.approx(0.01)
    assert recipe.rate_at(99) == pytest.approx(1.0, abs=0.03)
    assert recipe.rate_at(500) == pytest.approx(0.55)
    assert recipe.rate_at(999) == pytest.approx(0.1, abs=1e-3)
    assert recipe.rate_at(1000) == pytest.approx(0.005)
    assert recipe.rate_at(1999) == pytest.approx(0.05, abs=1e-3)
    stairs = Recipe(flow_steps=0, steps=400, stairs=4, rate=1.0, final_rate=0.1, warmup=0)
    rates = [stairs.rate_at(step) for step in (0, 99, 100, 200, 300, 399)]
    assert rates == pytest.approx([1.0, 1.0, 0.464, 0.215, 0.1, 0.1], abs=1e-3)
    assert recipe.fading(500) == 1.0
    assert recipe.fading(1500) == pytest.approx(0.55)
