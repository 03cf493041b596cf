"""Subsets of parameters, low-rank adapters and dials."""

from __future__ import annotations

import pytest
import torch

from filmcli.adaptation.subsets import DIAL_ROWS, SUBSETS, dials, low_rank, subset
from filmcli.network.networks import CONFIGS, Stages, build
from filmcli.network.synthesis import Synthesis
from tests.nets import TINY, lively


@pytest.fixture(scope="module")
def params() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: value.detach() for name, value in build(CONFIGS["film-m"]).named_parameters()}


def test_subsets_are_what_they_say(params: dict[str, torch.Tensor]) -> None:
    names = {name: set(subset(params, name).start) for name in SUBSETS}
    assert names["all"] == set(params)
    assert names["fusion"] == {name for name in params if name.startswith("fuse.")}
    assert names["tail"] < names["fusion"] < names["late"]
    assert {name for name in params if name not in names["late"]} == {
        name for name in params if name.startswith("extract.")
    }
    tail = {name.split(".")[1] for name in names["tail"]}
    assert tail == {"rejoin", "correct", "look", "paint"}  # of half the size and of the whole
    heads = {f"{net}.leave.{of}" for net in ("near", "far") for of in ("weight", "bias")}
    assert names["heads"] == heads


def test_published_film_has_the_same_subsets() -> None:
    with torch.device("meta"):
        params = dict(build(CONFIGS["film"]).named_parameters())
    names = {name: set(subset(params, name).start) for name in SUBSETS}
    assert names["all"] == set(params)
    assert names["tail"] < names["fusion"] < names["late"] < names["all"]
    assert "fuse.output_conv.bias" in names["tail"] and "fuse.convs.0.1.0.bias" not in names["tail"]
    # four predictors, two convolutions each, weight and bias
    assert len(names["heads"]) == 16
    assert all(params[name].shape[2:] in ((), (1, 1)) for name in names["heads"])


def test_a_subset_that_the_network_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="heads"):
        subset({"conv.weight": torch.zeros(1)}, "heads")
    with pytest.raises(KeyError):
        subset({"conv.weight": torch.zeros(1)}, "nothing")


def test_low_rank_adapters_start_at_the_network_and_add_a_matrix_of_their_rank(
    params: dict[str, torch.Tensor],
) -> None:
    space = low_rank(params, rank=2, seed=1)
    weights = space.weights(space.start)
    assert set(weights) == {name for name, value in params.items() if value.dim() == 4}
    for name, value in weights.items():
        assert torch.equal(value, params[name])
    name = "fuse.look.0.0.weight"
    moved = {
        key: value + 1.0 if key == f"{name}:outer" else value for key, value in space.start.items()
    }
    difference = space.weights(moved)[name] - params[name]
    # rows of equal factors: every output channel gains the same filter, the sum of the two drawn
    assert torch.linalg.matrix_rank(difference.flatten(1)) == 1
    expected = space.start[f"{name}:inner"].sum(dim=0)
    torch.testing.assert_close(difference.flatten(1)[0], expected, atol=1e-6, rtol=0)


def test_low_rank_adapters_are_the_same_for_the_same_seed(
    params: dict[str, torch.Tensor],
) -> None:
    first, again, other = (low_rank(params, 2, seed).start for seed in (3, 3, 4))
    name = next(key for key in first if key.endswith(":inner"))
    assert torch.equal(first[name], again[name])
    assert not torch.equal(first[name], other[name])


def made(left: torch.Tensor, right: torch.Tensor, **turned: float) -> Synthesis:
    """What a lively network makes half-way with some dials turned."""
    net = lively(TINY, seed=1)
    space = dials(dict(net.named_parameters()))
    turns = {name.replace("_", " "): torch.tensor(by) for name, by in turned.items()}
    assert set(turns) <= set(DIAL_ROWS)
    stages = Stages(net)
    params = {f"net.{name}": value for name, value in space.weights(space.start | turns).items()}
    with torch.no_grad():
        interval = net.interval(net.features(left), net.features(right))
        given: tuple[object, ...] = ("synthesize", interval, torch.tensor([0.5]))
        return torch.func.functional_call(stages, params, given)  # type: ignore[no-any-return]


def flat(level: float) -> torch.Tensor:
    return torch.full((1, 3, 32, 32), level)


def noisy(seed: int) -> torch.Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_dials_start_at_the_network(params: dict[str, torch.Tensor]) -> None:
    space = subset(params, "dials")
    assert all(turn.shape == () and turn == 0 for turn in space.start.values())
    weights = space.weights(space.start)
    layers = {rows.layer for dial in DIAL_ROWS.values() for rows in dial.rows}
    assert set(weights) == {f"{layer}.{of}" for layer in layers for of in ("weight", "bias")}
    assert all(torch.equal(value, params[name]) for name, value in weights.items())


def test_every_dial_moves_its_rows_and_no_other(params: dict[str, torch.Tensor]) -> None:
    space = dials(params)
    for name, dial in DIAL_ROWS.items():
        weights = space.weights(space.start | {name: torch.tensor(0.5)})
        for layer in {rows.layer for other in DIAL_ROWS.values() for rows in other.rows}:
            bias, weight = (params[f"{layer}.{of}"].clone() for of in ("bias", "weight"))
            for rows in (rows for rows in dial.rows if rows.layer == layer):
                if dial.shift:
                    bias[rows.first : rows.last] += 0.5 * dial.shift
                else:
                    bias[rows.first : rows.last] *= 1.5
                    weight[rows.first : rows.last] *= 1.5
            torch.testing.assert_close(weights[f"{layer}.bias"], bias)
            torch.testing.assert_close(weights[f"{layer}.weight"], weight)


def test_with_detail_and_sharpness_off_a_picture_is_a_mixture_of_its_sides() -> None:
    usual, mixture = (
        made(flat(0.45), flat(0.5), **turned)
        for turned in ({}, {"detail": -1.0, "sharpness": -1.0})
    )
    assert usual.frame.min() < 0.45 and usual.frame.max() > 0.5
    assert 0.45 <= mixture.frame.min() <= mixture.frame.max() <= 0.5
    assert mixture.frame.std() > 0  # each pixel by its own share


def test_with_choice_off_both_sides_are_worth_the_same() -> None:
    turned = {"choice": -1.0, "detail": -1.0}
    torch.testing.assert_close(made(flat(0.2), flat(0.6), **turned).frame, flat(0.4))


def test_with_sharpness_off_nothing_of_what_sampling_took_comes_back() -> None:
    """On flat pictures there is nothing to give back: only there the dial changes nothing."""
    same, less = (made(flat(0.2), flat(0.6), sharpness=by).frame for by in (0.0, -1.0))
    assert torch.equal(same, less)
    left, right = noisy(0), noisy(1)
    off, half, usual, twice = (
        made(left, right, sharpness=by).frame for by in (-1.0, -0.5, 0.0, 1.0)
    )
    assert not torch.allclose(off, usual)
    torch.testing.assert_close(half, (off + usual) / 2)
    torch.testing.assert_close(twice, 2 * usual - off)


def test_with_motion_off_nothing_moves() -> None:
    left, right = noisy(0), noisy(1)
    assert max(motion.abs().max() for motion in made(left, right).motions) > 1
    off = dict.fromkeys(("velocity", "own_motion", "correction"), -1.0)
    stands = made(left, right, **off)
    assert not any(motion.any() for motion in (*stands.motions, *stands.ways))


def test_a_network_of_another_kind_has_no_dials() -> None:
    with pytest.raises(ValueError, match="dials"):
        dials({"conv.weight": torch.zeros(1)})
