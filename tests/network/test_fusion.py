"""The decoder and the heads with weights set by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from filmcli.network.features import FramePyramids
from filmcli.network.flow import FlowPyramids
from filmcli.network.fusion import Fusion, Head


def two_levels(head: Head = "rgb", phase_plane: bool = False) -> Fusion:
    """A decoder of two levels that passes the coarse picture's red through its 2x2 taps."""
    fusion = Fusion([1, 1], [1], head, phase_plane)
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
    out = fusion(*still(impulse, 6, 6), HALF)[0, 0]
    expected = torch.zeros(6, 6)
    expected[:2, :2] = torch.tensor([[4.0, 2.0], [2.0, 1.0]])
    assert torch.equal(out, expected)
    # And nothing wraps or repeats at the far corner: two of four taps lie on the padding.
    corner = torch.zeros(1, 3, 3, 3)
    corner[0, 0, 2, 2] = 1.0
    assert fusion(*still(corner, 6, 6), HALF)[0, 0, 5, 5] == 1.0


def test_odd_sizes_upsample_by_the_half_pixel_rule() -> None:
    fusion = two_levels()
    with torch.no_grad():
        fusion.get_parameter("convs.0.0.0.weight")[0, 0, 0, 0] = 1.0
    coarse = torch.zeros(1, 3, 2, 2)
    coarse[0, 0] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    out = fusion(*still(coarse, 5, 5), HALF)[0, 0]
    assert out[0].tolist() == [1, 1, 2, 2, 2]  # plain "nearest" would give 1 1 1 2 2
    assert out[:, 0].tolist() == [1, 1, 3, 3, 3]


def test_flow_roles_are_crossed_and_scaled_by_the_phase() -> None:
    fusion = two_levels()
    image = torch.arange(16.0).expand(1, 3, 16, 16).contiguous()
    frame = FramePyramids([image, image[..., ::2, ::2]], [image[:, :1], image[:, :1, ::2, ::2]])
    flows = FlowPyramids(
        [torch.full((1, 2, s, s), 8.0) for s in (16, 8)],
        [torch.full((1, 2, s, s), -4.0) for s in (16, 8)],
    )
    made = fusion.synthesize(frame, frame, flows, torch.tensor([0.25]))
    # Left is fetched by right's flow (-4) times the phase, right by left's (8) times the rest.
    assert torch.allclose(made.warped_left[0][0, 0, 0, 4:8], torch.arange(4.0, 8.0) - 1)
    assert torch.allclose(made.warped_right[0][0, 0, 0, 4:8], torch.arange(4.0, 8.0) + 6)


@pytest.mark.parametrize("phase", [0.0, 0.3, 0.5, 1.0])
def test_blend_head_starts_as_a_blend_by_phase(phase: float) -> None:
    torch.manual_seed(0)
    fusion = Fusion([1, 1], [1], "blend", True)
    left, right, flows = still(torch.rand(1, 3, 4, 4), 8, 8)
    left.images[0], right.images[0] = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    made = fusion(left, right, flows, torch.tensor([phase]))
    expected = (1 - phase) * left.images[0] + phase * right.images[0]
    assert torch.allclose(made, expected, atol=1e-5)


def test_mask_and_residual_by_hand() -> None:
    fusion = two_levels("blend")
    with torch.no_grad():
        fusion.get_parameter("output_conv.weight").zero_()
        fusion.get_parameter("output_conv.bias").copy_(
            torch.tensor([0.2, 0.1, 0.2, 0.3, 0, 0, 0, 0])
        )
    left, right, flows = still(torch.zeros(1, 3, 4, 4), 8, 8)
    left.images[0] = torch.ones(1, 3, 8, 8)
    made = fusion(left, right, flows, HALF)
    mask = 1 / (1 + torch.exp(torch.tensor(-2.0)))
    assert torch.allclose(made[0, :, 0, 0], mask + torch.tensor([0.1, 0.2, 0.3]))


def test_decoder_can_correct_the_flows_of_the_blend() -> None:
    fusion = two_levels("blend")
    with torch.no_grad():
        fusion.get_parameter("output_conv.weight").zero_()
        fusion.get_parameter("output_conv.bias")[4:] = torch.tensor([0.2, 0.0, 0.0, -0.1])
    left, right, flows = still(torch.zeros(1, 3, 4, 4), 8, 8)
    columns, rows = (
        torch.arange(8.0).expand(1, 3, 8, 8),
        torch.arange(8.0)[:, None].expand(1, 3, 8, 8),
    )
    left.images[0], right.images[0] = columns.contiguous(), rows.contiguous()
    made = fusion(left, right, flows, HALF)[0, 0]
    expected = (columns[0, 0] + 2 + rows[0, 0] - 1) / 2  # left from 2 px right, right from 1 px up
    assert torch.allclose(made[1:, :6], expected[1:, :6], atol=1e-5)


def test_phase_reaches_the_decoder_only_as_a_plane() -> None:
    fusion = two_levels("rgb", phase_plane=True)
    with torch.no_grad():
        fusion.get_parameter("convs.0.0.0.weight")[0, -1, 0, 0] = 1.0
    out = fusion(*still(torch.zeros(1, 3, 4, 4), 8, 8), torch.tensor([0.375]))
    assert torch.allclose(out, torch.full_like(out, 0.375))
