"""What is laid over motion is recognised, and nothing that moves is taken for it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from filmcli.network.titles import laid_over


def texture(height: int, width: int, blur_px: int = 1, seed: int = 0) -> Tensor:
    wall = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    blurred = F.avg_pool2d(wall, blur_px, 1, blur_px // 2, count_include_pad=False)
    return blurred[..., :height, :width]


def noisy(frame: Tensor, levels: float, seed: int = 1) -> Tensor:
    noise = torch.randn(frame.shape, generator=torch.Generator().manual_seed(seed))
    return frame + noise * levels / 255


def along(px: float, size: int = 64) -> Tensor:
    """A motion of `px` to the left: what a slide by `px` of the window does."""
    return torch.tensor([-px, 0.0])[None, :, None, None].expand(1, 2, size, size)


def slid(px: int) -> tuple[Tensor, Tensor]:
    """A texture that slides by `px`, with a 6 px wide bar standing over it at columns 30 to 35."""
    wall = texture(64, 64 + px)
    left, right = wall[..., :64].clone(), wall[..., px:].clone()
    left[..., 30:36] = right[..., 30:36] = 0.9
    return left, right


def test_what_is_laid_over_motion_is_recognised_and_nothing_else() -> None:
    left, right = slid(5)
    found = laid_over(left, right, along(5))[0, 0]
    assert found.shape == (64, 64)
    assert (found[:, 30:36] == 1).all()
    assert found[:, :29].max() == 0 and found[:, 37:].max() == 0
    assert laid_over(left, left, along(0)).max() == 0  # nothing moves: the flow is right there
    found = laid_over(left, noisy(right, 1), along(5))
    assert (found[0, 0, :, 31:35] > 0.5).float().mean() > 0.9


def test_each_pair_of_a_batch_is_judged_by_itself() -> None:
    titled, plain = slid(5), (texture(64, 64, 1, 2), texture(64, 64, 1, 3))
    left, right = (torch.cat(pair) for pair in zip(titled, plain, strict=True))
    motion = along(5).expand(2, 2, 64, 64)
    found = laid_over(left, right, motion)
    assert torch.equal(found[:1], laid_over(*titled, along(5)))
    assert found[1].max() == 0


@pytest.mark.parametrize("px", [4, 8, 24])
def test_a_letter_without_a_rim_stands_whole(px: int) -> None:
    wall = texture(96, 96 + px, 5)
    left, right = wall[..., :96].clone(), wall[..., px:].clone()
    strokes = [(slice(20, 76), slice(40, 48)), (slice(20, 28), slice(28, 60))]  # a T
    for rows, columns in strokes:
        for frame in (left, right):
            frame[..., rows, columns] = torch.tensor([0.95, 0.85, 0.15])[:, None, None]
    found = laid_over(noisy(left, 0.5), noisy(right, 0.5, 2), along(px, 96))[0, 0]
    for rows, columns in strokes:
        assert found[rows, columns].min() > 0.9
    away = found.clone()
    away[10:86, 18:70] = 0
    assert away.max() == 0


@pytest.mark.parametrize("levels", [0.0, 1.0, 2.0])
def test_smooth_things_that_move_are_not_laid_over(levels: float) -> None:
    row, column = torch.arange(96.0)[:, None], torch.arange(96.0)

    def ball(at: float) -> Tensor:
        """A soft ball of 40 levels before a gradient: its middle is equal in both frames."""
        apart = ((row - 48) ** 2 + (column - at) ** 2).sqrt()
        light = 0.3 + (column - at) / 500 + torch.sigmoid((24 - apart) / 3) * 0.4
        return light.expand(1, 3, 96, 96)

    left, right = noisy(ball(52), levels), noisy(ball(44), levels, 2)
    change = (left - right).abs().amax(dim=1) * 255
    assert (change < 6).float().mean() > 0.3  # a rule that looked for equal pixels alone would fire
    assert (laid_over(left, right, along(8, 96)) > 0.5).float().mean() < 0.001


@pytest.mark.parametrize("levels", [1.0, 2.0, 3.0, 4.0, 6.0, 12.0])
@pytest.mark.parametrize("blur_px", [1, 3, 5, 9])
def test_faint_textures_that_move_are_not_laid_over(levels: float, blur_px: int) -> None:
    wall = texture(128, 160, blur_px).mean(dim=1, keepdim=True).expand(1, 3, -1, -1)
    wall = wall / wall.std() * levels / 255
    assert laid_over(wall[..., :128], wall[..., 8:136], along(8, 128)).max() == 0


def test_edges_along_the_motion_are_not_laid_over() -> None:
    stripes = texture(64, 1, 1).expand(1, 3, 64, 64)
    wall = texture(64, 64, 1, 2)
    left, right = stripes.clone(), stripes.clone()
    left[..., 48:], right[..., 40:] = wall[..., :16], wall[..., :24]  # comes from the right
    found = laid_over(left, right, along(8))
    assert found.max() == 0
    across = laid_over(
        left, right, torch.tensor([0.0, 8.0])[None, :, None, None].expand(1, 2, 64, 64)
    )
    assert across[..., :40].min() == 1  # by another motion the stripes are what stands


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (33, 17)])
def test_any_size_is_judged(size: tuple[int, int]) -> None:
    left, motion = torch.rand(1, 3, *size), torch.ones(1, 2, *size)
    assert laid_over(left, left, motion).shape == (1, 1, *size)
