"""A network grown wider makes what the narrow one made."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from filmcli.network import weights
from filmcli.network.film import CONFIGS, Film
from filmcli.network.widening import widened

NARROW, WIDE = CONFIGS["film-xs"], CONFIGS["film-s"]


@torch.no_grad()
def made(net: Film) -> torch.Tensor:
    """The frame at a third between two of a striped picture that slides."""
    ramp = torch.arange(96.0)
    sheet = torch.sin(ramp[:, None] / 5 + ramp**2 / 300).expand(1, 3, 96, 96) / 2 + 0.5
    return net(sheet[..., :64, :80], sheet[..., 4:68, 7:87], torch.tensor([1 / 3]))


def network(name: str, state: dict[str, torch.Tensor]) -> Film:
    net = Film(CONFIGS[name])
    net.load_state_dict(state)
    return net


def test_the_wider_network_makes_the_same_picture() -> None:
    torch.manual_seed(0)
    known = weights.load("film-xs").state_dict
    wide = network("film-s", widened(known, NARROW, WIDE))
    expected = made(network("film-xs", known))
    # Cosines see the fresh features, nothing else does. Of four draws of them the mean difference
    # is 0.0001 at most, at single edges it is 0.003 to 0.012; a level of 8 bits is 0.0039.
    difference = (made(wide) - expected).abs()
    assert difference.mean() < 0.0039 / 10 and difference.max() < 0.02
    assert (expected - made(Film(NARROW))).abs().max() > 0.1  # which could not be by chance


def test_without_correlations_it_is_the_same_to_rounding() -> None:
    torch.manual_seed(0)
    narrow, wide = (
        dataclasses.replace(config, flow_reaches=(), head="rgb") for config in (NARROW, WIDE)
    )
    before, after = Film(narrow), Film(wide)
    after.load_state_dict(widened(before.state_dict(), narrow, wide))
    torch.testing.assert_close(made(after), made(before), atol=1e-5, rtol=0)


def test_the_channels_beside_it_learn() -> None:
    torch.manual_seed(0)
    wide = network("film-s", widened(weights.load("film-xs").state_dict, NARROW, WIDE))
    frames = torch.rand(2, 1, 3, 64, 64)
    wide(frames[0], frames[1], torch.tensor([0.5])).square().mean().backward()
    fresh = wide.fuse.convs[-1][2][0].weight.grad[:8, 8:]  # type: ignore[index,union-attr]
    assert fresh.abs().min() > 0


@pytest.mark.parametrize(("before", "after"), [("film-s", "film-xs"), ("film-xs", "film")])
def test_what_is_not_wider_is_refused(before: str, after: str) -> None:
    with torch.device("meta"):
        known = Film(CONFIGS[before]).state_dict()
        with pytest.raises(ValueError, match=before):
            widened(known, CONFIGS[before], CONFIGS[after])
