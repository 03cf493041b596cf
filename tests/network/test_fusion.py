"""The decoder and the heads with weights set by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from filmcli.network.features import FramePyramids
from filmcli.network.flow import FlowPyramids
from filmcli.network.fusion import Fusion, Head


def two_levels(head: Head = "rgb", phase_plane: bool = False, bends: bool = False) -> Fusion:
    """A decoder of two levels that passes the coarse picture's red through its 2x2 taps."""
    fusion = Fusion([1, 1], [1], head, phase_plane, bends)
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


def biased(values: dict[int, float], bends: bool = False) -> Fusion:
    """A fresh "blend" head whose decoder answers constants, by output channel."""
    fusion = two_levels("blend", bends=bends)
    with torch.no_grad():
        fusion.get_parameter("output_conv.weight").zero_()
        for channel, value in values.items():
            fusion.get_parameter("output_conv.bias")[channel] = value
    return fusion


def test_shares_and_residual_by_hand() -> None:
    fusion = biased({0: 0.2, 2: 0.2, 4: -2.0, 5: 0.1, 6: 0.2, 7: 0.3})  # logits: left 2, still -20
    left, right, flows = still(torch.zeros(1, 3, 4, 4), 8, 8)
    left.images[0] = torch.ones(1, 3, 8, 8)
    made = fusion(left, right, flows, HALF)
    mask = 1 / (1 + torch.exp(torch.tensor(-2.0)))
    assert torch.allclose(made[0, :, 0, 0], mask + torch.tensor([0.1, 0.2, 0.3]))


def ramps() -> tuple[FramePyramids, FramePyramids, FlowPyramids]:
    """Left is its column, right its row, in px; left's flow is 4 px right, right's 2 px up."""
    left, right, flows = still(torch.zeros(1, 3, 8, 8), 16, 16)
    line = torch.arange(16.0)
    left.images[0] = line.expand(1, 3, 16, 16).contiguous()
    right.images[0] = line[:, None].expand(1, 3, 16, 16).contiguous()
    forward, backward = (
        torch.tensor(motion)[None, :, None, None].expand(1, 2, 16, 16)
        for motion in ((4.0, 0.0), (0.0, -2.0))
    )
    coarse = flows.forward[1]
    return left, right, FlowPyramids([forward, coarse], [backward, coarse])


def test_what_stands_still_over_motion_is_there_to_be_chosen() -> None:
    left, right, flows = ramps()
    # A level a pixel is too faint for a title, which would stand whatever the decoder says.
    left.images[0] = right.images[0] = left.images[0] / 255
    made = biased({4: 2.0})(left, right, flows, HALF)  # a logit of 20 for both as they stand
    assert torch.allclose(made, left.images[0], atol=1e-3 / 255)


def test_each_neighbour_is_fetched_by_both_flows() -> None:
    left, right, flows = ramps()
    made = biased({}).synthesize(left, right, flows, torch.tensor([0.25]))
    at = [candidate[0, 0, 8, 8].item() for candidate in made.candidates]
    # Column by right's flow, row by left's, column by left's turned, row by right's turned, both.
    assert at == pytest.approx([8.0, 8.0, 8 - 0.25 * 4, 8 + 0.75 * 2, 8.0])
    shares = [0.375 * 0.99, 0.125 * 0.99, 0.375 * 0.99, 0.125 * 0.99, 0.01]
    assert made.shares[0, :, 8, 8].tolist() == pytest.approx(shares)
    mixture = sum(share * value for share, value in zip(shares, at, strict=True))
    assert made.frame[0, 0, 8, 8].item() == pytest.approx(mixture)


def place(t: float) -> float:
    """Where something is at `t`: at 0 at first, on a cubic's way."""
    return 3 * t + 2 * t * t - t**3


def on_a_cubic(levels: int = 2) -> FlowPyramids:
    """Flows of something that is at `place(t)`, in px of the finest of `levels`."""

    def plane(value: float, level: int) -> Tensor:
        return torch.tensor([value / 2**level, 0.0])[None, :, None, None].expand(1, 2, 16, 16)

    def pyramid(value: float) -> list[Tensor]:
        return [plane(value, level)[..., : 16 >> level, : 16 >> level] for level in range(levels)]

    step = place(1)
    at_left, at_right = step + place(-1), place(2) - 2 * step
    return FlowPyramids(pyramid(step), pyramid(-step), (pyramid(at_left), pyramid(at_right)))


@pytest.mark.parametrize("t", [0.25, 0.5, 0.8])
@pytest.mark.parametrize("bends", [False, True])
def test_motion_that_bends_is_followed_on_the_cubic(t: float, bends: bool) -> None:
    left, right, _ = ramps()
    right.images[0] = left.images[0]  # what is fetched is the column, in px
    made = biased({}, bends).synthesize(left, right, on_a_cubic(), torch.tensor([t]))
    to_left, to_right = -place(t), place(1) - place(t)
    at = [candidate[0, 0, 8, 8].item() - 8 for candidate in made.candidates]
    assert at == pytest.approx([to_left, to_right, to_left, to_right, 0], abs=1e-5)


