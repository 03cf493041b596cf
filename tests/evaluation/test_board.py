"""Means and tables, by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from filmcli.evaluation.board import FrameScores, Result, facts, markdown, mean_of, tables
from filmcli.evaluation.metrics import Score

HALF, THIRDS = (Fraction(1, 2),), (Fraction(1, 3), Fraction(2, 3))


def frame(number: int, scene: int, step: int, psnr: float, other: float) -> FrameScores:
    scores = {"ours": Score(psnr, psnr / 100), "theirs": Score(other, other / 100)}
    return FrameScores(number, scene, step, scores)


LONG = Result("long", [frame(1, 0, 1, 30, 20), frame(3, 0, 1, 34, 20), frame(7, 2, 1, 41, 20)])
SHORT = Result("a|b", [frame(1, 0, 1, 25, 30)])


def test_a_sequence_counts_once_however_long_it_is() -> None:
    assert LONG.scores()["ours"].psnr == pytest.approx(35)
    assert mean_of([LONG, SHORT])["ours"] == pytest.approx(Score(30, 0.30))
    assert mean_of([LONG, SHORT])["theirs"].psnr == pytest.approx(25)


def test_scenes_and_phases_have_means_of_their_own() -> None:
    assert LONG.scenes == [0, 2]
    assert LONG.scores(scene=0)["ours"].psnr == pytest.approx(32)
    assert LONG.scores(scene=2)["ours"].psnr == pytest.approx(41)
    thirds = Result("thirds", [frame(1, 0, 1, 30, 20), frame(2, 0, 2, 32, 20)])
    assert mean_of([thirds], 2)["ours"].psnr == 32
    rows = tables([thirds], THIRDS)[0].rows
    assert [row[:3] for row in rows] == [
        ("thirds", "2", "31.00"), ("mean", "2", "31.00"),
        ("- at 1/3", "1", "30.00"), ("- at 2/3", "1", "32.00"),
    ]  # fmt: skip


def test_the_tables_hold_sequences_scenes_and_means() -> None:
    psnr, ssim = tables([LONG, SHORT], HALF)
    assert psnr.head == ("sequence", "frames", "ours", "theirs")
    assert psnr.rows == [
        ("long", "3", "35.00", "20.00"),
        ("- scene 1", "2", "32.00", "20.00"),
        ("- scene 3", "1", "41.00", "20.00"),
        ("a|b", "1", "25.00", "30.00"),
        ("mean", "4", "30.00", "25.00"),
    ]
    assert ssim.rows[-1] == ("mean", "4", "0.3000", "0.2500")


def test_what_was_measured_has_a_table_of_its_own() -> None:
    looks = {
        "ours": Score(30, 0.9, 0.0412, None, 0.02),
        "theirs": Score(31, 0.9, 0.0531, None, 0.03),
    }
    result = Result("film", [FrameScores(1, 0, 1, looks)])
    *_, lpips, judge = tables([result], HALF)
    assert (lpips.title, lpips.best, lpips.rows[0]) == (
        "LPIPS", "lowest", ("film", "1", "0.0412", "0.0531")
    )  # fmt: skip
    assert judge.rows[-1] == ("mean", "1", "0.0200", "0.0300")
    told = facts(result, HALF)["scores"]["ours"]
    assert told == {"psnr": 30.0, "ssim": 0.9, "lpips": 0.0412, "st_lpips": 0.02}


def test_markdown_keeps_its_columns() -> None:
    lines = markdown(tables([SHORT], HALF)[0]).splitlines()
    assert lines[0] == "| PSNR, dB | frames | ours | theirs |"
    assert lines[1] == "| --- | ---: | ---: | ---: |"
    assert lines[2] == "| a\\|b | 1 | 25.00 | 30.00 |"


def test_facts_are_spelled_for_programs() -> None:
    told = facts(LONG, HALF)
    assert told["frames"] == 3
    assert told["scores"]["ours"] == {"psnr": 35.0, "ssim": 0.35}
    assert [scene["scene"] for scene in told["scenes"]] == [1, 3]
    assert "phases" not in told
    thirds = Result("thirds", [frame(1, 0, 1, 30, 20), frame(2, 0, 2, 32, 20)])
    assert [of["phase"] for of in facts(thirds, THIRDS)["phases"]] == ["1/3", "2/3"]
