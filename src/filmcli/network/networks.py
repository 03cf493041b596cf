"""Which networks there are, and what all of them can do."""

from __future__ import annotations

from typing import Any

from torch import nn

from filmcli.network.film import Film, FilmConfig
from filmcli.network.moment import Moment, MomentConfig

Config = FilmConfig | MomentConfig

CONFIGS: dict[str, Config] = {
    "film": FilmConfig("film"),
    "film-m": MomentConfig("film-m"),
}
"""The networks by name: the published one, and ours, whose flow lives at the wanted moment."""


Network = Film | Moment
"""What makes frames between frames, in stages, so that work can be shared.

`features` depends on one source frame alone, `interval` on two and those beside them, `synthesize`
on a phase in between; it is `ready`, and then `fused` by the module "fuse". `knows_phase` is false
for a network that was trained at the middle only, `looks_beside` for one that frames beside an
interval tell nothing.
"""


def network_of(config: Config) -> type[Network]:
    """Return the kind of network that `config` is a configuration of."""
    return Film if isinstance(config, FilmConfig) else Moment


def build(config: Config) -> Network:
    """Return the network of a configuration, freshly initialised from torch's global generator."""
    return Film(config) if isinstance(config, FilmConfig) else Moment(config)


class Stages(nn.Module):
    """Lets one `functional_call` reach any of a network's stages; parameters begin with "net."."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, stage: str, *inputs: Any) -> Any:
        """Return what the stage of this name ("features", "interval" ...) makes of `inputs`."""
        return getattr(self.net, stage)(*inputs)
