"""The doorway and adaptation on a device that is not the CPU.

The device is of our own making (`tests.apart`): a tensor that stayed in main memory is refused, as
a GPU refuses it, and the pictures can be compared with the CPU's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from filmcli.adaptation.scene import Recipe, adapt_scene
from filmcli.errors import MachineError
from filmcli.frames import Color, Layout, Neighbour, Planes
from filmcli.network import interpolator, machine, painter
from filmcli.network.interpolator import Interpolator
from filmcli.network.networks import CONFIGS, build
from filmcli.network.weights import Weights, load
from tests.adaptation.test_scene import fading, scene
from tests.apart import DEVICE, Apart, counted
from tests.network.test_interpolator import levels_apart, noise, weights

YUV420 = Layout("yuv420p", "yuv", 8, 1, 1)
LAYOUTS = [
    YUV420,
    Layout("yuv422p10le", "yuv", 10, 1, 0),
    Layout("gray16le", "gray", 16),
    Layout("yuva444p", "yuv", 8, alpha=True),
]
PHASES = [Fraction(2, 5), Fraction(4, 5)]


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the doorway find the device by its name, and it is not full with one picture."""
    monkeypatch.setattr(interpolator, "choose_device", torch.device)
    at_once = {"cpu": 1, "apart": 4}
    monkeypatch.setattr(painter, "pictures_at_once", lambda device, *_: at_once[device.type])


def intervals(
    known: Weights, layout: Layout, size: tuple[int, int], device: str, **how: object
) -> Iterator[list[Planes]]:
    """The pictures of interval after interval, frames around them."""
    shot = [noise(layout, *size, seed) for seed in range(6)]
    doorway = Interpolator(known, layout, Color(), *size, device=device, **how)  # type: ignore[arg-type]
    for k in range(3):
        before, after = (Neighbour(shot[i], Fraction(1)) for i in (k, k + 3))
        yield doorway.between(shot[k + 1], shot[k + 2], PHASES, before=before, after=after)


def test_the_device_refuses_what_a_gpu_refuses() -> None:
    apart, here = torch.ones(3, device=DEVICE), torch.ones(3)
    assert isinstance(apart, Apart)
    assert apart.device == DEVICE
    for mix in (lambda: apart + here, lambda: here * apart, lambda: torch.cat((apart, here))):
        with pytest.raises(RuntimeError, match="mixes"):
            mix()
    table, rows = torch.ones(2, 8, device=DEVICE), torch.zeros(1, 1, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="is for the CPU"):
        F.embedding_bag(rows.to(DEVICE), table, mode="sum")
    with counted() as seen:
        total = (apart * 2 + here.to(DEVICE)).sum()
        assert seen == ([], ["copy_"])
        assert float(total) == 9
        assert bool(total > 8)
        assert apart.cpu().tolist() == [1, 1, 1]
    assert len(seen.waits) == 3


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.pix_fmt)
@pytest.mark.parametrize("config", ["film-m"])
def test_pictures_are_the_cpus(layout: Layout, config: str) -> None:
    here, apart = (
        intervals(load(config), layout, (50, 38), device, precision="float32")
        for device in ("cpu", "apart")
    )
    for one, other in zip(here, apart, strict=True):
        assert all(
            levels_apart(a, b) <= 1 << (layout.depth - 8) for a, b in zip(one, other, strict=True)
        )


def test_tiles_are_the_cpus() -> None:
    here, apart = (
        intervals(load("film-m"), YUV420, (260, 40), device, precision="float32", tile=192)
        for device in ("cpu", "apart")
    )
    for one, other in zip(here, apart, strict=True):
        assert all(levels_apart(a, b) <= 1 for a, b in zip(one, other, strict=True))


def test_without_room_for_whole_pictures_tiles_take_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def first(**how: object) -> tuple[list[Planes], int]:
        Apart.largest = 0
        made = next(
            intervals(load("film-m"), YUV420, (520, 80), "apart", precision="float32", **how)
        )
        return made, Apart.largest

    monkeypatch.setattr(painter, "pictures_at_once", lambda *_: 1)
    (_, large), (tiled, small) = first(tile=None), first(tile=192)
    assert small < large
    monkeypatch.setattr(Apart, "room", small)
    with caplog.at_level(logging.WARNING):
        made, _ = first()
    assert "192 px tiles" in caplog.text
    assert all(levels_apart(a, b) == 0 for a, b in zip(made, tiled, strict=True))
    with pytest.raises(MachineError, match="does not suffice"):
        first(tile=None)


def test_without_room_for_several_pictures_whole_ones_are_made_one_by_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def pictures(at_once: int) -> tuple[list[Planes], int]:
        monkeypatch.setattr(painter, "pictures_at_once", lambda *_: at_once)
        Apart.largest = 0
        made = list(intervals(load("film-m"), YUV420, (128, 96), "apart", precision="float32"))
        return [planes for of_interval in made for planes in of_interval], Apart.largest

    (together, large), (one_by_one, small) = pictures(2), pictures(1)
    assert small < large
    monkeypatch.setattr(Apart, "room", small)
    with caplog.at_level(logging.WARNING):
        short, _ = pictures(2)
    assert not caplog.records
    for made, single, pair in zip(short, one_by_one, together, strict=True):
        assert levels_apart(made, single) == 0
        assert levels_apart(pair, single) <= 1


