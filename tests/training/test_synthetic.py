"""Synthetic motion keeps its promises: the flow fetches the picture, at any phase."""

from __future__ import annotations

import cv2
import footage
import numpy as np
import pytest
from numpy.typing import NDArray

from filmcli.training.samples import Field, Picture, Sample
from filmcli.training.synthetic import lands_inside, synthetic_sample

ASSETS = footage.assets()


def draw(index: int, side: int = 64) -> Sample:
    return synthetic_sample(ASSETS, side, np.random.default_rng((0, index)))


def fetch(source: Picture, flow: Field) -> Picture:
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def median_error(a: Picture, b: Picture, where: NDArray[np.bool_]) -> float:
    return float(np.median(np.abs(a.astype(int) - b)[where]))


def test_flow_fetches_the_other_end() -> None:
    explained, unmoved = [], []
    for index in range(40):
        sample = draw(index)
        gain = sample.left.mean() / max(sample.right.mean(), 1)
        if abs(gain - 1) > 0.03:
            continue  # the light changed: pictures differ by more than motion
        known = sample.forward_known > 0
        explained.append(median_error(fetch(sample.right, sample.forward), sample.left, known))
        known = sample.backward_known > 0
        explained.append(median_error(fetch(sample.left, sample.backward), sample.right, known))
        unmoved.append(median_error(sample.right, sample.left, known))
    assert len(explained) > 40
    assert np.mean(explained) < 1.5 < 6 < np.mean(unmoved)


def test_the_target_lies_on_the_straight_way() -> None:
    # A background alone: the flow from left, scaled by the phase, leads to the target.
    errors = []
    for index in range(60):
        sample = draw(index)
        known = (sample.forward_known > 0) & (lands_inside(sample.forward * sample.phase) > 0)
        if abs(sample.left.mean() / max(sample.target.mean(), 1) - 1) > 0.03:
            continue
        way = fetch(sample.target, (sample.forward * sample.phase).astype(np.float32))
        errors.append(median_error(way, sample.left, known))
    assert np.mean(errors) < 1.5


def test_a_sample_is_a_function_of_its_generator() -> None:
    first, second, other = draw(3), draw(3), draw(4)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first.left, other.left)


def test_frames_may_be_larger_than_the_photographs() -> None:
    sample = draw(0, side=400)  # of textures of 240 lines
    assert sample.left.shape == (400, 400, 3)
    assert sample.left.std() > 5


def test_motion_spans_still_to_large() -> None:
    lengths = [
        np.percentile(np.hypot(*draw(i, 128).forward.transpose(2, 0, 1)), 95) for i in range(60)
    ]
    assert min(lengths) < 4
    assert max(lengths) > 15


@pytest.mark.parametrize(
    ("flow", "inside"), [((0, 0), 16), ((1, 0), 12), ((-2, 3), 2), ((9, 9), 0)]
)
def test_known_is_what_lands_inside(flow: tuple[float, float], inside: int) -> None:
    field = np.broadcast_to(np.array(flow, np.float32), (4, 4, 2))
    assert lands_inside(field).sum() == inside
