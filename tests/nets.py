"""Networks whose answer is known without training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from filmcli.network.film import FilmConfig
from filmcli.network.moment import Moment, MomentConfig
from filmcli.network.networks import CONFIGS
from filmcli.network.weights import Weights

TINY = MomentConfig(
    "tiny",
    stages=(8, 8, 8),
    features=(8, 8),
    widths=(8, 8),
    depths=(2, 2),
    reaches=(1, 1),
    state=8,
    fusion=(8, 8, 8),
)


TINY_FILM = FilmConfig(
    "tiny",
    filters=4,
    flow_filters=(4, 4, 4),
    flow_convs=(1, 1, 1),
    pyramid_levels=4,
    fusion_levels=3,
    specialized_levels=2,
    sub_levels=2,
)


def still(config: MomentConfig | None = None, seed: int = 0) -> Moment:
    """A network that finds no motion and has no opinion: it blends both neighbours by the phase."""
    return _ending(nn.init.zeros_, config, seed)


def lively(config: MomentConfig | None = None, seed: int = 0) -> Moment:
    """A network whose random flows reach several pixels, and which has opinions."""
    return _ending(nn.init.xavier_normal_, config, seed)


def _ending(fill: Callable[[Tensor], Tensor], config: MomentConfig | None, seed: int) -> Moment:
    torch.manual_seed(seed)
    net = Moment(config or CONFIGS["film-m"])  # type: ignore[arg-type]
    for last in (net.near.leave, net.far.leave, net.fuse.correct, net.fuse.paint):
        fill(last.weight)
    return net


def weights(net: Moment, scale: float = 1.0) -> Weights:
    """The weights of a film-m, each times `scale`."""
    state = {name: tensor * scale for name, tensor in net.state_dict().items()}
    return Weights("film-m", state, {}, "")


RESIDUAL = slice(4, 16)
"""What is added to three colours, each of four pixels, in what `paint` gives."""


def tinted(net: Moment, by: float) -> Moment:
    """The network, with its pictures brighter by so much everywhere."""
    with torch.no_grad():
        net.fuse.paint.bias[RESIDUAL] += by
    return net
