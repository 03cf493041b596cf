"""Losses by values worked out by hand, and by what they must not see."""

from __future__ import annotations

import pytest
import torch
from pytorch_msssim import ssim

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


def level(of: float, side: int = 8) -> torch.Tensor:
    return torch.full((1, 3, side, side), of)


@pytest.mark.parametrize(("before", "expected"), [(1.0, 0.28), (0.0, 0.22)])
def test_fetched_frames_by_hand(before: float, expected: float) -> None:
    # off by 0.1 and 0.3, and around them by 0.4 and nothing: the nearer of the inner two counts
    # once, their mean by 0.6, that of the outer two by 0.3, as far as they are known
    frames = [level(of) for of in (0.6, 0.2, 0.9, 0.5)]
    known = torch.tensor([[1.0, 1.0, before, 1.0]])
    once = losses.fetched_frames([frames], known, [level(0.5)])
    assert once.item() == pytest.approx(expected)
    smaller = [frame[..., :4, :4] for frame in frames]
    twice = losses.fetched_frames([frames, smaller], known, [level(0.5), level(0.5, 4)])
    assert twice.item() == pytest.approx(2 * expected)


def test_what_one_side_hides_the_other_may_fetch() -> None:
    truth = level(0.5)
    left, right = truth.clone(), truth.clone()
    left[..., :4] = 0.0
    right[..., 4:] = 0.0
    loss = losses.fetched_frames([[left, right, truth, truth]], torch.ones(1, 4), [truth])
    assert loss.item() == pytest.approx(0.6 * 0.25)  # never the nearer one


def ways_of(*vectors: tuple[float, float], side: int = 32) -> torch.Tensor:
    """The same flows everywhere, `(1, 2 N, side, side)`."""
    flat = torch.tensor(vectors).flatten()
    return flat[None, :, None, None].expand(1, len(flat), side, side).clone()


WAYS = ways_of((6.0, -2.0), (-6.0, 2.0), (18.0, -6.0), (-17.0, 5.0))


def found() -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """What is to be found of `WAYS`: motions of full size, and ways of levels 2 and 3."""
    return [WAYS[:, :2].clone(), WAYS[:, 2:4].clone()], [
        WAYS[..., :8, :8] / 4,
        WAYS[..., :4, :4] / 8,
    ]


FOOT = 0.01 * (0.25 * 2 + (1 + 2**0.5) * 3) / 2
"""What true flows cost: the root's foot, of six flows a level, the outer ones by halves."""


def test_true_flow_costs_nothing_but_the_foot() -> None:
    loss = losses.flow_supervision(*found(), WAYS, torch.ones(1, 4))
    assert loss.item() == pytest.approx(FOOT, rel=1e-4)


@pytest.mark.parametrize(
    ("place", "weight"), [("left", 0.25), ("near", 1.0), ("far", 2**0.5), ("after", 0.5)]
)
def test_flow_error_is_a_length_weighted_by_level(place: str, weight: float) -> None:
    motions, ways = found()
    wrong, channel = {
        "left": (motions[0], 0),
        "near": (ways[0], 2),
        "far": (ways[1], 0),
        "after": (ways[0], 6),
    }[place]
    wrong[:, channel] += 3.0
    wrong[:, channel + 1] -= 4.0
    loss = losses.flow_supervision(motions, ways, WAYS, torch.ones(1, 4))
    assert loss.item() - FOOT == pytest.approx(weight * 5 / 2, rel=5e-3)  # the mean of two levels


def test_unknown_flow_teaches_nothing() -> None:
    motions, ways = found()
    given = [way.requires_grad_() for way in ways]
    known = torch.tensor([[1.0, 1.0, 0.0, 1.0]])
    truth = WAYS.clone()
    truth[:, 4:6] = 399.0
    losses.flow_supervision(motions, given, truth + 1, known).backward()
    for way in given:
        assert way.grad is not None
        assert (way.grad[:, 4:6] == 0).all()
        assert (way.grad[:, 6:] != 0).all()
    nothing = losses.flow_supervision(motions, given, truth, torch.zeros(1, 4))
    assert nothing.item() == 0.0


@pytest.mark.parametrize("blend", [0.0, 0.5, 0.95])
def test_dissimilarity_is_what_another_library_finds(blend: float) -> None:
    truth = noise(2, 3, 40, 52)
    made = torch.lerp(noise(2, 3, 40, 52, seed=1), truth, blend)
    similar = ssim(made, truth, data_range=1.0, win_size=11, win_sigma=1.5)
    assert losses.dissimilarity(made, truth).item() == pytest.approx(1 - similar.item(), abs=1e-4)
    assert losses.dissimilarity(truth, truth).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", ["charbonnier", "census", "laplacian_pyramid", "dissimilarity"])
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    made = noise(1, 3, 16, 16, seed=1).double().requires_grad_()
    truth = noise(1, 3, 16, 16, seed=2).double()
    assert torch.autograd.gradcheck(
        lambda frame: getattr(losses, name)(frame, truth), (made,), eps=1e-7, atol=1e-4
    )
