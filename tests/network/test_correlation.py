"""Correlation against its definition, pixel by pixel."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from filmcli.network.correlation import correlate as products
from filmcli.network.correlation import neighbours, unit


def correlate(start: Tensor, end: Tensor, reach: int) -> Tensor:
    """The cosines, as the network sees them."""
    return products(unit(start), unit(end), reach)


def cosine(start: Tensor, end: Tensor, y: int, x: int, dy: int, dx: int) -> float:
    """The definition for one pixel and one step, features along the first axis."""
    if not (0 <= y + dy < end.shape[1] and 0 <= x + dx < end.shape[2]):
        return 0.0
    a, b = start[:, y, x].tolist(), end[:, y + dy, x + dx].tolist()
    product = sum(i * j for i, j in zip(a, b, strict=True))
    return product / math.sqrt(sum(i * i for i in a) * sum(j * j for j in b))


@pytest.mark.parametrize(("height", "width"), [(5, 11), (8, 8), (17, 3), (1, 1)])
@pytest.mark.parametrize("reach", [1, 2])
def test_agrees_with_its_definition_at_any_size(height: int, width: int, reach: int) -> None:
    generator = torch.Generator().manual_seed(height)
    start, end = (torch.randn(2, 3, height, width, generator=generator) for _ in range(2))
    found = correlate(start, end, reach)
    assert found.shape == (2, neighbours(reach), height, width)
    steps = range(-reach, reach + 1)
    offsets = [(dy, dx) for dy in steps for dx in steps]
    for channel, (dy, dx) in enumerate(offsets):
        for y in range(height):
            for x in range(width):
                expected = cosine(start[1], end[1], y, x, dy, dx)
                assert found[1, channel, y, x].item() == pytest.approx(expected, abs=1e-4)


def test_a_shifted_map_is_found_where_it_went() -> None:
    start = torch.randn(1, 16, 20, 24, generator=torch.Generator().manual_seed(0))
    end = torch.roll(start, (-1, 2), dims=(2, 3))
    best = correlate(start, end, 2).argmax(dim=1)[0, 3:-3, 3:-3]
    assert (best == (2 - 1) * 5 + (2 + 2)).all()


def test_brightness_and_scale_of_features_do_not_count() -> None:
    generator = torch.Generator().manual_seed(1)
    start, end = (torch.rand(1, 4, 9, 9, generator=generator) for _ in range(2))
    scaled = correlate(7 * start, 9 * end, 1)
    assert torch.allclose(correlate(start, end, 1), scaled, atol=1e-4)
    black = torch.zeros_like(start)
    assert torch.equal(correlate(black, black, 1), torch.zeros(1, 9, 9, 9))


def test_both_derivatives_are_right_and_finite_on_black() -> None:
    generator = torch.Generator().manual_seed(3)
    maps = [
        torch.randn(1, 2, 3, 4, dtype=torch.float64, generator=generator).requires_grad_()
        for _ in range(2)
    ]
    # The inner norm is taken in float32.
    tolerance = {"eps": 1e-3, "atol": 1e-2, "rtol": 1e-2}
    assert torch.autograd.gradcheck(lambda a, b: correlate(a, b, 1), maps, **tolerance)
    black = torch.zeros(1, 2, 3, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(correlate(black, black, 1).sum(), black, create_graph=True)
    (bend,) = torch.autograd.grad(slope.square().sum(), black)
    assert slope.isfinite().all() and bend.isfinite().all()


def test_keeps_half_precision() -> None:
    maps = [torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(s)) for s in (1, 2)]
    exact = correlate(*maps, 2)
    half = correlate(maps[0].bfloat16(), maps[1].bfloat16(), 2)
    assert half.dtype == torch.bfloat16
    assert (half.float() - exact).abs().max() < 0.03
