"""The old ways on a texture that glides by a known law: each is as good as it can be."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from filmcli.evaluation.metrics import Picture, psnr
from filmcli.evaluation.rivals import PAIRWISE, blend, dis_flow, minterpolate, repeat

RATE = Fraction(24)


def gliding(time: float) -> Picture:
    """A smooth random texture (96x144) that moves 96 px/s right and 24 px/s up."""
    coarse = np.random.default_rng(5).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    texture = cv2.resize(coarse, (400, 240), interpolation=cv2.INTER_CUBIC)
    move = np.array([[1, 0, 96 * time - 120], [0, 1, -24 * time - 60]], np.float32)
    return cv2.warpAffine(texture, move, (144, 96), flags=cv2.INTER_CUBIC)


def test_repeat_is_the_left_picture() -> None:
    left, right = gliding(0), gliding(1 / 24)
    assert repeat(left, right, 0.9) is left


def test_blend_rounds_to_the_nearest_level() -> None:
    left = np.array([[[0, 10, 255]]], np.uint8)
    right = np.array([[[1, 20, 0]]], np.uint8)
    assert blend(left, right, 0.5).tolist() == [[[1, 15, 128]]]
    assert blend(left, right, 0.25).tolist() == [[[0, 13, 191]]]
    assert np.array_equal(blend(left, right, 0.0), left)
    assert np.array_equal(blend(left, right, 1.0), right)


@pytest.mark.parametrize("phase", [0.2, 0.5, 0.8])
def test_flow_finds_the_glide_at_any_phase(phase: float) -> None:
    left, right, truth = gliding(0), gliding(1 / 24), gliding(phase / 24)
    inner = np.s_[12:-12, 12:-12]  # what enters at the edge is nobody's to know
    made = psnr(dis_flow(left, right, phase)[inner], truth[inner])
    assert made > 38
    assert made > psnr(blend(left, right, phase)[inner], truth[inner]) + 5


@pytest.mark.parametrize("name", PAIRWISE)
def test_rivals_keep_shape_and_type_of_odd_pictures(name: str) -> None:
    left, right = gliding(0)[:95, :143], gliding(1 / 24)[:95, :143]
    made = PAIRWISE[name](left, right, 0.5)
    assert made.shape == left.shape
    assert made.dtype == np.uint8


@pytest.mark.parametrize(
    ("rate", "target", "frames", "count"),
    [(24, 60, 12, 30), (24, 48, 12, 24), (Fraction(24000, 1001), 60, 10, 25), (25, 60, 1, 2)],
)
def test_minterpolate_fills_the_whole_length(
    rate: Fraction, target: Fraction, frames: int, count: int
) -> None:
    rate, target = Fraction(rate), Fraction(target)
    run = [gliding(float(k / rate)) for k in range(frames)]
    assert len(minterpolate(run, rate, target)) == count


def test_minterpolate_stands_at_its_times_from_the_first_interval_on() -> None:
    run = [gliding(k / 24) for k in range(8)]
    made = minterpolate(run, RATE, Fraction(48))
    inner = np.s_[16:-16, 16:-16]
    for k in range(15):
        truth = gliding(k / 48)[inner]
        # 53 dB is what the colour conversion of a kept picture leaves.
        assert psnr(made[k][inner], truth) > (50 if k % 2 == 0 else 36), k
