"""The networks beside FILM: fresh ones blend, sizes are free, each does what its paper says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.adaptation.film import prepared, recipe_of
from filmcli.adaptation.lessons import Triplets
from filmcli.adaptation.scene import fits
from filmcli.backbones import BACKBONES, build, load
from filmcli.backbones.dain import Dain, fetch
from filmcli.backbones.projection import projected, splatted
from filmcli.backbones.sepconv import SepConv, convolved
from filmcli.backbones.superslomo import PACE_PX, SuperSloMo, at_moment
from filmcli.backbones.voxelflow import VoxelFlow
from filmcli.cli import run
from filmcli.errors import UsageError
from filmcli.network.pyramids import warp
from tests.clips import pattern

HALF = torch.tensor([0.5])


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def lively(name: str) -> nn.Module:
    """A network whose last layers, zero at first, say something."""
    net = build(name)
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.normal_(std=0.02)
    return net


def texture(side: int = 40, batch: int = 1) -> Tensor:
    """A smooth picture, so that half a pixel is half a step."""
    small = torch.rand(batch, 3, side // 4 + 1, side // 4 + 1)
    return F.interpolate(small, size=(side, side), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_fresh_network_blends_at_any_size(name: str) -> None:
    left, right = torch.rand(2, 2, 3, 33, 47)
    phase = torch.tensor([0.5, 0.25]) if name != "sepconv" else torch.tensor([0.5, 0.5])
    time = phase[:, None, None, None]
    made = build(name)(left, right, phase)
    torch.testing.assert_close(made, (1 - time) * left + time * right, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_picture_depends_on_its_own_frames_alone_and_on_all_parameters(name: str) -> None:
    net = lively(name)
    left, right = torch.rand(2, 2, 3, 24, 40)
    both = net(left, right, HALF.expand(2))
    torch.testing.assert_close(both[1:], net(left[1:], right[1:], HALF), atol=1e-4, rtol=0)
    both.square().mean().backward()
    untouched = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not untouched


@pytest.mark.parametrize("name", BACKBONES)
def test_a_few_steps_teach_a_shift(name: str) -> None:
    """What moved by four pixels is met half-way, which no blend does."""
    wide = texture(36)
    left, target, right = (wide[..., 6:30, at : at + 24] for at in (8, 6, 4))
    net = build(name)
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    errors = []
    for _ in range(40):
        optimiser.zero_grad()
        error = (net(left, right, HALF) - target).abs().mean()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert errors[-1] < 0.5 * errors[0]


class TestSuperSloMo:
    def test_even_motion_is_split_by_the_phase(self) -> None:
        onwards = torch.full((1, 2, 4, 4), 8.0)
        to_left, to_right = at_moment(onwards, -onwards, torch.tensor(0.25).view(1, 1, 1, 1))
        assert torch.equal(to_left, torch.full_like(onwards, -2.0))
        assert torch.equal(to_right, torch.full_like(onwards, 6.0))

    def test_the_nearer_frame_s_flow_counts_more(self) -> None:
        onwards, back = torch.full((1, 2, 1, 1), 8.0), torch.full((1, 2, 1, 1), -4.0)
        to_left, to_right = at_moment(onwards, back, torch.tensor(0.25).view(1, 1, 1, 1))
        assert to_left.unique().tolist() == [-(0.25 * 0.75 * 8) - 0.25 * 0.25 * 4]
        assert to_right.unique().tolist() == [0.75**2 * 8 + 0.75 * 0.25 * 4]

    def test_backwards_in_time_left_is_right(self) -> None:
        onwards, back = torch.randn(2, 1, 2, 4, 4)
        time = torch.tensor(0.3).view(1, 1, 1, 1)
        reversed_ways = at_moment(back, onwards, 1 - time)[::-1]
        torch.testing.assert_close(at_moment(onwards, back, time), reversed_ways)

    @pytest.mark.parametrize("phase", [0.25, 0.5])
    def test_a_known_flow_meets_the_frame_at_any_phase(self, phase: float) -> None:
        net = SuperSloMo()
        with torch.no_grad():  # 4 px to the right from left to right
            net.flow.output_conv.bias.copy_(torch.tensor([4.0, 0, -4, 0]) / PACE_PX)
        wide = texture(48)
        left, right = wide[..., 8:40, 8:40], wide[..., 8:40, 4:36]
        made = net(left, right, torch.tensor([phase]))
        truth = wide[..., 8:40, 8 - int(4 * phase) :][..., :32]
        torch.testing.assert_close(made[..., 6:-6], truth[..., 6:-6], atol=1e-5, rtol=0)

    def test_what_right_alone_shows_is_taken_from_right(self) -> None:
        net = SuperSloMo()
        with torch.no_grad():
            net.refine.output_conv.bias[4] = -30.0  # left is hidden
        left, right = torch.rand(2, 1, 3, 16, 16)
        torch.testing.assert_close(net(left, right, torch.tensor([0.1])), right)


class TestSepConv:
    def test_sums_and_gradients_are_those_of_two_loops(self) -> None:
        taps, height, width = 5, 4, 37  # wider than a block, and no multiple of it
        frame, weights = torch.rand(2, 3, height, width), torch.randn(2, 3, height, width)
        kernels = torch.randn(2, 2, taps, height, width, requires_grad=True)
        column, row = kernels
        padded = F.pad(frame, (2, 2, 2, 2), mode="replicate")
        expected = torch.zeros_like(frame)
        for i in range(taps):
            for j in range(taps):
                share = column[:, i : i + 1] * row[:, j : j + 1]
                expected = expected + share * padded[..., i : i + height, j : j + width]
        made = convolved(frame, column, row)
        torch.testing.assert_close(made, expected)
        slopes = [torch.autograd.grad((of * weights).sum(), kernels)[0] for of in (made, expected)]
        torch.testing.assert_close(*slopes)

    def test_it_knows_the_middle_only(self) -> None:
        net, frames = lively("sepconv"), torch.rand(2, 1, 3, 16, 16)
        assert torch.equal(net(*frames, HALF), net(*frames, torch.tensor([0.9])))


class TestDain:
    def time(self, value: float = 0.5) -> Tensor:
        return torch.tensor(value).view(1, 1, 1, 1)

    def test_what_is_moved_arrives_where_it_is_moved_to(self) -> None:
        values, way = torch.zeros(1, 1, 1, 5), torch.zeros(1, 2, 1, 5)
        values[..., 1], way[:, 0, :, 1] = 8.0, 1.25
        assert splatted(values, way)[0, 0, 0].tolist() == [0.0, 0.0, 6.0, 2.0, 0.0]
        way[:, 0, :, 1] = -9.0  # over the edge
        assert not splatted(values, way).any()

    def test_where_motions_meet_the_nearer_counts(self) -> None:
        """From pixels 0 and 4 of a row two flows arrive at 2, half-way."""
        flow, nearness = torch.zeros(1, 2, 1, 5), torch.full((1, 1, 1, 5), 1e-6)
        flow[0, 0, 0, 0], flow[0, 0, 0, 4] = 4.0, -4.0
        nearness[..., 0], nearness[..., 4] = 3.0, 1.0
        met = projected(flow, nearness, self.time())[0, 0, 0, 2]
        assert met.item() == pytest.approx((3 * -2 + 1 * 2) / 4, abs=0.01)
        nearness[..., 0] = 1e4
        assert projected(flow, nearness, self.time())[0, 0, 0, 2].item() == pytest.approx(
            -2, abs=0.01
        )

    def test_holes_take_the_flow_around(self) -> None:
        flow = torch.full((1, 2, 16, 24), 6.0)
        found = projected(flow, torch.ones(1, 1, 16, 24), self.time())
        torch.testing.assert_close(found, torch.full_like(flow, -3.0))  # at the edge none arrives

    def test_a_window_that_says_nothing_is_bilinear(self) -> None:
        frame, flow = torch.rand(1, 3, 12, 15), 5 * torch.randn(1, 2, 12, 15)
        torch.testing.assert_close(
            fetch(frame, flow, torch.zeros(1, 16, 12, 15)), warp(frame, flow)
        )

    def test_a_window_reaches_two_pixels_on(self) -> None:
        frame, kernel = torch.rand(1, 3, 8, 8), torch.zeros(1, 16, 8, 8)
        kernel[:, 5], kernel[:, 6] = -1.0, 0.0
        kernel[:, 4] = 1.0  # the pixel to the left of the place, in its stead
        made = fetch(frame, torch.zeros(1, 2, 8, 8), kernel)
        torch.testing.assert_close(made[..., 1:], frame[..., :-1])

    def test_depth_is_learned_from_frames_alone(self) -> None:
        net = lively("dain")
        net(*torch.rand(2, 1, 3, 24, 24), HALF).square().mean().backward()
        assert all(parameter.grad is not None for parameter in net.depth.parameters())


@pytest.mark.parametrize("build_net", [SuperSloMo, VoxelFlow, Dain, SepConv])
def test_sides_are_given_alike(build_net: type) -> None:
    """Fresh networks do not prefer a direction of time."""
    net, frames = build_net(), torch.rand(2, 1, 3, 17, 23)
    torch.testing.assert_close(net(*frames, HALF), net(*frames.flip(0), HALF), atol=1e-6, rtol=0)


def words(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


@pytest.mark.parametrize("name", BACKBONES)
def test_it_is_trained_goes_on_meta_trained_and_adapts(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clips").mkdir()
    pattern(tmp_path / "clips" / "a_1.mp4", 0.5)
    base, meta = str(tmp_path / "base.safetensors"), str(tmp_path / "meta.safetensors")
    first = ["batch=2", "side=48", f"config={name}", "lpips_weight=0", "middle_share=1"]
    said = ["train", str(tmp_path / "clips"), "--workers", "0", "--report-every", "1"]
    assert run([*said, "-o", base, *words(*first, "steps=2")]) == 0
    begun = load(base)
    assert begun.config == name
    assert begun.metadata["steps"] == "2"
    assert run([*said, "-o", base, *words(*first, "steps=2")]) == 0  # done is done
    then = ["side=48", "tasks=1", "steps=1", "queries=1", "subset=all", "doubled=1", "cycle=0"]
    assert run([*said, "--meta", "--init", base, "-o", meta, *words(*then)]) == 0
    weights = load(meta)
    assert weights.rates[0].keys() == weights.state_dict.keys()
    net = prepared(build(name), weights, "cpu")
    triplets = Triplets(*torch.rand(3, 1, 3, 32, 32), HALF)
    *_, (steps, deltas) = fits(net, [triplets], recipe_of(weights, 1))
    assert steps == 1
    assert any(delta.any() for delta in deltas.values())
    capsys.readouterr()
    assert run(["upsample", str(tmp_path / "clips" / "a_1.mp4"), "--weights", base]) != 0
    told = capsys.readouterr().err
    assert f"They are of a network '{name}'; known here are film, film-m." in told


def test_a_name_that_no_network_has_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="no network 'rife'"):
        build("rife")
    pattern(tmp_path / "a_1.mp4", 0.5)
    said = ["train", str(tmp_path), "-o", str(tmp_path / "x.safetensors"), "--workers", "0"]
    assert run([*said, *words("config=rife", "side=48")]) == 2
    assert "no network 'rife'" in capsys.readouterr().err
    assert run([*said, "--validate", str(tmp_path), *words("config=dain", "side=48")]) == 2
    assert "'dain' cannot be scored" in capsys.readouterr().err
