"""The whole network: names and shapes, agreement with a second writing, and purity."""

from __future__ import annotations

import pytest
import reference
import torch
from torch import Tensor

from filmcli.network.film import Film, FilmConfig

TINY = FilmConfig("tiny", filters=2, flow_filters=(4, 4, 6, 8))


def textured(batch: int, height: int, width: int, seed: int) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def lively(config: FilmConfig, seed: int = 0) -> Film:
    """A network whose random flows reach several pixels, so that warping matters."""
    torch.manual_seed(seed)
    net = Film(config)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.mul_(1.3) if name.endswith("weight") else parameter.normal_(0, 0.1)
    return net


def published_table() -> dict[str, tuple[int, ...]]:
    """The published parameters by name, worked out by hand from the layer list."""
    table: dict[str, tuple[int, ...]] = {}

    def layer(name: str, out_channels: int, in_channels: int, size: int) -> None:
        table[f"{name}.weight"] = (out_channels, in_channels, size, size)
        table[f"{name}.bias"] = (out_channels,)

    for stage, (before, after) in enumerate(((3, 64), (64, 128), (128, 256), (256, 512))):
        layer(f"extract.extract_sublevels.convs.{stage}.0.0", after, before, 3)
        layer(f"extract.extract_sublevels.convs.{stage}.1.0", after, after, 3)
    predictors = {
        "_predictor": (1920, 256),
        "_predictors.0": (896, 128),
        "_predictors.1": (384, 64),
        "_predictors.2": (128, 32),
    }
    for name, (before, width) in predictors.items():
        for slot, channels in enumerate((before, width, width)):
            layer(f"predict_flow.{name}._convs.{slot}.0", width, channels, 3)
        layer(f"predict_flow.{name}._convs.3.0", width // 2, width, 1)
        layer(f"predict_flow.{name}._convs.4.0", 2, width // 2, 1)
    decoder = ((1930, 2442, 512), (512, 1162, 256), (256, 522, 128), (128, 202, 64))
    for index, (below, joined, width) in enumerate(decoder):
        layer(f"fuse.convs.{index}.0.0", width, below, 2)
        layer(f"fuse.convs.{index}.1.0", width, joined, 3)
        layer(f"fuse.convs.{index}.2.0", width, width, 3)
    layer("fuse.output_conv", 3, 64, 1)
    return table


def test_film_has_the_published_parameters() -> None:
    with torch.device("meta"):
        net = Film(FilmConfig("film"))
    assert {name: tuple(p.shape) for name, p in net.state_dict().items()} == published_table()
    assert sum(p.numel() for p in net.parameters()) == 34_436_667


@pytest.mark.parametrize(("height", "width"), [(64, 64), (128, 192), (100, 150), (67, 131)])
@pytest.mark.parametrize("phase", [0.5, 0.2])
def test_agrees_with_the_reference(height: int, width: int, phase: float) -> None:
    net = lively(TINY)
    left, right = textured(1, height, width, 1), textured(1, height, width, 2)
    with torch.no_grad():
        made = net(left, right, torch.tensor([phase]))
        expected = reference.film(net.state_dict(), left, right, phase)
        flows = net.interval(net.features(left), net.features(right)).flows
    assert flows.forward[0].abs().max() > 2, "the flows are too small to prove anything"
    assert (made - expected).abs().max() < 1e-4


def test_published_size_agrees_with_the_reference() -> None:
    torch.manual_seed(0)
    net = Film(FilmConfig("film"))
    left, right = textured(1, 66, 97, 1), textured(1, 66, 97, 2)
    with torch.no_grad():
        made = net(left, right, torch.tensor([0.5]))
        expected = reference.film(net.state_dict(), left, right, 0.5)
    assert (made - expected).abs().max() < 1e-4


def test_stages_in_a_row_are_the_whole() -> None:
    net = lively(TINY)
    left, right = textured(2, 64, 80, 1), textured(2, 64, 80, 2)
    phase = torch.tensor([0.3, 0.5])
    with torch.no_grad():
        first, second = net.features(left), net.features(right)
        interval = net.interval(first, second)
        assert torch.equal(net.synthesize(interval, phase).frame, net(left, right, phase))


def test_swapping_neighbours_swaps_the_flows() -> None:
    net = lively(TINY)
    first, second = (net.features(textured(1, 64, 64, seed)) for seed in (1, 2))
    there, back = net.interval(first, second).flows, net.interval(second, first).flows
    for a, b in zip(there.forward, back.backward, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_other_parameters_change_the_picture_but_not_the_network() -> None:
    net = lively(TINY)
    frames = textured(1, 64, 64, 1), textured(1, 64, 64, 2), torch.tensor([0.5])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    plain = net(*frames)
    params = {"fuse.output_conv.bias": torch.ones(3)}
    shifted = torch.func.functional_call(net, params, frames)
    assert torch.allclose(
        shifted, plain - before["fuse.output_conv.bias"][:, None, None] + 1, atol=1e-5
    )
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_every_parameter_gets_a_gradient() -> None:
    net = lively(TINY)
    made = net(textured(1, 64, 64, 1), textured(1, 64, 64, 2), torch.tensor([0.4]))
    made.pow(2).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_refuses_frames_too_small_for_the_pyramid() -> None:
    with pytest.raises(ValueError, match="63x64 frame is too small for 7"):
        Film(TINY).features(textured(1, 64, 63, 1))


def test_half_precision_keeps_flows_in_float32() -> None:
    net = lively(TINY)
    left, right, phase = textured(1, 64, 64, 1), textured(1, 64, 64, 2), torch.tensor([0.5])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        interval = net.interval(net.features(left), net.features(right))
        made = net.synthesize(interval, phase)
    assert {flow.dtype for flow in (*interval.flows.forward, *made.motions)} == {torch.float32}
