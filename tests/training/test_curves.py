"""The picture of a run shows what its log holds."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from filmcli.training.curves import HEIGHT, WIDTH, draw_curves


def drawn(folder: Path, lines: list[dict[str, float]]) -> NDArray[np.uint8]:
    (folder / "log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    draw_curves(str(folder / "log"), str(folder / "curves.png"))
    picture = cv2.imread(str(folder / "curves.png"))
    assert picture is not None and picture.shape == (2 * HEIGHT, WIDTH, 3)
    return np.asarray(picture, np.uint8)[..., ::-1]


def heights(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """The mean row of `colour` in each column of the axes' inside that has it."""
    rows, columns = np.nonzero((picture == colour).all(axis=2))
    inside = columns < WIDTH - 180
    return np.array(
        [rows[inside][columns[inside] == c].mean() for c in sorted(set(columns[inside]))]
    )


def test_a_falling_loss_falls_and_rising_decibels_rise(tmp_path: Path) -> None:
    lines = [
        {"step": s, "steps": 9, "flow": 2.0**-s, "decibels": 20.0 + s, "samples_per_second": 5}
        for s in range(1, 10)
    ]
    picture = drawn(tmp_path, lines)
    first_colour = (31, 119, 180)  # of the first curve of either panel
    loss = heights(picture[:HEIGHT], first_colour)
    decibels = heights(picture[HEIGHT:], first_colour)
    assert len(loss) > 500
    assert loss[-1] - loss[0] > 200  # rows count downwards
    assert decibels[0] - decibels[-1] > 200
    # the logarithm of 2 ** -s is a straight line
    assert abs(np.polyfit(np.arange(len(loss)), loss, 2)[0]) < 1e-4


def test_what_a_resumed_run_did_twice_counts_once(tmp_path: Path) -> None:
    once = [{"step": s, "steps": 4, "flow": 1.0 / s} for s in (1, 2, 3, 4)]
    stray = [{"step": s, "steps": 4, "flow": 50.0} for s in (2, 3)]
    assert np.array_equal(drawn(tmp_path, once), drawn(tmp_path, [once[0], *stray, *once[1:]]))


def test_a_log_with_one_line_is_no_error(tmp_path: Path) -> None:
    drawn(tmp_path, [{"step": 1, "steps": 1, "flow": 0.5}])
