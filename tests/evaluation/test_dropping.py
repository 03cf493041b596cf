"""Dropped frames come back at their own place and time, made from kept ones of their scene."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from filmcli.errors import InputError
from filmcli.evaluation.dropping import Rebuilt, dropping_words, open_film, rebuild, score_film
from filmcli.evaluation.entries import Entry
from filmcli.evaluation.makers import RIVALS, Run
from filmcli.evaluation.metrics import Scorer, psnr
from tests.evaluation.footage import film, gliding, uneven_film


class Recorder:
    """Makes the left frame, and remembers every run."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def __call__(self, run: Run) -> list[list[np.ndarray]]:
        self.runs.append(run)
        return RIVALS["repeat"](run)


def rebuilt(path: str, drop: int, maker: object = None, **asked: object) -> list[Rebuilt]:
    dropped = open_film(path, drop, **asked)  # type: ignore[arg-type]
    return list(rebuild(dropped, {"it": maker or Recorder()}, Scorer()))  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("drop", "count", "expected"),
    [(2, 7, [1, 3, 5]), (2, 8, [1, 3, 5]), (2, 3, [1]), (3, 7, [1, 2, 4, 5]), (3, 9, [1, 2, 4, 5])],
)
def test_frames_between_two_kept_ones_come_back(
    tmp_path: Path, drop: int, count: int, expected: list[int]
) -> None:
    frames = gliding(count)
    found = rebuilt(film(tmp_path / "a.mkv", frames), drop)
    assert [one.frame for one in found] == expected
    assert [one.step for one in found] == [at % drop for at in expected]
    assert [one.phase for one in found] == [Fraction(at % drop, drop) for at in expected]
    for one in found:
        left = one.frame - one.step
        assert np.array_equal(one.truth, frames[one.frame])
        assert np.array_equal(one.left, frames[left])
        assert one.scores["it"].psnr == psnr(frames[left], frames[one.frame])


def test_makers_see_the_kept_frames_and_no_other(tmp_path: Path) -> None:
    frames = gliding(7)
    watcher = Recorder()
    rebuilt(film(tmp_path / "a.mkv", frames), 3, watcher)
    (run,) = watcher.runs
    assert all(np.array_equal(a, b) for a, b in zip(run.kept, frames[::3], strict=True))
    assert run.phases == [(Fraction(1, 3), Fraction(2, 3))] * 2


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 6, 7, 8])
def test_nothing_is_made_across_a_cut(tmp_path: Path, cut: int) -> None:
    frames = gliding(cut, seed=1) + gliding(9 - cut, seed=2)
    path = film(tmp_path / "a.mkv", frames)
    (tmp_path / "cuts").write_text(f"{cut / 24:.3f}\n")
    watcher = Recorder()
    found = rebuilt(path, 2, watcher, cuts=str(tmp_path / "cuts"))
    assert [one.frame for one in found] == [at for at in (1, 3, 5, 7) if not at - 1 < cut <= at + 1]
    assert [one.scene for one in found] == [int(one.frame > cut) for one in found]
    assert [run.scene for run in watcher.runs] == sorted({one.scene for one in found})


def test_cuts_are_found(tmp_path: Path) -> None:
    frames = gliding(7, seed=1) + gliding(8, seed=2)
    found = rebuilt(film(tmp_path / "a.mkv", frames), 2)
    assert [one.frame for one in found] == [1, 3, 5, 9, 11, 13]


def test_long_scenes_come_in_runs_that_share_a_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filmcli.evaluation.dropping._RUN_PIXELS", 2 * 128 * 96)
    frames = gliding(11)
    watcher = Recorder()
    found = rebuilt(film(tmp_path / "a.mkv", frames), 2, watcher)
    assert [one.frame for one in found] == [1, 3, 5, 7, 9]
    assert [len(run.kept) for run in watcher.runs] == [3, 3, 2]
    assert all(np.array_equal(one.truth, frames[one.frame]) for one in found)


