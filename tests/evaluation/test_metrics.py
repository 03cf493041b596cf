"""Decibels and similarities worked by hand."""

import math
import sys

import numpy as np
import pytest

from filmcli.errors import MachineError
from filmcli.evaluation.metrics import (
    CEILING_DB,
    CONVENTIONS,
    MEASURES,
    Score,
    Scorer,
    lpips,
    mean_psnr,
    mean_score,
    psnr,
    rounded,
    ssim,
)
from filmcli.lpips import load_lpips


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


def windowed(values: np.ndarray) -> np.ndarray:
    """Weighted means over every 11x11 window inside (H, W), the window a Gaussian of sigma 1.5."""
    bell = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(bell, bell) / bell.sum() ** 2
    windows = np.lib.stride_tricks.sliding_window_view(values, (11, 11))
    return np.einsum("ijkl,kl->ij", windows, weights)


def test_ssim_is_what_its_formula_says() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 256, (20, 17, 3), np.uint8)
    made = np.clip(truth + rng.normal(0, 30, truth.shape), 0, 255).astype(np.uint8)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    by_channel = []
    for channel in range(3):
        x, y = (picture[..., channel].astype(float) for picture in (made, truth))
        mx, my = windowed(x), windowed(y)
        vx, vy = windowed(x * x) - mx * mx, windowed(y * y) - my * my
        together = windowed(x * y) - mx * my
        similarity = (2 * mx * my + c1) * (2 * together + c2)
        by_channel.append((similarity / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean())
    assert ssim(made, truth) == pytest.approx(np.mean(by_channel), abs=1e-6)
    assert Scorer()({"it": made}, truth) == {"it": Score(psnr(made, truth), ssim(made, truth))}


def test_equal_pictures_are_as_similar_as_can_be() -> None:
    even = picture(9, (11, 11, 3))
    assert ssim(even, even) == pytest.approx(1.0)
    assert ssim(even, picture(200, (11, 11, 3))) < 0.1


def test_ssim_refuses_what_it_cannot_see() -> None:
    with pytest.raises(ValueError, match="smaller"):
        ssim(picture(0, (10, 40, 3)), picture(0, (10, 40, 3)))
    with pytest.raises(ValueError, match="shapes"):
        ssim(picture(0, (20, 20, 3)), picture(0, (20, 21, 3)))


def test_without_its_package_ssim_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    with pytest.raises(MachineError) as failure:
        ssim(picture(0, (20, 20, 3)), picture(0, (20, 20, 3)))
    assert "filmcli[evaluate]" in failure.value.do


def test_looks_are_measured_by_the_networks_given() -> None:
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 256, (40, 40, 3), np.uint8)
    made = {"equal": truth, "less": truth // 2}
    plain, looks = Scorer()(made, truth), Scorer(load_lpips())(made, truth)
    assert looks["equal"].lpips == 0.0
    assert looks["less"] == (*plain["less"][:2], lpips(load_lpips(), truth // 2, truth), None, None)
    assert looks["less"].lpips > 0.05
    assert plain["less"].measured.keys() == {"psnr", "ssim"}
    assert "LPIPS" not in Scorer().conventions
    assert "LPIPS: version 0.1" in Scorer(load_lpips()).conventions
    with pytest.raises(ValueError, match="shapes"):
        lpips(load_lpips(), truth, truth[1:])


def test_what_is_wrong_is_found_in_its_place() -> None:
    truth = rounded(np.random.default_rng(6).random((96, 128, 3)))
    made = truth.copy()
    made[64:80, 96:120] = 128
    for scorer in (Scorer(), Scorer(load_lpips())):
        wrong = scorer.wrong(made, truth)
        assert wrong.shape == (96, 128)
        assert 64 <= np.argmax(wrong) // 128 < 80 and 96 <= np.argmax(wrong) % 128 < 120
        assert wrong[:32, :32].max() < 0.01 * wrong.max()


def test_measures_are_told_in_the_order_of_a_score() -> None:
    assert tuple(MEASURES) == Score._fields


def test_scores_have_means() -> None:
    looks = mean_score([Score(30, 0.9, 0.1), Score(40, 0.7, 0.3)])
    assert looks.measured == pytest.approx({"psnr": 35, "ssim": 0.8, "lpips": 0.2})
    assert mean_score([Score(30, 0.9), Score(40, 0.7)]) == pytest.approx(Score(35, 0.8))
    with pytest.raises(ValueError, match="no scores"):
        mean_score([])


def test_the_conventions_name_the_ceiling() -> None:
    assert f"at most {CEILING_DB:g} dB" in CONVENTIONS
