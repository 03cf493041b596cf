"""What a step costs, counted, and which scenes get one."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from filmcli.adaptation.film import adaptable, recipe_of
from filmcli.adaptation.scene import Scene, adapt_scene
from filmcli.adaptation.worth import counted, steps_for
from filmcli.network.networks import Network
from filmcli.network.synthesis import Beside
from filmcli.network.weights import load

SIDE = 192


def multiplied(work: Callable[[], Any]) -> tuple[int, Any]:
    """How many multiply-adds some work takes, and what comes of it."""

    def fused(x: Any, weight: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return int(conv_flop_count(list(x), list(weight), list(out_shape)))

    fusing = {torch.ops.mkldnn._convolution_pointwise: fused}
    with FlopCounterMode(display=False, custom_mapping=fusing) as counter:
        found = work()
    return counter.get_total_flops() // 2, found


def frame(i: int) -> Tensor:
    """A texture that moves by a pixel a frame."""
    grain = torch.rand(1, 3, SIDE, SIDE + 40, generator=torch.Generator().manual_seed(0))
    return grain[..., i : i + SIDE]


@torch.no_grad()
def picture(net: Network) -> None:
    """Make one picture, as in a film: one frame is new, the others are known."""
    before, left, right, after = (net.features(frame(i)) for i in range(4))
    one = torch.ones(1)
    interval = net.interval(left, right, Beside(before, one), Beside(after, one))
    net.synthesize(interval, one / 2)


def test_a_step_costs_what_is_counted() -> None:
    weights = load()
    net = adaptable(weights, "cpu")
    times = [Fraction(i, 24) for i in range(40)]
    scene = Scene(0, 0, 40, times, [9.0] * 40)
    made, _ = multiplied(lambda: picture(net))
    known, _ = multiplied(lambda: [net.features(frame(i)) for i in range(3)])
    spent, found = multiplied(lambda: adapt_scene(net, scene, frame, recipe_of(weights, 1)))
    assert found.before is not None
    assert spent / (made - known) == pytest.approx(counted(SIDE, SIDE), rel=0.1)


@given(height=st.integers(192, 4320), width=st.integers(192, 8192))
def test_a_step_costs_six_pictures_at_most(height: int, width: int) -> None:
    assert counted(height, width) <= 6


def test_a_scene_gets_a_step_where_that_is_a_twentieth_of_its_pictures() -> None:
    made = [0, 50, 100, 150, 1000]
    assert steps_for("auto", made, 720, 1280, card=False) == [0, 0, 1, 1, 1]
    assert steps_for("auto", made, 360, 640, card=False) == [0, 0, 0, 0, 1]
    assert steps_for("auto", made, 720, 1280, card=True) == [0] * 5
    assert steps_for(3, made, 720, 1280, card=True) == [3] * 5


@given(made=st.integers(0, 10**6), height=st.integers(16, 4320), width=st.integers(16, 8192))
def test_what_is_counted_is_never_more_than_a_twentieth(made: int, height: int, width: int) -> None:
    (steps,) = steps_for("auto", [made], height, width, card=False)
    assert steps * counted(height, width) <= made / 20
