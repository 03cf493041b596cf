"""The network on CUDA tensors without values: what CUDA cannot do, or mixes with the CPU, raises.

Needs a build of torch with CUDA, and neither card nor driver: `make test-fake-cuda`. What the
values are is asked on a pretended device, in `test_apart`, and so is whether gradients flow:
torch's engine for them wants a card.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from filmcli.frames import Color, Layout
from filmcli.network.color import from_rgb, to_rgb
from filmcli.network.networks import CONFIGS, build
from filmcli.network.painter import Outer, Painter
from filmcli.network.weights import Weights

pytestmark = pytest.mark.skipif(torch.version.cuda is None, reason="torch is built without CUDA")

CUDA = torch.device("cuda", 0)
SIZE = 98, 66
LAYOUTS = [
    Layout("yuv420p", "yuv", 8, 1, 1),
    Layout("yuva444p", "yuv", 8, alpha=True),
    Layout("gray", "gray"),
]
PHASES = [Fraction(2, 5), Fraction(4, 5)]


@contextmanager
def pretended(name: str, dtype: torch.dtype) -> Iterator[tuple[Painter, dict[str, Tensor]]]:
    """A painter that believes to be on CUDA, and parameters there, which stand for its own."""
    known = Weights(name, build(CONFIGS[name]).state_dict(), {}, "")
    painter = Painter(known, torch.device("cpu"), dtype, 1)
    painter._device = CUDA
    with FakeTensorMode(), torch.backends.cudnn.flags(enabled=False), torch.inference_mode():
        shapes = {key: value.shape for key, value in known.state_dict.items()}
        yield painter, {key: torch.empty(shape, device=CUDA) for key, shape in shapes.items()}


def frame(layout: Layout) -> Tensor:
    shapes = layout.plane_shapes(*SIZE)
    planes = [torch.empty(1, 1, *shape, device=CUDA) for shape in shapes]
    return to_rgb(planes, layout, Color())


@pytest.mark.parametrize(
    ("dtype", "layout"),
    list(zip((torch.float32, torch.float16, torch.bfloat16), LAYOUTS, strict=True)),
    ids=str,
)
@pytest.mark.parametrize("name", CONFIGS)
def test_from_planes_to_planes(name: str, layout: Layout, dtype: torch.dtype) -> None:
    with pretended(name, dtype) as (painter, params):
        before, left, right, after = (painter.look(frame(layout), params) for _ in range(4))
        outer = Outer(before, 1.0), Outer(after, 1.0)
        made = painter.between(left, right, outer, PHASES, params)
        rgb = torch.cat([made[phase][:, :, : SIZE[1], : SIZE[0]] for phase in PHASES])
        planes = from_rgb(rgb, layout, Color())
    assert [tuple(x.shape[-2:]) for x in planes] == list(layout.plane_shapes(*SIZE))
    assert all(x.device == CUDA for x in planes)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_phase_left_on_the_cpu_is_refused(name: str) -> None:
    with pretended(name, torch.float32) as (painter, params):
        left, right = (painter.look(frame(LAYOUTS[0]), params) for _ in range(2))
        interval = painter._interval(left, right, (None, None), params)
        with pytest.raises(RuntimeError, match="same device"):
            painter._run("synthesize", params, interval, torch.tensor([0.5]))
