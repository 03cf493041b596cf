"""Blending with last layers set by hand: what is fetched, mixed, sharpened, and left alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from filmcli.network.blending import Blender
from filmcli.network.features import FramePyramids
from filmcli.network.matching import Matched, Times
from filmcli.network.synthesis import Synthesis

MASK, RESIDUAL, SHARPNESS = 0, slice(1, 4), 4
"""Places among the eight channels that are painted, four times each: folded pixels."""


def blender(painted: Mapping[int, float] | None = None, moved: tuple[float, ...] = ()) -> Blender:
    """A blender that paints constants, by channel, and corrects both flows by `moved` px."""
    made = Blender((2, 2, 2), (16, 16, 16), state=3)
    with torch.no_grad():
        for last in (made.correct, made.paint):
            last.weight.zero_()
        for channel, value in (painted or {}).items():
            made.paint.bias[4 * channel : 4 * channel + 4] = value
        for channel, value in enumerate(moved):
            made.correct.bias[4 * channel : 4 * channel + 4] = value
    return made


def side(picture: Tensor) -> FramePyramids:
    size = picture.shape[-1]
    images = [picture, torch.nn.functional.avg_pool2d(picture, 2, 2)]
    return FramePyramids(images, [torch.zeros(1, 2, size >> i, size >> i) for i in (1, 2, 3)])


def blended(
    net: Blender,
    left: Tensor,
    right: Tensor,
    phase: float = 0.5,
    motion: tuple[float, float, float, float] = (0, 0, 0, 0),
) -> Synthesis:
    """The picture when flows into left and right are `motion` (dx, dy, dx, dy), full-size px."""
    size = left.shape[-1]
    levels = []
    for level in (2, 3):
        ways = torch.zeros(1, 8, size >> level, size >> level)
        ways[:, :4] = torch.tensor(motion)[:, None, None] / 2**level
        levels.append(Matched(ways, ways[:, 4:5], torch.zeros(1, 3, *ways.shape[-2:])))
    times = Times(torch.tensor([phase]), torch.tensor([[0.0, 1, -1, 2]]), torch.ones(1, 4))
    with torch.no_grad():
        return net(side(left), side(right), levels, times)  # type: ignore[no-any-return]


def ramps() -> tuple[Tensor, Tensor]:
    """Left is its column, right its row, in px: what is fetched tells from where."""
    line = torch.arange(32.0)
    return line.expand(1, 3, 32, 32).contiguous(), line[:, None].expand(1, 3, 32, 32).contiguous()


@pytest.mark.parametrize("phase", [0.1, 0.5, 0.7])
def test_without_an_opinion_it_blends_by_the_phase(phase: float) -> None:
    left, right = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    made = blended(blender(), left, right, phase)
    assert torch.allclose(made.frame, (1 - phase) * left + phase * right, atol=1e-5)


def test_each_neighbour_is_fetched_by_its_own_flow() -> None:
    made = blended(blender(), *ramps(), 0.25, (3.0, 0.0, 0.0, -2.0))
    assert made.frame[0, 0, 16, 16].item() == pytest.approx(0.75 * 19 + 0.25 * 14, abs=1e-4)
    assert [m[0, :, 16, 16].tolist() for m in made.motions] == [[3.0, 0.0], [0.0, -2.0]]


def test_flows_are_corrected_at_full_size() -> None:
    made = blended(blender(moved=(1.0, 0.0, 0.0, 0.5)), *ramps())
    assert made.frame[0, 0, 16, 16].item() == pytest.approx((17 + 16.5) / 2, abs=1e-4)


def test_mask_and_residual_by_hand() -> None:
    left, right = torch.ones(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)
    painted = {MASK: 2.0, 1: 0.1, 2: 0.2, 3: 0.3}
    made = blended(blender(painted), left, right)
    share = torch.sigmoid(torch.tensor(2.0))
    assert torch.allclose(made.frame[0, :, 5, 5], share + torch.tensor([0.1, 0.2, 0.3]))
    assert made.shares[0, :, 5, 5].tolist() == pytest.approx([share.item(), 1 - share.item(), 0])


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_what_bilinear_sampling_smooths_away_can_be_given_back(share: float) -> None:
    place = torch.arange(32.0)

    def wave(moved: float) -> Tensor:
        swing = torch.sin((place - moved)[:, None] / 1.5) + torch.sin((place - moved) / 2)
        return swing.expand(1, 3, 32, 32) / 4

    motion = (-share, -share, share, share)
    inside = ..., slice(3, -3), slice(3, -3)
    errors = []
    for amount in (0.0, 0.5, 1.0):
        made = blended(blender({SHARPNESS: amount}), wave(0.0), wave(2 * share), 0.5, motion)
        errors.append((made.frame - wave(share))[inside].abs().max().item())
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.1)
    assert errors[2] < errors[0] / 8


def test_what_is_laid_over_stays_whatever_is_painted() -> None:
    wall = torch.rand(1, 3, 64, 69, generator=torch.Generator().manual_seed(0))
    left, right = wall[..., :64].clone(), wall[..., 5:].clone()
    left[..., 30:36] = right[..., 30:36] = 0.9
    painted = {MASK: 3.0, 1: 0.2, 2: 0.2, 3: 0.2}
    made = blended(blender(painted), left, right, motion=(2.5, 0, -2.5, 0))
    assert (made.frame[..., 31:35] - 0.9).abs().max() < 0.03


def test_other_planes_are_carried_as_the_frames_are() -> None:
    left, right = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    made = blended(blender({MASK: 0.7}), left, right, 0.3, (1.5, -2.0, 0.5, 3.0))
    assert torch.allclose(made.carried(left, right), made.frame, atol=1e-5)
    opaque = torch.ones(1, 1, 32, 32)
    assert torch.allclose(made.carried(opaque, opaque), opaque, atol=1e-6)
