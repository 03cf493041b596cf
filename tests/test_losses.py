"""Losses by values worked out by hand, and by what they must not see."""

from __future__ import annotations

import pytest
import torch

from filmcli import losses


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_charbonnier_is_an_l1_with_a_foot() -> None:
    made, truth = torch.tensor([0.0, 0.3]), torch.zeros(2)
    expected = (1e-3 + (0.09 + 1e-6) ** 0.5) / 2
    assert losses.charbonnier(made, truth).item() == pytest.approx(expected)


def test_census_ignores_brightness_and_sees_edges() -> None:
    frame = noise(1, 3, 16, 16)
    assert losses.census(frame, frame).item() == 0.0
    assert losses.census(frame + 0.2, frame).item() == pytest.approx(0.0, abs=1e-4)
    assert losses.census(frame.flip(3), frame).item() > 0.3


def test_census_of_one_pixel_by_hand() -> None:
    truth = torch.zeros(1, 3, 7, 7)
    made = truth.clone()
    made[0, :, 0, 0] = 10 / 255  # one of the 48 neighbours of the only inner pixel
    sign = 10 / (0.81 + 100) ** 0.5
    assert losses.census(made, truth).item() == pytest.approx(
        sign**2 / (0.1 + sign**2) / 48, rel=1e-4
    )


def test_laplacian_of_an_even_difference_lies_in_the_last_level() -> None:
    truth = noise(1, 3, 16, 16)
    assert losses.laplacian_pyramid(truth + 0.1, truth).item() == pytest.approx(16 * 0.1, rel=1e-4)
    assert losses.laplacian_pyramid(truth, truth).item() == 0.0


def test_laplacian_refuses_frames_smaller_than_its_pyramid() -> None:
    with pytest.raises(ValueError, match="too small for 5 levels"):
        losses.laplacian_pyramid(torch.zeros(1, 3, 15, 20), torch.zeros(1, 3, 15, 20))


def test_warped_frames_are_compared_level_by_level() -> None:
    truth = noise(1, 3, 8, 8)
    pyramid = [truth, torch.nn.functional.avg_pool2d(truth, 2)]
    assert losses.warped_frames(pyramid, truth).item() == pytest.approx(1e-3, rel=1e-4)
    pyramid[1] = pyramid[1] + 0.5
    assert losses.warped_frames(pyramid, truth).item() == pytest.approx((1e-3 + 0.5) / 2, rel=1e-3)


def test_choice_is_the_mean_error_by_shares_and_teaches_nothing_but_them() -> None:
    truth = torch.full((1, 3, 4, 4), 0.5)
    frames = [torch.full((1, 3, 4, 4), value, requires_grad=True) for value in (0.6, 0.2)]
    shares = torch.tensor([0.75, 0.25])[None, :, None, None].repeat(1, 1, 4, 4).requires_grad_()
    loss = losses.choice(shares, frames, truth)
    assert loss.item() == pytest.approx(0.75 * 0.1 + 0.25 * 0.3)
    loss.backward()
    assert shares.grad is not None and (shares.grad[:, 0] < shares.grad[:, 1]).all()
    assert all(frame.grad is None for frame in frames)


def test_true_flow_costs_nothing_at_any_level() -> None:
    truth = torch.tensor([6.0, -2.0])[None, :, None, None].expand(1, 2, 16, 16)
    flows = [truth[..., : 16 >> i, : 16 >> i] / 2**i for i in range(4)]
    loss = losses.flow_supervision(flows, truth, torch.ones(1, 1, 16, 16))
    # sqrt(1e-4) a level, weighted 1, 1.41, 2, 2.83
    assert loss.item() == pytest.approx(0.01 * sum(2 ** (i / 2) for i in range(4)) / 4, rel=1e-3)


def test_unknown_flow_is_neither_counted_nor_averaged_in() -> None:
    truth = torch.full((1, 2, 8, 8), 1000.0)
    truth[..., :4] = 2.0
    known = torch.zeros(1, 1, 8, 8)
    known[..., :4] = 1.0
    flows = [torch.full((1, 2, 8 >> i, 8 >> i), 2.0 / 2**i) for i in range(3)]
    assert losses.flow_supervision(flows, truth, known).item() < 0.02
    nothing = losses.flow_supervision(flows, truth, torch.zeros(1, 1, 8, 8))
    assert nothing.item() == 0.0


def test_flow_error_is_a_length_in_pixels_of_the_level() -> None:
    flows = [torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 4, 4)]
    truth = torch.tensor([3.0, 4.0])[None, :, None, None].expand(1, 2, 8, 8)
    loss = losses.flow_supervision(flows, truth, torch.ones(1, 1, 8, 8))
    assert loss.item() == pytest.approx((5 + 2**0.5 * 2.5) / 2, rel=1e-3)


@pytest.mark.parametrize("name", ["charbonnier", "census", "laplacian_pyramid"])
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    made = noise(1, 3, 16, 16, seed=1).double().requires_grad_()
    truth = noise(1, 3, 16, 16, seed=2).double()
    assert torch.autograd.gradcheck(
        lambda frame: getattr(losses, name)(frame, truth), (made,), eps=1e-7, atol=1e-4
    )