def test_published_film_and_its_recursion() -> None:
    torch.manual_seed(0)
    config = replace(CONFIGS["film"], filters=4, flow_filters=(4, 4, 4, 4))
    state = build(config).state_dict()
    shot = [noise(YUV420, 64, 64, seed) for seed in range(2)]
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CONFIGS, "film", config)
        for device in ("cpu", "apart"):
            known = Weights("film", state, {}, "")
            doorway = Interpolator(
                known, YUV420, Color(), 64, 64, device=device, precision="float32"
            )
            made.append(doorway.between(*shot, [Fraction(1, 4), Fraction(3, 5)]))
    assert all(levels_apart(a, b) <= 1 for a, b in zip(*made, strict=True))


def test_half_precision_is_the_cpus() -> None:
    def far_off(one: list[list[Planes]], other: list[list[Planes]]) -> float:
        """The share of samples that are more than 2 levels apart."""
        off = [
            np.abs(a.astype(int) - b.astype(int)).ravel()
            for pictures in zip(one, other, strict=True)
            for planes in zip(*pictures, strict=True)
            for a, b in zip(*planes, strict=True)
        ]
        return float(np.mean(np.concatenate(off) > 2))

    def made(device: str, precision: str) -> list[list[Planes]]:
        return list(intervals(load("film-m"), YUV420, (64, 48), device, precision=precision))

    exact, here = made("cpu", "float32"), made("cpu", "bfloat16")
    assert far_off(made("cpu", "float16"), made("apart", "float16")) == 0
    # A CPU rounds to bfloat16 behind the ReLU, others before it, too. All of it is noise, the worst
    # there is: what the two roundings differ by is less than what either takes away.
    assert 0 < far_off(here, made("apart", "bfloat16")) < far_off(here, exact)


def test_what_is_too_large_for_half_precision_goes_on_in_float32(
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = weights(still=True)
    known.state_dict[next(iter(known.state_dict))] *= 1e6  # of the extractor's first layer
    with caplog.at_level(logging.WARNING):
        made = list(intervals(known, YUV420, (64, 48), "apart", precision="float16"))
    assert "too narrow" in caplog.text
    here = intervals(known, YUV420, (64, 48), "cpu", precision="float32")
    for one, other in zip(here, made, strict=True):
        assert all(levels_apart(a, b) <= 1 for a, b in zip(one, other, strict=True))


def test_a_film_waits_for_the_device_twice_an_interval() -> None:
    made = intervals(load("film-m"), YUV420, (64, 48), "apart", precision="float32")
    for _ in range(3):
        with counted() as seen:
            next(made)
        assert seen.waits == [
            "to",
            "to",
        ]  # the planes, and whether they are finite, together on a GPU


@pytest.mark.parametrize("config", [name for name in CONFIGS if name != "film"])
def test_what_is_recorded_neither_waits_nor_brings_anything(config: str) -> None:
    seen: list[tuple[list[str], list[str]]] = []

    def replayer(function: Callable[..., object], *inputs: object) -> object:
        with counted() as happened:
            result = function(*inputs)
        seen.append(happened)
        return result

    shot = [noise(YUV420, 64, 48, seed) for seed in range(4)]
    doorway = Interpolator(load(config), YUV420, Color(), 64, 48, device="apart")
    doorway._painter._replayer = replayer  # type: ignore[assignment]
    around = (Neighbour(shot[k], Fraction(1)) for k in (0, 3))
    doorway.between(shot[1], shot[2], PHASES, before=next(around), after=next(around))
    assert len(seen) > 4
    assert [happened for happened in seen if happened != ([], [])] == []


def test_parameters_of_a_scene_are_brought_over() -> None:
    params = {name: value * 1.01 for name, value in load("film-m").state_dict.items()}
    shot = [noise(YUV420, 64, 48, seed) for seed in range(2)]
    made = [
        Interpolator(
            load("film-m"), YUV420, Color(), 64, 48, device=d, precision="float32"
        ).between(*shot, PHASES, params)
        for d in ("cpu", "apart")
    ]
    assert all(levels_apart(a, b) <= 1 for a, b in zip(*made, strict=True))


def test_a_scene_is_adapted_to_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_multiplies_bfloat16", lambda: False)  # as it is there
    recipe = Recipe(learning_rate=1e-5, crop_px=64, steps=1)
    results = []
    for device in (torch.device("cpu"), DEVICE):
        net = build(CONFIGS["film-m"])
        net.load_state_dict(load("film-m").state_dict)
        net.to(device)
        results.append(adapt_scene(net, scene(), lambda i, d=device: fading(i).to(d), recipe))
    here, apart = results
    assert apart.before == pytest.approx(here.before, abs=1e-3)
    assert apart.after == pytest.approx(here.after, abs=1e-3)
    assert apart.why == here.why
