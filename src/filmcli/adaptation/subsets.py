"""Which parameters adapt: the whole network, parts of it, or low-rank adapters beside it.

A `Space` is where the inner loop walks: `start` are the values it begins with, `weights` turns
such values into parameters for the network. For a plain subset they are the parameters
themselves; for low-rank adapters, factors whose product is added to the frozen weights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from filmcli.adaptation.inner import Params

SUBSETS = {
    "all": re.compile(""),
    # All but the extractor, so that features of known frames are computed once.
    "late": re.compile(r"(predict_flow|near|far|fuse)\."),
    "fusion": re.compile(r"fuse\."),
    # The decoder's finest levels and the outputs.
    "tail": re.compile(r"fuse\.(convs\.[23]|output_conv|rejoin|correct|look|paint)\."),
    # The layers that end each flow predictor.
    "heads": re.compile(
        r"(predict_flow\.(_predictor|_predictors\.\d)\._convs\.[34]|(near|far)\.leave)\."
    ),
}
"""Names of the subsets of parameters, of FILM and of ours, and the parameters they mean."""

ADAPTERS = "adapters"
"""Name of the space of low-rank adapters, of rank `RANK`."""
RANK = 4


class Space(NamedTuple):
    """Values to adapt, and how they become parameters `{name: tensor}` of the network."""

    start: dict[str, Tensor]
    weights: Callable[[Params], dict[str, Tensor]]


def subset(params: Params, name: str) -> Space:
    """Return the space of the parameters that the subset `name` means, or of the adapters.

    Raises KeyError for an unknown name, ValueError if the network has no such parameters.
    """
    if name == ADAPTERS:
        return low_rank(params, RANK)
    chosen = {key: value for key, value in params.items() if SUBSETS[name].match(key)}
    if not chosen:
        raise ValueError(f"the network has no parameters in the subset '{name}'")
    return Space(chosen, dict)


def low_rank(params: Params, rank: int, seed: int = 0) -> Space:
    """Return the space of adapters of `rank` beside every convolution's weight.

    A weight `(O, I, h, w)` becomes weight + outer @ inner, with outer `(O, rank)` starting at
    zero, so that the network starts as it was, and inner `(rank, I * h * w)` drawn by `seed`.
    """
    generator = torch.Generator().manual_seed(seed)
    start: dict[str, Tensor] = {}
    frozen = {name: value for name, value in params.items() if value.dim() == 4}
    for name, value in frozen.items():
        rows, columns = value.shape[0], math.prod(value.shape[1:])
        drawn = torch.randn(rank, columns, generator=generator) / math.sqrt(columns)
        start[f"{name}:inner"] = drawn.to(value)
        start[f"{name}:outer"] = value.new_zeros(rows, rank)

    def weights(values: Params) -> dict[str, Tensor]:
        return {
            name: value + (values[f"{name}:outer"] @ values[f"{name}:inner"]).reshape(value.shape)
            for name, value in frozen.items()
        }

    return Space(start, weights)


def only_in(modules: Sequence[str], names: Sequence[str]) -> bool:
    """True if all of `names` lie in one of `modules`."""
    return all(name.split(".", 1)[0] in modules for name in names)
