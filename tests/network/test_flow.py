"""The flow recursion with residuals set by hand."""

from __future__ import annotations

import pytest
import torch

from filmcli.network.flow import FlowEstimator, FlowPyramids, bent
from filmcli.network.pyramids import resize_like


def estimator(residuals: dict[str, tuple[float, float]]) -> FlowEstimator:
    """An estimator whose predictors answer constants; the rest of their weights is zero."""
    made = FlowEstimator([1, 2, 3], (3, 3, 3), (4, 4, 4))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
        for name, residual in residuals.items():
            made.get_parameter(f"{name}._convs.4.0.bias").copy_(torch.tensor(residual))
    return made


def test_residuals_add_up_from_coarse_to_fine_doubling() -> None:
    made = estimator(
        {"_predictor": (1.0, -0.5), "_predictors.0": (0.25, 0), "_predictors.1": (0, 3)}
    )
    features = [torch.rand(1, c, 24 >> i, 20 >> i) for i, c in enumerate((1, 2, 3, 3))]
    flows = made(features, features)
    assert [tuple(f.shape) for f in flows] == [(1, 2, 24 >> i, 20 >> i) for i in range(4)]
    # Level 3: 1; level 2: 2 * 1 + 1; level 1: 2 * 3 + 0.25; level 0: 2 * 6.25. And likewise in y.
    for flow, (dx, dy) in zip(
        flows, [(12.5, -3.0), (6.25, -3.0), (3, -1.5), (1, -0.5)], strict=True
    ):
        assert torch.allclose(flow, torch.tensor([dx, dy])[None, :, None, None].expand_as(flow))


def test_levels_finer_than_the_finest_predictor_are_enlarged() -> None:
    torch.manual_seed(0)
    full = FlowEstimator([1, 2, 3], (3, 3, 3), (4, 4, 4))
    less = FlowEstimator([1, 2, 3], (3, 3, 3), (4, 4, 4), finest=1)
    less.load_state_dict({k: v for k, v in full.state_dict().items() if "_predictors.1." not in k})
    start, end = (
        [torch.rand(1, c, 24 >> i, 20 >> i) for i, c in enumerate((1, 2, 3, 3))] for _ in range(2)
    )
    known, made = full(start, end), less(start, end)
    assert all(torch.equal(*pair) for pair in zip(made[1:], known[1:], strict=True))
    assert torch.equal(made[0], resize_like(2 * known[1], start[0]))
    assert not torch.allclose(made[0], known[0], atol=1e-3)


def test_the_end_is_warped_and_the_start_is_not() -> None:
    made = estimator({"_predictor": (1.0, 0.0)})
    # The finest predictor adds what start and warped end differ by, through its centre taps.
    with torch.no_grad():
        finest = "_predictors.1._convs"
        made.get_parameter(f"{finest}.0.0.weight")[0, :, 1, 1] = torch.tensor([1.0, -1.0])
        made.get_parameter(f"{finest}.0.0.weight")[1, :, 1, 1] = torch.tensor([-1.0, 1.0])
        for layer in (1, 2):
            made.get_parameter(f"{finest}.{layer}.0.weight")[[0, 1], [0, 1], 1, 1] = 1.0
        made.get_parameter(f"{finest}.3.0.weight")[[0, 1], [0, 1]] = 1.0
        made.get_parameter(f"{finest}.4.0.weight")[0, [0, 1]] = torch.tensor([1.0, -1.0])[
            :, None, None
        ]
    start = [torch.rand(1, c, 16 >> i, 16 >> i) for i, c in enumerate((1, 2, 3))]
    end = [feature.clone() for feature in start]
    # Coarse flow 1 px becomes 2, then 3 with the middle level's... zero residual: 2 * 2 = 4 px.
    end[0] = torch.roll(start[0], 4, dims=3)
    flow = made(start, end)[0]
    assert torch.allclose(flow[0, 0, :, :12], torch.full((16, 12), 4.0), atol=1e-4)
    assert (made(start, start)[0][0, 0, :, :12] - 4.0).abs().max() > 0.1


def test_a_predictor_with_reach_is_told_where_its_features_went() -> None:
    made = FlowEstimator([1, 2], (1, 1), (4, 4), (0, 1))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
        # The coarse predictor answers the correlation with the pixel to the right.
        made.get_parameter("_predictor._convs.0.0.weight")[0, 4 + 5, 1, 1] = 1.0
        made.get_parameter("_predictor._convs.1.0.weight")[0, 0] = 1.0
        made.get_parameter("_predictor._convs.2.0.weight")[0, 0] = 1.0
    start = [1 + torch.rand(1, c, 16 >> i, 16 >> i) for i, c in enumerate((1, 2))]
    end = [start[0], torch.roll(start[1], 1, dims=3)]
    assert torch.allclose(made(start, end)[1][0, 0, :, :-1], torch.ones(8, 7), atol=1e-4)
    assert made(start, start)[1][0, 0, :, :-1].mean() < 0.99


@pytest.mark.parametrize("distance", [1.0, 0.5, 1.75])
def test_the_bend_of_even_acceleration_is_that_acceleration(distance: float) -> None:
    def place(t: float) -> float:
        return 3 * t + 5 * t * t / 2

    inwards, outwards = (torch.full((1, 2, 4, 4), place(t)) for t in (1.0, -distance))
    flows = FlowPyramids([inwards], [-inwards])
    ((bend,), _) = bent(flows, ([outwards], distance), None).bends or ([], [])
    assert torch.allclose(bend, torch.full((1, 2, 4, 4), 5.0), atol=1e-4)


def test_an_end_without_a_frame_beyond_bends_as_the_other_does() -> None:
    flows = FlowPyramids([torch.zeros(1, 2, 4, 4)], [torch.zeros(1, 2, 4, 4)])
    outer = [torch.ones(1, 2, 4, 4)], 1.0
    assert bent(flows, None, None).bends is None
    for before, after in ((outer, None), (None, outer)):
        left, right = bent(flows, before, after).bends or ([], [])
        assert torch.equal(left[0], outer[0][0]) and torch.equal(right[0], outer[0][0])
