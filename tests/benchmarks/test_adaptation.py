"""The study of adaptation: what its tables say of rows; that it goes on where it was stopped."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.adaptation.courses import GROUPS, SIZES
from benchmarks.adaptation.measure import shot_of
from benchmarks.adaptation.report import (
    BEGIN,
    END,
    LIKE,
    UNLIKE,
    Row,
    Rows,
    gated,
    rewrite,
    summary,
    tables,
)
from filmcli.video.footage import read_rgb
from tests.benchmarks.studies import run_twice
from tests.clips import pattern


def row(
    clip: str, base: float, gain: float, doubled: float, seconds: float, cycle: float = 1.0
) -> Row:
    """A clip of two true frames and two held-out triplets, after one step that taught the cycle."""
    after = {"steps": 1, "seconds": seconds, "truth": [base + gain, base + 2 + gain]}
    after |= {"doubled": [30 + doubled, 31 + doubled], "cycle": [34 + cycle, 36 + cycle]}
    distances = [[0.1, 0.1], [0.2, 0.2]]
    return {
        "clip": clip,
        "taught": [0.0, 1.0],
        "truth": [base, base + 2],
        "lpips": [0.1, 0.3],
        "doubled": [30.0, 31.0],
        "cycle": [34.0, 36.0],
        "distances": distances,
        "frame_seconds": 0.5,
        "steps": [after | {"lpips": [0.1, 0.3 - gain / 10], "distances": distances}],
    }


ROWS = [row("a", 25.0, 0.4, 0.3, 2.0), row("b", 29.0, -0.2, -0.1, 4.0)]


def test_a_summary_by_hand() -> None:
    of = summary(ROWS, 1)
    assert of.base == pytest.approx(28.0)
    assert (of.gain, of.worst, of.best) == pytest.approx((0.1, -0.2, 0.4))
    assert of.lpips == pytest.approx(-2.5)  # -10 % and +5 %
    assert (of.gated, of.gated_worst) == pytest.approx((0.2, 0.0))
    assert (of.gated_lpips, of.gated_lpips_worst) == pytest.approx((-5.0, 0.0))
    assert (of.kept, of.clips, of.frames) == (1, 2, 6.0)
    assert summary(ROWS, 0)._replace(base=0.0) == (0.0,) * 9 + (0, 2, 0.0)


def test_other_gates_need_no_new_rows() -> None:
    (after,) = ROWS[0]["steps"]
    assert gated(ROWS[0], 1) is after
    assert gated(ROWS[0], 1, margin_db=0.7) is None  # (0.3 + 1.0) / 2
    assert gated(ROWS[1], 1) is None  # neither question may lose
    blurred = {**after, "distances": [[0.1, 0.1], [0.2, 0.3]]}
    assert gated({**ROWS[0], "steps": [blurred]}, 1) is None
    without = {name: value for name, value in ROWS[0].items() if name != "doubled"}
    assert gated(without, 1) is None


def test_the_best_of_the_steps_is_what_a_user_gets() -> None:
    one, three = (row("a", 25.0, gain, gain, 2.0)["steps"][0] for gain in (0.3, 0.2))
    both = {**ROWS[0], "steps": [one, {**three, "steps": 3}, {**three, "steps": 5}]}
    assert gated(both, 3) is one
    assert summary([both], 5).gated == pytest.approx(summary([both], 1).gated)
    assert summary([both], 5).gain == pytest.approx(0.2)


def test_tables_stand_between_the_marks(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n")
    rows: Rows = {(of, GROUPS[lesson][0]): ROWS for of in (LIKE, UNLIKE) for lesson in GROUPS}
    for _ in range(2):
        rewrite(str(document), rows)
    told = document.read_text()
    assert told.startswith(f"above\n{BEGIN}\n")
    assert told.endswith(f"{END}\nbelow\n")
    assert "old" not in told
    assert tables(rows) in told
    assert "| cycle | dials | 1 | +0.100 | -0.20, +0.40 | -2.5 % | +0.200 |" in told
    assert "| unadapted, dB | 26.00 | 30.00 | 28.00 |" in told


def test_courses_differ() -> None:
    courses = [course for group in GROUPS.values() for course in group]
    assert len(set(courses)) == len(courses)


def test_every_second_frame_is_dropped(tmp_path: Path) -> None:
    frames = read_rgb(pattern(tmp_path / "clip.mkv", 13 / 24))
    shot = shot_of("clip", frames, SIZES["full"])
    assert len(shot.kept) == 7
    assert list(shot.truth) == [0, 1, 2, 3, 4, 5]
    assert not shot.others
    small = shot_of("clip", frames, SIZES["small"])
    assert len(small.truth) == 2
    assert sorted([*small.truth, *small.others]) == [0, 1, 2, 3, 4, 5]
    assert all(torch.equal(frame, shot.truth[i]) for i, frame in small.others.items())


@pytest.mark.slow
def test_a_second_run_measures_nothing_and_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    pattern(tmp_path / "clips" / "a.mp4", 1.0)
    words = [sys.executable, "-m", "benchmarks.adaptation", str(tmp_path / "clips")]
    words += ["--weights", "film-m", "--size", "tiny", "--groups", "doubled"]
    words += ["--adapts", "tail", "--judge", "sharpness", "-o", str(tmp_path / "study")]
    told, files = run_twice(words, tmp_path / "study.jsonl")
    assert told[0][:-1] == told[1][:-1]
    assert told[0][-1].startswith("1 rows")
    (measured,) = (json.loads(line)["key"] for line in files[0].splitlines())
    assert measured["subset"] == "tail"
    assert "judge='sharpness'" in measured["recipe"]
    assert told[1][-1].startswith("0 rows")
    assert files[0] == files[1]
