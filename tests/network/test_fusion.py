"""The decoder with weights set by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from filmcli.network.features import FramePyramids
from filmcli.network.flow import FlowPyramids
from filmcli.network.fusion import Fusion


def two_levels() -> Fusion:
    """A decoder of two levels that passes the coarse picture's red through its 2x2 taps."""
    fusion = Fusion([1, 1], [1])
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.zero_()
        fusion.get_parameter("convs.0.1.0.weight")[0, -1, 1, 1] = 1.0  # the upsampled channel
        fusion.get_parameter("convs.0.2.0.weight")[0, 0, 1, 1] = 1.0
        fusion.get_parameter("output_conv.weight")[:3] = 1.0
    return fusion


def still(
    coarse: Tensor, height: int, width: int
) -> tuple[FramePyramids, FramePyramids, FlowPyramids]:
    """Frames without motion; the left one's coarse level is `coarse` `(1, 3, h, w)`."""
    sizes = ((height, width), tuple(coarse.shape[-2:]))
    zeros = [torch.zeros(1, 3, *size) for size in sizes]
    features = [torch.zeros(1, 1, *size) for size in sizes]
    flows = [torch.zeros(1, 2, *size) for size in sizes]
    left = FramePyramids([zeros[0], coarse], features)
    return left, FramePyramids(zeros, features), FlowPyramids(flows, flows)


HALF = torch.tensor([0.5])


def test_even_kernel_pads_below_and_to_the_right() -> None:
    fusion = two_levels()
    with torch.no_grad():
        fusion.get_parameter("convs.0.0.0.weight")[0, 0] = 1.0
    impulse = torch.zeros(1, 3, 3, 3)
    impulse[0, 0, 0, 0] = 1.0
    out = fusion(*still(impulse, 6, 6), HALF).frame[0, 0]
    expected = torch.zeros(6, 6)
    expected[:2, :2] = torch.tensor([[4.0, 2.0], [2.0, 1.0]])
    assert torch.equal(out, expected)
    # And nothing wraps or repeats at the far corner: two of four taps lie on the padding.
    corner = torch.zeros(1, 3, 3, 3)
    corner[0, 0, 2, 2] = 1.0
    assert fusion(*still(corner, 6, 6), HALF).frame[0, 0, 5, 5] == 1.0


def test_odd_sizes_upsample_by_the_half_pixel_rule() -> None:
    fusion = two_levels()
    with torch.no_grad():
        fusion.get_parameter("convs.0.0.0.weight")[0, 0, 0, 0] = 1.0
    coarse = torch.zeros(1, 3, 2, 2)
    coarse[0, 0] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    out = fusion(*still(coarse, 5, 5), HALF).frame[0, 0]
    assert out[0].tolist() == [1, 1, 2, 2, 2]  # plain "nearest" would give 1 1 1 2 2
    assert out[:, 0].tolist() == [1, 1, 3, 3, 3]


def test_flow_roles_are_crossed_and_scaled_by_the_phase() -> None:
    fusion = two_levels()
    frame = FramePyramids(
        [torch.zeros(1, 3, s, s) for s in (16, 8)], [torch.zeros(1, 1, s, s) for s in (16, 8)]
    )
    flows = FlowPyramids(
        [torch.full((1, 2, s, s), 8.0) for s in (16, 8)],
        [torch.full((1, 2, s, s), -4.0) for s in (16, 8)],
    )
    made = fusion(frame, frame, flows, torch.tensor([0.25]))
    # Left is fetched by right's flow (-4) times the phase, right by left's (8) times the rest.
    assert made.motions[0].unique().tolist() == [-1.0]
    assert made.motions[1].unique().tolist() == [6.0]
    assert made.shares.flatten().tolist() == [0.75, 0.25]


def test_other_planes_are_carried_by_the_flows_and_the_phase() -> None:
    fusion = two_levels()
    left, right, flows = still(torch.zeros(1, 3, 4, 4), 8, 8)
    made = fusion(left, right, flows, torch.tensor([0.25]))
    carried = made.carried(torch.full((1, 1, 8, 8), 0.4), torch.full((1, 1, 8, 8), 0.8))
    assert torch.allclose(carried, torch.full((1, 1, 8, 8), 0.75 * 0.4 + 0.25 * 0.8))