@pytest.mark.parametrize(("answer", "times"), [(0.0, 1), (-9.0, 0), (9.0, 2)])
def test_the_decoder_says_how_far_the_first_flows_bend(answer: float, times: int) -> None:
    left, right, _ = ramps()
    right.images[0] = left.images[0]
    made = biased({13: answer}, bends=True).synthesize(left, right, on_a_cubic(), HALF)
    line = place(1) / 2
    at = [candidate[0, 0, 8, 8].item() - 8 for candidate in made.candidates]
    assert at[0] == pytest.approx(-line + times * (line - place(0.5)), abs=1e-5)
    assert at[2] == pytest.approx(-place(0.5), abs=1e-5)


@pytest.mark.parametrize("head", ["rgb", "blend"])
def test_other_planes_are_carried_as_the_frames_are(head: Head) -> None:
    left, right, flows = ramps()
    torch.manual_seed(0)
    fusion = two_levels(head)
    nn.init.normal_(fusion.output_conv.weight, std=0.01)
    nn.init.normal_(fusion.output_conv.bias[:5], std=0.1)
    made = fusion.synthesize(left, right, flows, torch.tensor([0.25]))
    carried = made.carried(left.images[0], right.images[0])
    shares = made.shares.split(1, dim=1)
    mixture = sum(c * share for c, share in zip(made.candidates, shares, strict=True))
    assert torch.allclose(carried, mixture, atol=1e-5)
    opaque = torch.ones(1, 1, 16, 16)
    assert torch.allclose(made.carried(opaque, opaque), opaque, atol=1e-6)


def test_decoder_can_correct_the_first_flow_of_each_neighbour() -> None:
    left, right, flows = ramps()
    fusion = biased({8: 0.1, 11: 0.2})  # of ten px: dx, dy of the first two candidates
    plain = biased({}).synthesize(left, right, flows, HALF).candidates
    made = fusion.synthesize(left, right, flows, HALF).candidates
    moved = [(a - b)[0, 0, 8, 8].item() for a, b in zip(made, plain, strict=True)]
    assert moved == pytest.approx([1.0, 2.0, 0.0, 0.0, 0.0])


def test_phase_reaches_the_decoder_only_as_a_plane() -> None:
    fusion = two_levels("rgb", phase_plane=True)
    with torch.no_grad():
        fusion.get_parameter("convs.0.0.0.weight")[0, -1, 0, 0] = 1.0
    out = fusion(*still(torch.zeros(1, 3, 4, 4), 8, 8), torch.tensor([0.375]))
    assert torch.allclose(out, torch.full_like(out, 0.375))


def test_what_is_laid_over_stays_whatever_the_decoder_says() -> None:
    wall = torch.rand(1, 3, 64, 69, generator=torch.Generator().manual_seed(0))
    left, right = wall[..., :64].clone(), wall[..., 5:].clone()
    left[..., 30:36] = right[..., 30:36] = 0.9
    frames = FramePyramids([left, left[..., ::2, ::2]], [left[:, :1], left[:, :1, ::2, ::2]])
    others = FramePyramids([right, right[..., ::2, ::2]], [right[:, :1], right[:, :1, ::2, ::2]])
    motions = [torch.full((1, 2, size, size), 5.0) for size in (64, 32)]
    made = biased({4: -1.0})(frames, others, FlowPyramids(motions, [-m for m in motions]), HALF)
    assert (made[..., 30:36] - 0.9).abs().max() < 0.03


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_what_bilinear_sampling_smooths_away_can_be_given_back(share: float) -> None:
    left, right, flows = still(torch.zeros(1, 3, 16, 16), 32, 32)
    place = torch.arange(32.0)

    def wave(moved: float) -> Tensor:
        swing = torch.sin((place - moved)[:, None] / 1.5) + torch.sin((place - moved) / 2)
        return swing.expand(1, 3, 32, 32) / 4

    left.images[0], right.images[0] = wave(0.0), wave(2 * share)
    forward = [torch.full_like(flow, 2 * share) for flow in flows.forward]
    flows = FlowPyramids(forward, [-flow for flow in forward])
    inside = ..., slice(2, -2), slice(2, -2)
    made = [biased({12: amount / 10})(left, right, flows, HALF) for amount in (0.0, 0.5, 1.0)]
    errors = [(frame - wave(share))[inside].abs().max().item() for frame in made]
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.1)
    assert errors[2] < errors[0] / 8


def test_where_nothing_moves_nothing_is_sharpened() -> None:
    left, right, flows = still(torch.zeros(1, 3, 8, 8), 16, 16)
    left.images[0] = right.images[0] = torch.rand(1, 3, 16, 16)
    assert torch.equal(
        biased({12: 0.5})(left, right, flows, HALF), biased({})(left, right, flows, HALF)
    )
