"""The study of adaptation: what its tables say of rows; that it goes on where it was stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.adaptation.courses import GROUPS, SIZES, Course
from benchmarks.adaptation.measure import read_shot
from benchmarks.adaptation.report import BEGIN, END, Row, gated, rewrite, summary, tables
from tests.clips import pattern

ROOT = Path(__file__).parents[2]


def row(
    clip: str, base: float, gain: float, doubled: float, seconds: float, cycle: float = 1.0
) -> Row:
    """A clip of two true frames and two held-out triplets, after one step that taught the cycle."""
    after = {"steps": 1, "seconds": seconds, "truth": [base + gain, base + 2 + gain]}
    after |= {"doubled": [30 + doubled, 31 + doubled], "cycle": [34 + cycle, 36 + cycle]}
    return {
        "clip": clip,
        "taught": [0.0, 1.0],
        "truth": [base, base + 2],
        "doubled": [30.0, 31.0],
        "cycle": [34.0, 36.0],
        "frame_seconds": 0.5,
        "steps": [after],
    }


ROWS = [row("a", 25.0, 0.4, 0.3, 2.0), row("b", 29.0, -0.2, -0.1, 4.0)]


def test_a_summary_by_hand() -> None:
    of = summary(ROWS, 1)
    assert of.base == pytest.approx(28.0)
    assert (of.gain, of.worst) == pytest.approx((0.1, -0.2))
    assert (of.gated, of.gated_worst) == pytest.approx((0.2, 0.0))
    assert (of.kept, of.clips, of.frames) == (1, 2, 6.0)
    assert summary(ROWS, 0)._replace(base=0.0) == (0.0, 0.0, 0.0, 0.0, 0.0, 0, 2, 0.0)


def test_other_gates_need_no_new_rows() -> None:
    (after,) = ROWS[1]["steps"]
    assert gated(ROWS[1], 1, ["doubled"]) is None
    assert gated(ROWS[1], 1, ["cycle"]) is after
    assert gated(ROWS[1], 1, ["cycle"], margin_db=1.1) is None
    assert gated(ROWS[1], 1, ["doubled", "cycle"]) is None  # neither question may lose


def test_the_best_of_the_steps_is_what_a_user_gets() -> None:
    one, three = (row("a", 25.0, gain, gain, 2.0)["steps"][0] for gain in (0.3, 0.2))
    both = {**ROWS[0], "steps": [one, {**three, "steps": 3}, {**three, "steps": 5}]}
    assert gated(both, 3, ["doubled"]) is one
    assert summary([both], 5).gated == pytest.approx(summary([both], 1).gated)
    assert summary([both], 5).gain == pytest.approx(0.2)


def test_tables_stand_between_the_marks(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n")
    rows = {GROUPS["steps"][0]: ROWS}
    for _ in range(2):
        rewrite(str(document), rows, ["docs/a-steps.png"])
    told = document.read_text()
    assert told.startswith(f"above\n{BEGIN}\n")
    assert told.endswith(f"{END}\nbelow\n")
    assert "old" not in told
    assert tables(rows) in told
    assert "| base | cycle | tail | adam, 0.0003 | 1 | 28.00 | +0.100 | -0.200 | +0.200 |" in told
    assert "![a-steps](a-steps.png)" in told


def test_courses_differ_and_the_first_is_the_tools_own() -> None:
    courses = [course for group in GROUPS.values() for course in group]
    assert len(set(courses)) == len(courses)
    assert courses[0] == Course()


def test_every_second_frame_is_dropped(tmp_path: Path) -> None:
    clip = pattern(tmp_path / "clip.mkv", 13 / 24)
    shot = read_shot(str(clip), SIZES["full"])
    assert len(shot.kept) == 7
    assert list(shot.truth) == [0, 1, 2, 3, 4, 5]
    assert not shot.others
    small = read_shot(str(clip), SIZES["small"])
    assert len(small.truth) == 2
    assert sorted([*small.truth, *small.others]) == [0, 1, 2, 3, 4, 5]
    assert all(torch.equal(frame, shot.truth[i]) for i, frame in small.others.items())


@pytest.mark.slow
def test_a_second_run_measures_nothing_and_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    pattern(tmp_path / "clips" / "a.mp4", 1.0)
    words = [sys.executable, "-m", "benchmarks.adaptation", str(tmp_path / "clips")]
    words += ["--weights", "film-m", "--size", "tiny", "--groups", "steps"]
    words += ["-o", str(tmp_path / "study")]
    told, files = [], []
    for _ in range(2):
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.splitlines())
        files.append((tmp_path / "study.jsonl").read_text())
    assert told[0][:-1] == told[1][:-1]
    assert told[0][-1].startswith("2 rows")
    assert told[1][-1].startswith("0 rows")
    assert files[0] == files[1]
    assert (tmp_path / "study-steps.png").stat().st_size > 1000
