"""Networks that others adapted to scenes before us, small: what adaptation is compared by.

Each is written from its paper and has FILM's call signature, `(left, right, phase)` -> frame.
They are trained (`filmcli train --set config=NAME`), meta-trained and scored (docs/backbones.md);
they make no films, for which the frames around, alpha and tiles would have to be known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from filmcli.backbones.dain import Dain
from filmcli.backbones.sepconv import SepConv
from filmcli.backbones.superslomo import SuperSloMo
from filmcli.backbones.voxelflow import VoxelFlow
from filmcli.errors import UsageError
from filmcli.network import networks, weights

BACKBONES: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {"voxelflow": VoxelFlow, "superslomo": SuperSloMo, "sepconv": SepConv, "dain": Dain}
)
"""How each is built, by the names that recipes and weights files give them."""


def build(name: str) -> nn.Module:
    """Return a fresh network of that name, one of these or of those that make films.

    Raises UsageError if there is none.
    """
    if name in BACKBONES:
        return BACKBONES[name]()
    if name not in networks.CONFIGS:
        known = ", ".join((*networks.CONFIGS, *BACKBONES))
        raise UsageError(f"There is no network '{name}'.", f"Known are {known}.", "Name one.")
    return networks.build(networks.CONFIGS[name])


def load(name_or_path: str | None = None) -> weights.Weights:
    """Return weights of one of these networks, too; raises what `filmcli.network.weights` does."""
    return weights.load(name_or_path, BACKBONES)
