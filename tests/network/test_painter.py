"""Pictures between pictures: what is remembered of them, and what the pictures around change."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from filmcli.network.networks import CONFIGS, build
from filmcli.network.painter import Outer, Painter
from filmcli.network.weights import Weights
from tests import nets

HALF = Fraction(1, 2)
NOTHING = None, None


def painter(config: str, recursion: int = 0) -> Painter:
    torch.manual_seed(0)
    net = nets.lively() if config == "film-m" else build(CONFIGS[config])
    weights = Weights(config, net.state_dict(), {}, "")
    return Painter(weights, torch.device("cpu"), torch.float32, recursion)


def frames(count: int, size: int = 64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(1, 3, size, size, generator=generator) for _ in range(count)]


@torch.inference_mode()
@pytest.mark.parametrize(("config", "bends"), [("film-m", True), ("film", False)])
def test_only_who_looks_beside_hears_of_the_pictures_around(config: str, bends: bool) -> None:
    maker = painter(config)
    before, left, right, after = (maker.look(rgb, None) for rgb in frames(4))
    alone = maker.between(left, right, NOTHING, [HALF], None)[HALF]
    around = Outer(before, 1.0), Outer(after, 1.0)
    assert torch.equal(maker.between(left, right, around, [HALF], None)[HALF], alone) != bends


@torch.inference_mode()
def test_a_made_picture_has_no_pictures_around() -> None:
    before, left, right, after = frames(4)
    quarter = Fraction(1, 4)
    maker = painter("film-m", recursion=1)
    seen = [maker.look(rgb, None) for rgb in (before, left, right, after)]
    around = Outer(seen[0], 1.0), Outer(seen[3], 1.0)
    made = maker.between(seen[1], seen[2], around, [quarter, HALF], None)
    plain = painter("film-m")
    halves = plain.look(left, None), plain.look(made[HALF], None)
    assert torch.equal(made[quarter], plain.between(*halves, NOTHING, [HALF], None)[HALF])
