"""Subsets of parameters, and low-rank adapters."""

from __future__ import annotations

import pytest
import torch

from filmcli.adaptation.subsets import SUBSETS, low_rank, subset
from filmcli.network.networks import CONFIGS, build


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
