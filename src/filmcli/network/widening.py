"""A trained network grown wider, so that what it knows need not be learned again.

The wide network begins as the narrow one with more channels beside: they are fed by fresh weights,
and nothing that the narrow one computes reads them until training finds a use for them. The idea is
Net2Net's (Chen et al., ICLR 2016), but with fresh channels in place of copied ones, which would
first have to grow apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from filmcli.network.film import Film, FilmConfig

_QUIET = 0.3  # of fresh features, which correlations see from the start


@torch.no_grad()
def widened(
    narrow: Mapping[str, Tensor], before: FilmConfig, after: FilmConfig
) -> dict[str, Tensor]:
    """Return parameters of the network `after` that begin as `narrow`, those of `before`.

    Both make the same picture, but for what fresh features change in the correlations. Fresh
    weights come from torch's global generator; flow predictors of finer levels begin by adding
    nothing. Raises ValueError if `after` is not `before` with as many channels, as fine, or more.
    """
    grown = ("name", "filters", "flow_filters", "finest_flow")
    if replace(after, **{name: getattr(before, name) for name in grown}) != before:
        raise ValueError(f"'{after.name}' differs from '{before.name}' in more than its sizes.")
    wide: dict[str, Tensor] = Film(after).state_dict()
    if narrow.keys() - wide.keys():
        raise ValueError(f"'{before.name}' has flow of finer levels than '{after.name}'.")
    groups_before, groups_after = _groups(before), _groups(after)
    for name, value in wide.items():
        known = narrow.get(name)
        if known is None:
            if "._convs.4." in name:  # the last layer of a predictor that `before` has not
                value.zero_()
            continue
        if any(many > more for many, more in zip(known.shape, value.shape, strict=True)):
            raise ValueError(f"'{before.name}' has more channels than '{after.name}' in '{name}'.")
        if name.startswith("extract."):
            value *= _QUIET
        value[: len(known)] = 0
        if value.ndim == 1:
            value[: len(known)] = known
        else:
            layer = name.removesuffix(".0.weight")
            groups = groups_before.get(layer, []), groups_after.get(layer, [])
            value[: len(known), list(_places(*groups, known.shape[1]))] = known
    return wide


def _groups(config: FilmConfig) -> dict[str, list[int]]:
    """Return the widths of the groups of channels that a layer reads, where they are several.

    What stands behind them is single, or as wide in one network as in another.
    """
    stages = [config.filters << stage for stage in range(config.sub_levels)]
    features = [stages[: level + 1] for level in range(config.pyramid_levels)]
    specialised, coarsest = config.specialized_levels, config.fusion_levels - 1
    groups = {"predict_flow._predictor._convs.0": 2 * features[specialised]}
    for level in range(config.finest_flow, specialised):
        layer = f"predict_flow._predictors.{specialised - 1 - level}._convs.0"
        groups[layer] = 2 * features[level]
    groups["fuse.convs.0.0"] = 2 * [3, *features[coarsest]]
    for level in range(coarsest):
        groups[f"fuse.convs.{coarsest - 1 - level}.1"] = 2 * [3, *features[level]]
    return groups


def _places(before: Sequence[int], after: Sequence[int], channels: int) -> Iterator[int]:
    """Tell for each of `channels` that the narrow layer reads where the wide one reads it."""
    start = 0
    for many, more in zip(before, after, strict=True):
        yield from range(start, start + many)
        start += more
    yield from range(start, start + channels - sum(before))
