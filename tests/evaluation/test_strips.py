"""Strips show the pictures they are given, and the place where the error is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from filmcli.evaluation.strips import Cell, error, strip, worst_part


def test_the_error_is_enlarged_and_clipped() -> None:
    made = np.array([[[10, 100, 200]]], np.uint8)
    truth = np.array([[[13, 100, 100]]], np.uint8)
    assert error(made, truth).tolist() == [[[12, 0, 255]]]
    assert np.array_equal(error(made, truth), error(truth, made))


@pytest.mark.parametrize(("y", "x"), [(0, 0), (47, 63), (30, 10)])
def test_the_worst_part_holds_the_error(y: int, x: int) -> None:
    wrong = np.zeros((48, 64), np.float32)
    wrong[y, x] = 3
    wrong[5, 50] = 1  # a lesser one
    rows, columns = worst_part(wrong, (12, 16))
    assert rows.stop - rows.start == 12 and columns.stop - columns.start == 16
    assert rows.start <= y < rows.stop <= 48 and columns.start <= x < columns.stop <= 64


def test_a_part_larger_than_the_picture_is_the_picture() -> None:
    assert worst_part(np.zeros((8, 9), np.float32), (100, 100)) == (slice(0, 8), slice(0, 9))


def test_a_strip_shows_its_pictures_side_by_side() -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    pictures = [np.full((60, 80, 3), colour, np.uint8) for colour in colours]
    cells = [Cell(f"number {n}", picture) for n, picture in enumerate(pictures)]
    data = np.frombuffer(strip(cells, np.ones((60, 80), np.float32)), np.uint8)
    shown = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    assert shown.shape[1] == 3 * (80 + 4)
    for number, colour in enumerate(colours):
        for y in (50, 110):  # the whole frame, and the part below it
            assert shown[y, number * 84 + 60].astype(int) == pytest.approx(colour, abs=6)


@pytest.mark.parametrize(("height", "width"), [(11, 11), (1080, 1920), (400, 30)])
def test_any_size_makes_a_strip(height: int, width: int) -> None:
    flat = np.zeros((height, width, 3), np.uint8)
    data = strip([Cell("it", flat)], np.zeros((height, width), np.float32))
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), 1)
    assert shown.shape[1] <= 404
