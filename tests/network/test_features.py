"""The feature extractor with weights set by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from filmcli.network.features import FeatureExtractor, conv
from filmcli.network.pyramids import image_pyramid


def pass_through(extractor: FeatureExtractor) -> None:
    """Make every convolution add up its input channels, pixel by pixel."""
    with torch.no_grad():
        for name, parameter in extractor.named_parameters():
            parameter.zero_()
            if name.endswith("weight"):
                parameter[:, :, 1, 1] = 1.0


def test_levels_gather_stages_by_resolution_finest_level_first() -> None:
    extractor = FeatureExtractor(filters=1, sub_levels=2)
    pass_through(extractor)
    images = image_pyramid(torch.rand(1, 3, 8, 12), 3)
    features = extractor(images)
    assert [tuple(f.shape) for f in features] == [(1, 1, 8, 12), (1, 3, 4, 6), (1, 3, 2, 3)]
    grey = [image.sum(dim=1, keepdim=True) for image in images]
    # Stage 0 gives the sum of the colours; stage 1 pools it and doubles it, two channels to two.
    assert torch.allclose(features[0], grey[0], atol=1e-5)
    expected: list[Tensor] = [torch.cat((g, 2 * g, 2 * g), 1) for g in grey[1:]]
    assert torch.allclose(features[1], expected[0], atol=1e-5)
    assert torch.allclose(features[2], expected[1], atol=1e-5)


def test_negative_values_leak_by_a_fifth_at_each_convolution() -> None:
    extractor = FeatureExtractor(filters=1, sub_levels=1)
    pass_through(extractor)
    (feature,) = extractor([torch.full((1, 3, 4, 4), -1.0)])
    assert torch.allclose(feature, torch.full((1, 1, 4, 4), -3 * 0.2 * 0.2))


def test_fresh_convolutions_are_glorot_uniform_with_zero_bias() -> None:
    torch.manual_seed(0)
    layer = conv(16, 32, 3)[0]
    bound = (6 / ((16 + 32) * 9)) ** 0.5
    assert 0.98 * bound < layer.weight.abs().max() <= bound
    assert not layer.bias.any()
