"""Real footage: what is loaded, what is drawn, what the teacher says."""

from __future__ import annotations

from pathlib import Path

import cv2
import footage
import numpy as np
import pytest

from filmcli.errors import InputError
from filmcli.training.clips import Clip, clip_sample, load_clips
from filmcli.training.recipe import Recipe


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


@pytest.mark.parametrize(("share", "length"), [(1.0, 25), (0.0, 25), (1.0, 3), (1.0, 4)])
def test_windows_have_gaps_of_one_to_six(share: float, length: int) -> None:
    recipe = Recipe(side=64, middle_share=share)
    spans, directions, framed = set(), set(), 0
    for index in range(200):
        sample = clip_sample(numbered(length), recipe, np.random.default_rng(index), taught=False)
        left, target, right = (
            int(f.mean()) // 10 for f in (sample.left, sample.target, sample.right)
        )
        assert target == pytest.approx(left + sample.phase * (right - left))
        assert not sample.forward_known.any()
        first, last = sorted((2 * left - right, 2 * right - left))
        is_short = abs(right - left) <= 4
        assert (sample.outer is not None) == (is_short and first >= 0 and last < length)
        if sample.outer:
            framed += 1
            around = [int(frame.mean()) // 10 for frame in sample.outer]
            assert around == [2 * left - right, 2 * right - left]
        spans.add(abs(right - left))
        directions.add(right > left)
        assert share < 1 or sample.phase == 0.5
    assert directions == {True, False}
    if length == 25:
        assert max(spans) == 12 and min(spans) == 2
        assert framed > 100
        assert (share == 1.0) == all(span % 2 == 0 for span in spans)
    else:
        assert spans == {2}


def test_refuses_a_folder_without_clips(folder: Path) -> None:
    with pytest.raises(InputError, match="no clip to train on"):
        load_clips(str(folder), 400)


def test_samples_are_triplets_with_a_teachers_flow(folder: Path) -> None:
    sources = load_clips(str(folder), 64)
    samples = [
        clip_sample(sources, Recipe(side=64), np.random.default_rng((1, i))) for i in range(30)
    ]
    assert {sample.left.shape for sample in samples} == {(64, 64, 3)}
    assert {sample.forward.shape for sample in samples} == {(64, 64, 2)}
    assert all(0 < sample.phase < 1 for sample in samples)
    assert np.mean([sample.phase == 0.5 for sample in samples]) > 0.3
    assert np.mean([sample.forward_known.mean() for sample in samples]) > 0.5
    # Directions come in all quarters, and the middle frame is nearer to both than they are.
    directions = {int(np.argmax(np.abs(np.median(s.forward, axis=(0, 1))))) for s in samples}
    assert directions == {0, 1}


def test_the_teacher_knows_a_gliding_texture(tmp_path: Path) -> None:
    footage.write(tmp_path / "a_00.mkv", footage.gliding(3, 4, 5, 96, 128))
    sources = load_clips(str(tmp_path), 64)
    for index in range(10):
        sample = clip_sample(sources, Recipe(side=64), np.random.default_rng((2, index)))
        length = np.hypot(*sample.forward.transpose(2, 0, 1))[sample.forward_known > 0]
        # 8 px a span of two, zoomed by 0.67 (96 px at most) to 2
        assert 5 < np.median(length) < 16.5
        assert sample.phase == 0.5
