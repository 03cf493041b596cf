"""Pictures between pictures: what is remembered of them, and what the pictures around change."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import nn

from filmcli.network.film import CONFIGS, Film
from filmcli.network.painter import Outer, Painter
from filmcli.network.weights import Weights

HALF = Fraction(1, 2)
NOTHING = None, None


def painter(config: str, recursion: int = 0) -> Painter:
    torch.manual_seed(0)
    net = Film(CONFIGS[config])
    for predictor in (net.predict_flow._predictor, *net.predict_flow._predictors):
        nn.init.xavier_normal_(predictor._convs[-1][0].weight)
    weights = Weights(config, net.state_dict(), {}, "")
    return Painter(weights, torch.device("cpu"), torch.float32, recursion)


def frames(count: int, size: int = 64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(1, 3, size, size, generator=generator) for _ in range(count)]


@torch.inference_mode()
def test_flows_are_known_until_they_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    flows = Film.flows

    def counted(*args: object) -> object:
        calls.append("flows")
        return flows(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(Film, "flows", counted)
    maker = painter("film-xs")
    first, second, third = (maker.look(rgb, None) for rgb in frames(3))
    maker.between(first, second, (None, Outer(third, 1.0)), [HALF], None)
    assert len(calls) == 2
    maker.forget([second, third])
    maker.between(second, third, NOTHING, [HALF], None)
    assert len(calls) == 2
    maker.between(first, second, NOTHING, [HALF], None)
    assert len(calls) == 3
    maker.forget([])
    maker.between(second, third, NOTHING, [HALF], None)
    assert len(calls) == 4


@torch.inference_mode()
@pytest.mark.parametrize(("config", "bends"), [("film-xs", True), ("film", False)])
def test_only_a_network_that_bends_hears_of_the_pictures_around(config: str, bends: bool) -> None:
    maker = painter(config)
    before, left, right, after = (maker.look(rgb, None) for rgb in frames(4))
    alone = maker.between(left, right, NOTHING, [HALF], None)[HALF]
    around = Outer(before, 1.0), Outer(after, 1.0)
    assert torch.equal(maker.between(left, right, around, [HALF], None)[HALF], alone) != bends


@torch.inference_mode()
def test_a_made_picture_has_no_pictures_around() -> None:
    before, left, right, after = frames(4)
    quarter = Fraction(1, 4)
    maker = painter("film-xs", recursion=1)
    seen = [maker.look(rgb, None) for rgb in (before, left, right, after)]
    around = Outer(seen[0], 1.0), Outer(seen[3], 1.0)
    made = maker.between(seen[1], seen[2], around, [quarter, HALF], None)
    plain = painter("film-xs")
    halves = plain.look(left, None), plain.look(made[HALF], None)
    assert torch.equal(made[quarter], plain.between(*halves, NOTHING, [HALF], None)[HALF])
