"""Pyramids, resizing and warping by values worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from filmcli.network.pyramids import image_pyramid, resize_like, warp


@pytest.fixture(params=["with gradients", "without"])
def grad_mode(request: pytest.FixtureRequest) -> Iterator[None]:
    """Warping takes another path when nothing is to be learned; both must be right."""
    with torch.set_grad_enabled(request.param == "with gradients"):
        yield


def ramp(height: int, width: int) -> Tensor:
    """Pixel (x, y) holds x + 10 y."""
    return (torch.arange(width) + 10.0 * torch.arange(height)[:, None])[None, None]


def constant_flow(dx: float, dy: float, height: int, width: int) -> Tensor:
    return torch.tensor([dx, dy])[None, :, None, None].expand(1, 2, height, width).contiguous()


def test_each_level_is_the_mean_of_four_and_odd_edges_are_dropped() -> None:
    levels = image_pyramid(ramp(5, 7), 3)
    assert [tuple(level.shape[-2:]) for level in levels] == [(5, 7), (2, 3), (1, 1)]
    assert torch.equal(levels[1][0, 0], torch.tensor([[5.5, 7.5, 9.5], [25.5, 27.5, 29.5]]))
    assert levels[2].item() == 16.5


def test_refuses_to_run_out_of_pixels() -> None:
    with pytest.raises(ValueError, match="7x3 frame is too small for 3 pyramid levels"):
        image_pyramid(ramp(3, 7), 3)


def test_resizing_uses_half_pixel_centres() -> None:
    row = torch.tensor([[[[0.0, 4.0]]]])
    resized = resize_like(row, torch.zeros(1, 1, 1, 4))
    assert resized.flatten().tolist() == [0.0, 1.0, 3.0, 4.0]


@pytest.mark.usefixtures("grad_mode")
@pytest.mark.parametrize(("dx", "dy"), [(2, 1), (-1, 0), (0.25, 0.5), (0, -1.75)])
def test_a_ramp_moves_by_the_flow(dx: float, dy: float) -> None:
    moved = warp(ramp(8, 9), constant_flow(dx, dy, 8, 9))
    inner = (slice(2, -2), slice(2, -2))
    assert torch.allclose(moved[0, 0][inner], (ramp(8, 9)[0, 0] + dx + 10 * dy)[inner], atol=1e-4)


@pytest.mark.usefixtures("grad_mode")
@pytest.mark.parametrize("far", [1.0, 300.0, 1e9])
def test_borders_repeat_outwards(far: float) -> None:
    source = ramp(4, 5)
    assert torch.equal(
        warp(source, constant_flow(far * 5, 0, 4, 5)), source[..., -1:].expand(1, 1, 4, 5)
    )
    assert torch.equal(
        warp(source, constant_flow(0, -far * 4, 4, 5)), source[:, :, :1].expand(1, 1, 4, 5)
    )


@pytest.mark.usefixtures("grad_mode")
def test_every_item_and_channel_moves_by_its_own_items_flow() -> None:
    source = torch.rand(2, 3, 6, 6)
    flow = torch.cat((constant_flow(1, 0, 6, 6), constant_flow(0, 2, 6, 6)))
    moved = warp(source, flow)
    assert torch.allclose(moved[0, :, :, :-1], source[0, :, :, 1:], atol=1e-6)
    assert torch.allclose(moved[1, :, :-2], source[1, :, 2:], atol=1e-6)


@pytest.mark.usefixtures("grad_mode")
def test_a_single_pixel_can_be_warped() -> None:
    assert warp(torch.full((1, 1, 1, 1), 7.0), constant_flow(3, -3, 1, 1)).item() == 7.0


@pytest.mark.usefixtures("grad_mode")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_positions_stay_exact_in_half_precision(dtype: torch.dtype) -> None:
    # Two grey columns 1500 px away from the left edge, where half precision has steps of 1 to 8 px.
    source = torch.zeros(1, 1, 2, 1920)
    source[..., 1500:1502] = 1.0
    moved = warp(source.to(dtype), constant_flow(1.0, 0, 2, 1920))
    assert moved.dtype == dtype
    assert (moved[0, 0, 0] > 0.01).nonzero().flatten().tolist() == [1499, 1500]


def test_gradients_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(1, 2, 5, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    # Fractions of a quarter to three quarters: away from the kinks of bilinear sampling.
    flow = torch.rand(1, 2, 5, 6, generator=generator, dtype=torch.float64) / 2 + 0.25
    flow.requires_grad_()
    # The inside is float32, hence the wide steps and bounds.
    assert torch.autograd.gradcheck(warp, (source, flow), eps=2e-2, atol=2e-3, rtol=1e-2)


@torch.no_grad()
def test_flows_that_are_not_numbers_stay_visible() -> None:
    """An overflow in half precision must reach the result, where the doorway looks for it."""
    flow = torch.zeros(1, 2, 4, 4)
    flow[0, 0, 1, 2] = float("nan")
    warped = warp(torch.rand(1, 3, 4, 4), flow)
    assert warped[0, :, 1, 2].isnan().all()
    assert warped.isnan().sum() == 3
