"""Real footage: what is loaded, what is drawn, and from where."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import cv2
import footage
import numpy as np
import pytest

from filmcli.errors import InputError, UsageError
from filmcli.training.clips import LONGEST_FRAMED, UNKNOWN, Clip, clip_sample, load_clips
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    footage.write(tmp_path / "walk_00.mkv", footage.gliding(9, 3, 0))
    footage.write(tmp_path / "walk_01.mkv", footage.gliding(5, 2, 1))
    cut = np.concatenate((footage.gliding(3, 1, 2) // 4, 255 - footage.gliding(6, 1, 3) // 4))
    footage.write(tmp_path / "news_00.mkv", cut)
    footage.write(tmp_path / "short_00.mkv", footage.gliding(2, 1, 4))
    (tmp_path / "notes.txt").write_text("not a film")
    return tmp_path


def test_clips_come_by_source_without_cuts(folder: Path) -> None:
    news, walk = load_clips(str(folder), 64)
    assert [len(clip.frames) for clip in walk] == [9, 5]
    assert [len(clip.frames) for clip in news] == [6]
    assert np.array_equal(news[0].frames, 255 - footage.gliding(6, 1, 3) // 4)


def test_frames_in_folders_are_clips_and_listed_ones_are_left_out(folder: Path) -> None:
    frames = footage.gliding(4, 2, 8)
    (folder / "shot_00").mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / "shot_00" / f"{number:04}.png"), frame[..., ::-1])
    (folder / "notes").mkdir()
    (folder / "exclude.txt").write_text("# cuts\nnews_00.mkv  # hides one\n\n")
    (folder / "more.txt").write_text("walk_01.mkv\n")
    shot, walk = load_clips(str(folder), 64, str(folder / "more.txt"))
    assert np.array_equal(shot[0].frames, frames)
    assert [len(clip.frames) for clip in walk] == [9]
    with pytest.raises(InputError, match="cannot be read"):
        load_clips(str(folder), 64, str(folder / "missing.txt"))


def numbered(count: int) -> list[list[Clip]]:
    """One clip, whose frame i is grey of level 10 i."""
    frames = [np.full((64, 64, 3), 10 * i, np.uint8) for i in range(count)]
    return [[Clip(frames, np.full(count - 1, 10.0, np.float32), (64, 64))]]


def level(frame: Picture) -> int:
    return int(frame.mean()) // 10


@pytest.mark.parametrize(("share", "length"), [(1.0, 25), (0.0, 25), (1.0, 3), (1.0, 4)])
def test_windows_have_gaps_of_one_to_six(share: float, length: int) -> None:
    recipe = Recipe(side=64, middle_share=share)
    spans, directions = set(), set()
    for index in range(200):
        sample = clip_sample(numbered(length), recipe, np.random.default_rng(index))
        left, target, right = map(level, (sample.left, sample.target, sample.right))
        assert target == pytest.approx(left + sample.phase * (right - left))
        assert sample.ways is None
        spans.add(abs(right - left))
        directions.add(right > left)
        assert share < 1 or sample.phase == 0.5
    assert directions == {True, False}
    if length == 25:
        assert max(spans) == 12 and min(spans) == 2
        assert (share == 1.0) == all(span % 2 == 0 for span in spans)
    else:
        assert spans == {2}


@pytest.mark.parametrize(("longest", "share"), [(2, 1.0), (2, 0.0), (5, 0.0)])
def test_no_window_is_longer_than_is_asked(longest: int, share: float) -> None:
    recipe = Recipe(side=64, middle_share=share, longest_span=longest)
    samples = [clip_sample(numbered(25), recipe, np.random.default_rng(i)) for i in range(100)]
    spans = {abs(level(sample.right) - level(sample.left)) for sample in samples}
    assert max(spans) == longest
    with pytest.raises(UsageError, match="no frame within a span of 1"):
        Recipe(longest_span=1)


def test_frames_around_stand_where_the_motion_goes_on() -> None:
    """Forwards and backwards alike: before left, and after right, as far as these are apart."""
    hidden: dict[tuple[bool, bool], int] = defaultdict(int)
    directions = set()
    for index in range(1200):
        sample = clip_sample(numbered(25), Recipe(side=64), np.random.default_rng(index))
        left, right = level(sample.left), level(sample.right)
        places = 2 * left - right, 2 * right - left
        there = [0 <= place < 25 and abs(right - left) <= LONGEST_FRAMED for place in places]
        around = sample.before, sample.after
        for frame, place, is_there in zip(around, places, there, strict=True):
            assert is_there or frame is None
            assert frame is None or level(frame) == place
        if all(there):
            known = sample.before is not None, sample.after is not None
            # a film runs forwards: what is hidden is told by where it stands in the film
            hidden[known if right > left else known[::-1]] += 1
            directions.add(right > left)
    assert directions == {True, False}
    total = sum(hidden.values())
    assert total > 500
    for known, share in zip(((False, True), (True, False), (False, False)), UNKNOWN, strict=True):
        assert hidden[known] / total == pytest.approx(share, abs=0.03)


def test_all_frames_of_a_sample_are_the_same_crop() -> None:
    frames = np.repeat(footage.gliding(1, 1, 0, 100, 130), 5, axis=0)
    still = [[Clip(list(frames), np.zeros(4, np.float32), (100, 130))]]
    shown = set()
    for index in range(40):
        sample = clip_sample(still, Recipe(side=64), np.random.default_rng(index))
        for frame in (sample.target, sample.right, sample.before, sample.after):
            assert frame is None or np.array_equal(frame, sample.left)
        shown.add(sample.left.tobytes())
    assert len(shown) == 40  # other places, sizes, turns


def test_crops_are_drawn_to_where_something_moves() -> None:
    frames = np.full((3, 256, 256, 3), 50, np.uint8)
    frames[2, :64, :64] = 200
    clip = Clip(list(frames), np.full(2, 5.0, np.float32), (256, 256))
    recipe = Recipe(side=64, largest_zoom=1.0)
    seen = 0
    for index in range(400):
        sample = clip_sample([[clip]], recipe, np.random.default_rng(index))
        seen += not np.array_equal(sample.left, sample.right)
    # one place in nine touches the corner; the liveliest of four, seven times in ten
    chance = (64 / 193) ** 2
    expected = 0.3 * chance + 0.7 * (1 - (1 - chance) ** 4)
    assert seen / 400 == pytest.approx(expected, abs=0.07)


def test_refuses_a_folder_without_clips(folder: Path) -> None:
    with pytest.raises(InputError, match="no clip to train on"):
        load_clips(str(folder), 400)


def test_samples_are_of_one_size_from_every_source(folder: Path) -> None:
    sources = load_clips(str(folder), 64)
    samples = [
        clip_sample(sources, Recipe(side=64), np.random.default_rng((1, i))) for i in range(30)
    ]
    assert {frame.shape for sample in samples for frame in sample[:3]} == {(64, 64, 3)}
    assert all(0 < sample.phase < 1 for sample in samples)
    assert np.mean([sample.phase == 0.5 for sample in samples]) > 0.3
    # Of the two sources one is dark, the other is not.
    assert {float(sample.left.mean()) > 128 for sample in samples} == {True, False}


def test_a_reversed_sample_glides_the_other_way() -> None:
    """The target is where left and right are when they have glided so far, either way."""
    clip = Clip(list(footage.gliding(3, 4, 5, 96, 128)), np.full(2, 9.0, np.float32), (96, 128))
    for index in range(20):
        recipe = Recipe(side=64, largest_zoom=1.0)
        sample = clip_sample([[clip]], recipe, np.random.default_rng((2, index)))
        ahead = {
            (axis, sign): np.abs(
                np.roll(sample.target, 4 * sign, axis)[8:-8, 8:-8].astype(int)
                - sample.right[8:-8, 8:-8]
            ).max()
            for axis in (0, 1)
            for sign in (-1, 1)
        }
        (axis, sign), least = min(ahead.items(), key=lambda item: item[1])
        assert least == 0
        behind = np.roll(sample.target, -4 * sign, axis)
        assert np.array_equal(behind[8:-8, 8:-8], sample.left[8:-8, 8:-8])
