"""Errors of time are measured as what they are."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from filmcli.evaluation import clip
from filmcli.evaluation.drawn import (
    PHASES,
    RATE,
    SIZE,
    median_errors,
    price_of_thirds,
    score_drawn,
    shown_phase,
    time_table,
)
from filmcli.evaluation.makers import RIVALS, Maker, Run
from filmcli.evaluation.metrics import CEILING_DB, Picture, Scorer

SHOT, FIRST = {"planet": 66}, 66


def late(seconds: float) -> Maker:
    """A maker that draws the film itself, `seconds` after the moment asked for."""

    def make(run: Run) -> list[list[Picture]]:
        return [
            [
                clip.picture((FIRST + interval + phase) / RATE + Fraction(seconds), *SIZE)
                for phase in phases
            ]
            for interval, phases in enumerate(run.phases)
        ]

    return make


def test_time_errors_are_found_to_a_tenth_of_a_millisecond() -> None:
    makers = {"true": late(0), "late": late(0.003), "early": late(-0.0047), **RIVALS}
    results, errors = score_drawn(makers, Scorer(), SHOT, 2)
    assert len(errors) == 2 * len(PHASES)
    found = median_errors(errors)
    assert found["true"] == pytest.approx(0, abs=0.05)
    assert found["late"] == pytest.approx(3.0, abs=0.1)
    assert found["early"] == pytest.approx(4.7, abs=0.1)
    for step, phase in enumerate(PHASES, 1):
        # the frame before is late by its whole phase
        assert median_errors(errors, step)["repeat"] == pytest.approx(1000 * phase / RATE)
    assert found["dis"] < 1.5
    (shot,) = results
    assert shot.scores()["true"].psnr == CEILING_DB
    assert shot.scores()["dis"].psnr > shot.scores()["blend"].psnr + 3
    assert price_of_thirds(results)["true"] == 0


def test_a_run_knows_the_frames_beside_it() -> None:
    runs: list[Run] = []

    def watch(run: Run) -> list[list[Picture]]:
        runs.append(run)
        return RIVALS["repeat"](run)

    score_drawn({"it": watch}, Scorer(), SHOT, 1)
    (run,) = runs
    for picture, frame in zip((run.before, *run.kept, run.after), range(65, 69), strict=True):
        assert picture is not None
        assert np.array_equal(picture, clip.picture(frame / RATE, *SIZE))


def test_a_frame_darker_than_the_truth_still_shows_its_time() -> None:
    drawn = [clip.picture(Fraction(FIRST * 24 + step, 24 * 24), *SIZE) for step in range(25)]
    assert shown_phase(drawn[7] // 2 + 20, drawn) == pytest.approx(7 / 24, abs=0.01)


def test_at_the_ends_the_phase_is_the_end() -> None:
    drawn = [np.full((4, 4, 3), level, np.uint8) for level in (10, 20, 30)]
    assert shown_phase(drawn[0], drawn) == 0
    assert shown_phase(drawn[2] + np.uint8(9), drawn) == 1
    assert shown_phase(drawn[1] + np.uint8(2), drawn) == pytest.approx(0.6)


def test_the_table_says_what_thirds_cost() -> None:
    results, errors = score_drawn({"repeat": RIVALS["repeat"]}, Scorer(), SHOT, 1)
    table = time_table(results, errors)
    assert table.head == ("", "frames", "repeat")
    assert [row[0] for row in table.rows] == [
        "all", "- at 1/3", "- at 1/2", "- at 2/3", "thirds below the middle, dB",
    ]  # fmt: skip
    assert table.rows[1][2] == "13.89"
    assert table.best == "lowest"
