"""Tiles: they cover the picture, stay within their size, and add up to one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from filmcli.network.tiles import SMALLEST_TILE_PX, split, weight

CPU = torch.device("cpu")


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 1500), st.integers(1, 1500), st.integers(SMALLEST_TILE_PX, 800))
def test_weights_add_up_to_one_everywhere(height: int, width: int, tile_px: int) -> None:
    windows = split(height, width, tile_px)
    total = torch.zeros(1, 1, height, width)
    for window in windows:
        part = window.of(total)
        assert 0 < part.shape[-2] <= tile_px and 0 < part.shape[-1] <= tile_px
        share = weight(window, windows, CPU)
        assert share.shape == part.shape[-2:]
        part += share
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-5)


def test_borders_of_inner_tiles_count_for_nothing() -> None:
    """What the network sees least of, the edge of a window, is never shown."""
    windows = split(200, 1000, 256)
    for window in windows:
        share = weight(window, windows, CPU)
        if window.left > 0:
            assert share[:, 0].max() < 0.01
        if window.right < 1000:
            assert share[:, -1].max() < 0.01


def test_one_window_without_tiling_or_need() -> None:
    for tile_px in (None, 640):
        (window,) = split(360, 640, tile_px)
        assert window == (0, 360, 0, 640)
        assert torch.equal(weight(window, [window], CPU), torch.ones(360, 640))


def test_too_small_tiles_are_refused() -> None:
    with pytest.raises(ValueError, match="below 192"):
        split(1000, 1000, 100)
