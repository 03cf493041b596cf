"""Pictures between pictures: what is remembered of them, and what the pictures around change."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
import torch

from filmcli.network import machine
from filmcli.network import painter as painters
from filmcli.network.film import Film
from filmcli.network.machine import pictures_at_once
from filmcli.network.moment import Moment
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


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each call of a network made, three at once being allowed at most."""
    numbers: list[int] = []
    monkeypatch.setattr(painters, "pictures_at_once", lambda *_: 3)

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def synthesize(net: object, interval: object, phase: torch.Tensor) -> object:
            numbers.append(len(phase))
            return real(net, interval, phase)

        return synthesize

    for network in (Film, Moment):
        monkeypatch.setattr(network, "synthesize", counted(network.synthesize))
    return numbers


PHASES = [Fraction(k, 6) for k in range(1, 6)]


@torch.inference_mode()
@pytest.mark.parametrize(("config", "alpha"), [("film-m", 0), ("film-m", 1), ("film", 1)])
def test_pictures_of_one_interval_are_made_together(
    batches: list[int], config: str, alpha: int
) -> None:
    generator = torch.Generator().manual_seed(1)
    shot = [torch.rand(1, 3 + alpha, 64, 72, generator=generator) for _ in range(4)]
    maker = painter(config)
    before, left, right, after = (maker.look(rgb, None) for rgb in shot)
    around = Outer(before, 1.0), Outer(after, 1.0)
    together = maker.between(left, right, around, PHASES, None)
    assert batches == [2, 2, 1]
    for phase in PHASES[1:3]:
        # Another number of pictures takes other kernels of the library's, which add up in another
        # order: alike to 1e-4, a fortieth of a level of 8 bits.
        alone = maker.between(left, right, around, [phase], None)[phase]
        assert together[phase].shape == alone.shape
        assert torch.allclose(together[phase], alone, atol=1e-4)
    assert (together[PHASES[0]] - together[PHASES[-1]]).abs().max() > 0.05


@torch.inference_mode()
def test_without_memory_pictures_are_made_one_by_one(batches: list[int]) -> None:
    maker = painter("film-m")
    left, right = (maker.look(rgb, None) for rgb in frames(2))
    assert not maker.release()  # on a CPU it is less only on paper
    maker.between(left, right, NOTHING, PHASES, None)
    assert batches == [1] * 5


def test_how_many_pictures_fill_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cpu")
    assert pictures_at_once(device, 16, 16) == 1
    monkeypatch.setattr(machine, "multiprocessors", lambda _: 132)
    sizes = (360, 640), (720, 1280), (1080, 1920), (2160, 3840)
    assert [pictures_at_once(device, *size) for size in sizes] == [9, 2, 1, 1]
    monkeypatch.setattr(machine, "multiprocessors", lambda _: 20)
    assert [pictures_at_once(device, *size) for size in sizes] == [1, 1, 1, 1]


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
