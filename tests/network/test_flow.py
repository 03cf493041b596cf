"""The flow recursion with residuals set by hand."""

from __future__ import annotations

import torch

from filmcli.network.flow import FlowEstimator


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
