"""Scenes unlike the training: the same every time, and what is drawn moves as it was drawn to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.adaptation.unlike import (
    DRAWN,
    EFFECTS,
    FOOTAGE,
    FRAMES,
    HEIGHT,
    WIDTH,
    game,
    night,
    screen,
    sequences,
    toon,
    write,
)
from filmcli.evaluation.metrics import Picture
from filmcli.video.footage import read_rgb
from tests.clips import pattern


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("films")
    for clip in FOOTAGE.values():
        pattern(folder / f"{clip}.mp4", (FRAMES + 1) / 24, size="490x270")
    return str(folder)


def test_sequences_are_the_same_every_time_and_every_frame_is_new(films: str) -> None:
    found = dict(sequences(films))
    assert set(found) == {*DRAWN, *EFFECTS}
    for name, frames in found.items():
        assert len(frames) == FRAMES
        assert all(f.shape == (HEIGHT, WIDTH, 3) and f.dtype == np.uint8 for f in frames)
        moved = [not np.array_equal(frames[k], frames[k + 1]) for k in range(FRAMES - 1)]
        assert all(moved), name
    for name, again in sequences(films, frames=2):
        assert all(np.array_equal(*pair) for pair in zip(again, found[name][:2], strict=True)), name


def test_written_films_hold_the_same_pictures(films: str, tmp_path: Path) -> None:
    write(films, str(tmp_path / "looks"))
    for name, frames in sequences(films):
        film = tmp_path / "looks" / f"{name.replace(' ', '_')}.mkv"
        assert np.array_equal(list(read_rgb(str(film))), frames), name


def test_a_level_scrolls_by_whole_pixels_of_a_small_screen() -> None:
    ground = [game(number)[-40:] for number in (3, 5)]
    assert np.array_equal(ground[0][:, 12:], ground[1][:, :-12])
    assert np.array_equal(game(3)[::2, ::2], game(3)[1::2, 1::2])


def test_words_scroll_and_the_window_over_them_moves_less_at_either_end() -> None:
    page = np.s_[160:230, 30:110]  # left of the window that is dragged
    below = np.s_[165:235, 30:110]
    assert np.array_equal(screen(7)[below], screen(8)[page])
    changes = [np.abs(screen(k + 1).astype(int) - screen(k)).sum() for k in (0, 10, 19)]
    assert changes[1] > max(changes[0], changes[2])


def test_a_night_is_dark_and_no_two_frames_have_the_same_noise(grey: Picture) -> None:
    first, second = night(grey, 0), night(grey, 1)
    assert first.mean() < grey.mean() / 1.5
    noise = (first.astype(float) - second)[50:-50, 50:-50]
    assert noise.std() > 3
    assert abs(noise.mean()) < 0.5


def test_a_toon_has_few_colours(grey: Picture) -> None:
    assert len(np.unique(toon(grey, 0))) < len(np.unique(grey)) / 4


@pytest.fixture
def grey() -> Picture:
    slope = np.linspace(60, 220, WIDTH).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(slope[:, None], (HEIGHT, WIDTH, 3)))
