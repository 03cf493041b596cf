"""Warping: both ways of it, the one with gradients and the one without, give the same picture."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from filmcli.network.pyramids import warp, warp_all


@pytest.mark.parametrize("size", [(16, 24), (1, 7), (7, 1), (1, 1), (2, 2)])
@pytest.mark.parametrize("channels_last", [True, False])
def test_gathering_agrees_with_grid_sample(size: tuple[int, int], channels_last: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    sources = [
        torch.rand(3, channels, *size, generator=generator).contiguous(memory_format=layout)
        for channels in (3, 10)
    ]
    # Far beyond the borders too.
    flow = torch.randn(3, 2, *size, generator=generator) * 8
    with torch.no_grad():
        gathered = warp_all(sources, flow)
    for source, fast in zip(sources, gathered, strict=True):
        exact = warp(source, flow.requires_grad_())
        torch.testing.assert_close(fast, exact.detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("gradients", [True, False])
def test_whole_steps_move_pixels_and_borders_repeat(gradients: bool) -> None:
    source = torch.arange(12.0).reshape(1, 1, 3, 4)
    flow = torch.tensor([1.0, -1.0])[None, :, None, None].expand(1, 2, 3, 4)
    with torch.set_grad_enabled(gradients):
        moved = warp(source, flow)
    expected = [[1.0, 2.0, 3.0, 3.0], [1.0, 2.0, 3.0, 3.0], [5.0, 6.0, 7.0, 7.0]]
    torch.testing.assert_close(moved[0, 0], torch.tensor(expected))


@torch.no_grad()
def test_gathering_keeps_type_and_puts_channels_last() -> None:
    flow = torch.zeros(2, 2, 8, 8)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        source = torch.rand(2, 5, 8, 8).to(dtype)
        (warped,) = warp_all([source], flow)
        assert torch.equal(warped, source)
        assert warped.dtype == dtype
        assert warped.is_contiguous(memory_format=torch.channels_last)


def test_gradients_reach_source_and_flow() -> None:
    source = torch.rand(1, 2, 5, 6, dtype=torch.float32, requires_grad=True)
    flow = torch.full((1, 2, 5, 6), 0.3, requires_grad=True)
    warp(source, flow).square().sum().backward()
    assert source.grad is not None and source.grad.abs().sum() > 0
    assert flow.grad is not None and F.relu(flow.grad).sum() > 0