@pytest.mark.parametrize("pixels", [1, 2, 3, 100])
def test_where_runs_are_cut_changes_nothing_that_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    """Two scenes; the kept frames are 0, 2 ... 18, of which 12 begins the second."""
    monkeypatch.setattr("filmcli.evaluation.dropping._RUN_PIXELS", pixels * 128 * 96)
    frames = gliding(12, seed=1) + gliding(7, seed=2)
    numbers = {frame.tobytes(): at for at, frame in enumerate(frames)}
    watcher = Recorder()
    rebuilt(film(tmp_path / "a.mkv", frames), 2, watcher)
    found: list[tuple[int | None, ...]] = []
    for run in watcher.runs:
        shown = [run.before, *run.kept, run.after]
        seen = [None if one is None else numbers[one.tobytes()] for one in shown]
        assert list(run.times) == [Fraction(at, 24) for at in seen if at is not None]
        found += [tuple(seen[at : at + 4]) for at in range(len(run.phases))]
    assert found == [
        *((None, 0, 2, 4), (0, 2, 4, 6), (2, 4, 6, 8), (4, 6, 8, 10), (6, 8, 10, None)),
        *((None, 12, 14, 16), (12, 14, 16, 18), (14, 16, 18, None)),
    ]


def test_the_limit_counts_intervals(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", gliding(30))
    assert [one.frame for one in rebuilt(path, 3, limit=2)] == [1, 2, 4, 5]


def test_phases_are_the_frames_own_times(tmp_path: Path) -> None:
    path = uneven_film(tmp_path / "a.mkv", gliding(5), [0, 30, 120, 170, 200])
    assert [one.phase for one in rebuilt(path, 2)] == [Fraction(1, 4), Fraction(5, 8)]


def test_a_film_without_a_frame_to_drop_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too short"):
        open_film(film(tmp_path / "a.mkv", gliding(3)), 3)
    tiny = [frame[:10, :32] for frame in gliding(5)]
    with pytest.raises(InputError, match="too small"):
        open_film(film(tmp_path / "b.mkv", tiny), 2)


def test_a_films_score_is_of_all_its_frames(tmp_path: Path) -> None:
    frames = gliding(5)
    entries = [Entry(name, RIVALS[name]) for name in ("dis", "blend")]
    seen: list[Rebuilt] = []
    path = film(tmp_path / "a.mkv", frames)
    result = score_film(open_film(path, 2), "a", entries, Scorer(), seen.append)
    assert [one.frame for one in seen] == [1, 3]
    scores = result.scores()
    assert list(scores) == ["dis", "blend"]
    by_hand = [
        psnr(
            RIVALS["blend"](Run(frames[at : at + 3 : 2], [(Fraction(1, 2),)]))[0][0], frames[at + 1]
        )
        for at in (0, 2)
    ]
    assert scores["blend"].psnr == pytest.approx(np.mean(by_hand))
    assert scores["dis"].psnr > scores["blend"].psnr + 6
    assert scores["dis"].ssim > scores["blend"].ssim


def test_adaptation_is_told_of_the_kept_frames_only(tmp_path: Path) -> None:
    frames = gliding(6, seed=1) + gliding(7, seed=2)
    dropped = open_film(film(tmp_path / "a.mkv", frames), 2)
    first, second = dropped.kept_scenes()
    assert (first.first, first.last, second.first, second.last) == (0, 3, 3, 7)
    assert list(first.times) == list(dropped.times[::2])

    def change(a: int, b: int) -> float:
        grey = [frames[at].astype(float) @ (0.299, 0.587, 0.114) for at in (a, b)]
        return float(np.abs(grey[0] - grey[1]).mean())

    assert first.motion[1] == pytest.approx(change(0, 2), rel=0.05)
    assert first.motion[4] == pytest.approx(change(6, 8), rel=0.05)


def test_the_sentence_says_what_was_dropped() -> None:
    assert dropping_words(2).startswith("Every second frame was dropped")
    assert dropping_words(3).startswith("2 of 3 frames were dropped")
