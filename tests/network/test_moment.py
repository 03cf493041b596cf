"""The whole network whose flow lives at the moment: stages, sizes, what it may and may not see."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from filmcli.network.moment import Moment, MomentConfig
from filmcli.network.networks import CONFIGS, build
from filmcli.network.synthesis import Beside
from tests import nets

HALF = torch.tensor([0.5])


def textured(height: int, width: int, seed: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def beside(net: Moment, frame: Tensor, distance: float = 1.0) -> Beside:
    return Beside(net.features(frame), torch.full((len(frame),), distance))


def test_it_is_as_large_as_the_card_says() -> None:
    with torch.device("meta"):
        net = build(CONFIGS["film-m"])
    assert sum(p.numel() for p in net.parameters()) == 3_143_290


@torch.no_grad()
def test_stages_in_a_row_are_the_whole() -> None:
    net = nets.lively(nets.TINY)
    left, right = textured(64, 80, 1, 2), textured(64, 80, 2, 2)
    phase = torch.tensor([0.3, 0.5])
    interval = net.interval(net.features(left), net.features(right))
    whole = net(left, right, phase)
    assert torch.equal(net.synthesize(interval, phase).frame, whole)
    assert torch.equal(net.fused(net.ready(interval, phase)).frame, whole)


@torch.no_grad()
def test_a_batch_is_its_pictures_one_by_one() -> None:
    net = nets.lively(nets.TINY)
    left, right, phase = textured(64, 64, 1, 2), textured(64, 64, 2, 2), torch.tensor([0.3, 0.6])
    both = net(left, right, phase)
    for i in range(2):
        alone = net(left[i : i + 1], right[i : i + 1], phase[i : i + 1])
        assert torch.allclose(both[i], alone[0], atol=1e-4)


@torch.no_grad()
def test_frames_around_count_only_where_they_are_known() -> None:
    net = nets.lively(nets.TINY)
    left, right = (net.features(textured(64, 64, seed)) for seed in (1, 2))
    before, after = (beside(net, textured(64, 64, seed)) for seed in (3, 4))

    def made(*outer: Beside | None) -> Tensor:
        return net.synthesize(net.interval(left, right, *outer), HALF).frame

    nobody = torch.zeros(1)
    alone = made()
    hidden = made(before._replace(known=nobody), after._replace(known=nobody))
    assert torch.equal(alone, hidden)
    for outer in ((before, None), (None, after), (before, after)):
        assert not torch.allclose(made(*outer), alone, atol=1e-3)
    farther = before._replace(distance=torch.full((1,), 1.5))
    assert not torch.allclose(made(before), made(farther), atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(16, 16), (64, 96), (90, 162), (88, 34)])
def test_it_takes_any_even_size(height: int, width: int) -> None:
    made = nets.lively(nets.TINY)(textured(height, width, 1), textured(height, width, 2), HALF)
    assert made.shape == (1, 3, height, width)
    assert torch.isfinite(made).all()


def test_refuses_frames_too_small_for_the_pyramid() -> None:
    with pytest.raises(ValueError, match="too small"):
        nets.still(nets.TINY).features(textured(6, 64, 1))


@pytest.mark.parametrize(
    ("size", "coarsest"), [((16, 16), 3), ((128, 128), 5), ((720, 1280), 6), ((20, 200), 3)]
)
def test_depth_follows_the_size(size: tuple[int, int], coarsest: int) -> None:
    assert MomentConfig("any").levels_for(*size) == coarsest


def test_every_parameter_gets_a_gradient() -> None:
    net = nets.lively(nets.TINY)
    left, right = (net.features(textured(128, 128, seed)) for seed in (1, 2))
    outer = (beside(net, textured(128, 128, seed)) for seed in (3, 4))
    made = net.synthesize(net.interval(left, right, *outer), torch.tensor([0.4]))
    made.frame.pow(2).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_other_parameters_change_the_picture_but_not_the_network() -> None:
    net = nets.still(nets.TINY)
    frames = textured(64, 64, 1), textured(64, 64, 2), HALF
    before = {name: value.clone() for name, value in net.state_dict().items()}
    plain = net(*frames)
    bias = before["fuse.paint.bias"].clone()
    bias[4:16] = 0.25  # the residual's channels, four pixels each
    shifted = torch.func.functional_call(net, {"fuse.paint.bias": bias}, frames)
    assert torch.allclose(shifted, plain + 0.25, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@torch.no_grad()
def test_half_precision_keeps_flows_in_float32() -> None:
    net = nets.still(nets.TINY)
    left, right = textured(64, 64, 1), textured(64, 64, 2)
    exact = net(left, right, HALF)
    net.to(torch.bfloat16)
    interval = net.interval(net.features(left), net.features(right))
    made = net.synthesize(interval, HALF)
    assert {flow.dtype for flow in (*made.ways, *made.motions)} == {torch.float32}
    assert made.frame.dtype == torch.float32
    assert (made.frame - exact).abs().max() < 1e-5  # what is blended is not rounded
