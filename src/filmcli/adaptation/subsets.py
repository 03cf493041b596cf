"""Which parameters adapt: the whole network, parts of it, low-rank adapters beside it, or dials.

A `Space` is where the inner loop walks: `start` are the values it begins with, `weights` turns
such values into parameters for the network. For a plain subset they are the parameters
themselves; for low-rank adapters, factors whose product is added to the frozen weights; for dials,
a handful of numbers that scale or shift what the network's last layers say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from filmcli.adaptation.inner import Params

SUBSETS = {
    "all": re.compile(""),
    # All but the extractor, so that features of known frames are computed once.
    "late": re.compile(r"(predict_flow|near|far|sway|fuse)\."),
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

DIALS = "dials"
"""Name of the space of dials, `DIAL_ROWS`."""


class Rows(NamedTuple):
    """Output channels `first` <= i < `last` of a convolution."""

    layer: str
    first: int
    last: int


class Dial(NamedTuple):
    """What one number turns: its rows are scaled by 1 + turn or, with a `shift`, moved by it."""

    rows: tuple[Rows, ...]
    shift: float = 0.0  # that a turn of 1 adds


def _matched(first: int, last: int) -> tuple[Rows, ...]:
    return Rows("near.leave", first, last), Rows("far.leave", first, last)


DIAL_ROWS: Mapping[str, Dial] = MappingProxyType(
    {
        "choice": Dial((Rows("fuse.paint", 0, 4), *_matched(11, 12))),
        "detail": Dial((Rows("fuse.paint", 4, 16),)),
        "sharpness": Dial((Rows("fuse.paint", 16, 20),)),
        "correction": Dial((Rows("fuse.correct", 0, 16),)),
        "velocity": Dial(_matched(0, 2)),
        "own motion": Dial(_matched(2, 10)),
        "bend": Dial(_matched(10, 11), shift=2.0),
    }
)
"""Of the network whose flow lives at the moment: how decidedly a pixel is one side's, how much of
what no side has is painted, how much of what sampling took is given back, by how much flow is
corrected at full size and refined at every level, as one velocity and as each frame's own motion,
and how far the cubic is followed. `matching.py` and `blending.py` say what their channels mean."""


class Space(NamedTuple):
    """Values to adapt, and how they become parameters `{name: tensor}` of the network."""

    start: dict[str, Tensor]
    weights: Callable[[Params], dict[str, Tensor]]


def subset(params: Params, name: str) -> Space:
    """Return the space of the parameters that the subset `name` means, of adapters or of dials.

    Raises KeyError for an unknown name, ValueError if the network has no such parameters.
    """
    if name == ADAPTERS:
        return low_rank(params, RANK)
    if name == DIALS:
        return dials(params)
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


def dials(params: Params) -> Space:
    """Return the space of the dials `DIAL_ROWS`, all at 0, where the network is as it was.

    Raises ValueError if the network does not have their layers.
    """
    layers = {rows.layer for dial in DIAL_ROWS.values() for rows in dial.rows}
    if not all(f"{layer}.weight" in params for layer in layers):
        raise ValueError(f"the network has no parameters for '{DIALS}'")
    like = params["fuse.paint.bias"]

    def weights(values: Params) -> dict[str, Tensor]:
        scales = {layer: torch.ones_like(params[f"{layer}.bias"]) for layer in layers}
        shifts = {layer: torch.zeros_like(params[f"{layer}.bias"]) for layer in layers}
        for name, dial in DIAL_ROWS.items():
            turned, by = (shifts, dial.shift) if dial.shift else (scales, 1.0)
            for layer, first, last in dial.rows:
                turned[layer][first:last] += by * values[name]
        return {
            f"{layer}.{of}": turned
            for layer in sorted(layers)
            for of, turned in (
                ("weight", params[f"{layer}.weight"] * scales[layer][:, None, None, None]),
                ("bias", params[f"{layer}.bias"] * scales[layer] + shifts[layer]),
            )
        }

    return Space({name: like.new_zeros(()) for name in DIAL_ROWS}, weights)


def only_in(modules: Sequence[str], names: Sequence[str]) -> bool:
    """True if all of `names` lie in one of `modules`."""
    return all(name.split(".", 1)[0] in modules for name in names)
