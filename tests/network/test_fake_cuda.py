"""The doorway and adaptation on CUDA tensors without values (`tests.fake_cuda`).

Needs a build of torch with CUDA, and neither card nor driver: `make test-fake-cuda`. What the
values are is asked on a pretended device, in `test_apart`, and so is whether gradients flow, and
whatever depends on values: the way back to main memory, and back to float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from filmcli.adaptation.lessons import Triplets
from filmcli.adaptation.scene import Recipe, fits
from filmcli.frames import Color, Layout, Neighbour
from filmcli.network import color, painter
from filmcli.network.color import from_rgb, rounded, to_rgb
from filmcli.network.interpolator import Interpolator
from filmcli.network.networks import CONFIGS, build
from filmcli.network.painter import Outer, Painter
from filmcli.network.weights import Weights
from tests.fake_cuda import (
    CUDA,
    Captured,
    MainMemoryError,
    gradients_at_once,
    needs_cuda_build,
    pretended,
)
from tests.network.test_interpolator import noise

pytestmark = needs_cuda_build

SIZE = 98, 66
LAYOUTS = [
    Layout("yuv420p", "yuv", 8, 1, 1),
    Layout("yuva444p", "yuv", 8, alpha=True),
    Layout("gray", "gray"),
]
PHASES = [Fraction(2, 5), Fraction(4, 5)]


@pytest.fixture(autouse=True)
def _room_for_two_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painter, "pictures_at_once", lambda *_: 2)


def known(name: str) -> Weights:
    return Weights(name, build(CONFIGS[name]).state_dict(), {}, "")


def there(weights: Weights) -> dict[str, Tensor]:
    """Parameters on the device, which stand for those of `weights`."""
    return {key: torch.empty(x.shape, device=CUDA) for key, x in weights.state_dict.items()}


@contextmanager
def painting(name: str, dtype: torch.dtype) -> Iterator[tuple[Painter, dict[str, Tensor]]]:
    """A painter that believes to be on CUDA, and parameters there, which stand for its own."""
    weights = known(name)
    painter = Painter(weights, torch.device("cpu"), dtype, 1)
    painter._device = CUDA
    with pretended(), torch.inference_mode():
        yield painter, there(weights)


def planes_there(layout: Layout, size: tuple[int, int]) -> list[Tensor]:
    return [torch.empty(1, 1, *shape, device=CUDA) for shape in layout.plane_shapes(*size)]


def frame(layout: Layout) -> Tensor:
    return to_rgb(planes_there(layout, SIZE), layout, Color())


@pytest.mark.parametrize(
    ("dtype", "layout"),
    list(zip((torch.float32, torch.float16, torch.bfloat16), LAYOUTS, strict=True)),
    ids=str,
)
@pytest.mark.parametrize("name", CONFIGS)
def test_from_planes_to_planes(name: str, layout: Layout, dtype: torch.dtype) -> None:
    with painting(name, dtype) as (painter, params):
        before, left, right, after = (painter.look(frame(layout), params) for _ in range(4))
        outer = Outer(before, 1.0), Outer(after, 1.0)
        made = painter.between(left, right, outer, PHASES, params)
        rgb = torch.cat([made[phase][:, :, : SIZE[1], : SIZE[0]] for phase in PHASES])
        planes = from_rgb(rgb, layout, Color())
    assert [tuple(x.shape[-2:]) for x in planes] == list(layout.plane_shapes(*SIZE))
    assert all(x.device == CUDA for x in planes)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_phase_left_on_the_cpu_is_refused(name: str) -> None:
    with painting(name, torch.float32) as (painter, params):
        left, right = (painter.look(frame(LAYOUTS[0]), params) for _ in range(2))
        interval = painter._interval(left, right, (None, None), params)
        with pytest.raises(RuntimeError, match="same device"):
            painter._run("synthesize", params, interval, torch.tensor([0.5]))


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_recorded_stays_on_the_device(name: str) -> None:
    with painting(name, torch.float16) as (painter, params):
        params = {key: x.half() for key, x in params.items()}
        with Captured() as captured:
            left, right = (painter.look(frame(LAYOUTS[1]), params) for _ in range(2))
            painter.between(left, right, (None, None), PHASES, params)
    assert captured.dtypes >= {torch.float16, torch.float32}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.pix_fmt)
def test_tiles_and_the_samples_of_whole_pictures(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, weights = (260, 40), known("film-m")
    doorway = Interpolator(weights, layout, Color(), *size, device="cpu", tile=192)
    doorway._device = doorway._painter._device = CUDA
    monkeypatch.setattr(color, "upload", lambda *_: planes_there(layout, size))
    left, right, last = (noise(layout, *size, seed) for seed in range(3))
    around = None, Neighbour(last, Fraction(1))
    with pretended(), torch.inference_mode():
        interval = doorway._interval(left, right, around, PHASES, there(weights))
        rgb = torch.cat(doorway._rgb_between(doorway._painter, interval))
        samples = rounded(from_rgb(rgb, layout, Color()), layout)
        is_finite = rgb.sum().isfinite()
    assert samples.device == is_finite.device == CUDA
    assert samples.numel() == 2 * sum(plane.size for plane in left)


def test_a_scene_is_adapted_to() -> None:
    net = build(CONFIGS["film-m"])
    with pretended(), gradients_at_once(net):
        net.to(CUDA)
        frames = [torch.empty(2, 3, 64, 64, device=CUDA) for _ in range(3)]
        around = torch.empty(2, 4, 3, 64, 64, device=CUDA)
        support = [Triplets(*frames, torch.full((2,), 0.5, device=CUDA), 8, around)]
        deltas = dict(fits(net, support, Recipe(steps=2)))
    assert list(deltas) == [1, 2]
    assert all(delta.device == CUDA for delta in deltas[2].values())


def test_what_a_graph_cannot_capture_is_refused() -> None:
    with pretended():
        x, here = torch.ones(3, device=CUDA), torch.ones(3)
        with Captured():
            assert ((x * 2).sum() + torch.zeros((), device=CUDA)).device == CUDA
        for brings in (
            lambda: x.new_tensor([1.0]),
            lambda: torch.tensor([1.0], device=CUDA),
            lambda: here.to(CUDA),
            lambda: x.cpu(),
            lambda: x.copy_(here),
            lambda: x * torch.tensor(2.0),
        ):
            with pytest.raises(MainMemoryError), Captured():
                brings()
        for waits in (lambda: x.sum().item(), lambda: bool(x[0] > 0), lambda: float(x[0])):
            with pytest.raises(Exception, match="_local_scalar_dense"), Captured():
                waits()
        for waits in (lambda: x[x > 0], lambda: x.nonzero()):
            with pytest.raises(Exception, match="nonzero"), Captured():
                waits()
