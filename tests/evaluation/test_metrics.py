"""Decibels worked by hand."""

import math

import numpy as np
import pytest

from filmcli.evaluation.metrics import CEILING_DB, mean_psnr, psnr, rounded


def picture(level: int, shape: tuple[int, int, int] = (4, 6, 3)) -> np.ndarray:
    return np.full(shape, level, np.uint8)


def test_one_level_everywhere_is_48_13_db() -> None:
    assert psnr(picture(100), picture(101)) == pytest.approx(20 * math.log10(255))


def test_black_against_white_is_0_db_and_does_not_wrap() -> None:
    assert psnr(picture(0), picture(255)) == 0.0
    assert psnr(picture(255), picture(0)) == 0.0


def test_the_error_is_the_mean_over_all_three_colours() -> None:
    made = picture(100)
    made[..., 2] = 103  # 9 / 3 = 3 squared levels on average
    assert psnr(made, picture(100)) == pytest.approx(10 * math.log10(255**2 / 3))


def test_equal_pictures_score_the_ceiling() -> None:
    assert psnr(picture(7), picture(7)) == CEILING_DB


def test_a_set_has_the_mean_of_its_decibels() -> None:
    pairs = [(picture(0), picture(255)), (picture(100), picture(101))]
    assert mean_psnr(pairs) == pytest.approx(20 * math.log10(255) / 2)
    with pytest.raises(ValueError, match="no pictures"):
        mean_psnr([])


def test_unlike_pictures_are_refused_and_not_broadcast() -> None:
    with pytest.raises(ValueError, match="shapes"):
        psnr(picture(0), picture(0, (4, 6, 1)))
    with pytest.raises(ValueError, match="8-bit"):
        psnr(picture(0).astype(np.float32), picture(0))


def test_rounding_is_to_the_nearest_level_and_clips() -> None:
    values = np.array([[[-0.2, 0.4999 / 255, 0.5001 / 255], [254.6 / 255, 1.0, 1.7]]], np.float32)
    assert rounded(values).tolist() == [[[0, 0, 1], [255, 255, 255]]]
