"""Real footage: what is loaded, what is drawn, what the teacher says."""

from __future__ import annotations

from pathlib import Path

import footage
import numpy as np
import pytest

from filmcli.errors import InputError
from filmcli.training.clips import clip_sample, load_clips


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


def test_refuses_a_folder_without_clips(folder: Path) -> None:
    with pytest.raises(InputError, match="no clip to train on"):
        load_clips(str(folder), 400)


def test_samples_are_triplets_with_a_teachers_flow(folder: Path) -> None:
    sources = load_clips(str(folder), 64)
    samples = [clip_sample(sources, 64, np.random.default_rng((1, i))) for i in range(30)]
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
        sample = clip_sample(sources, 64, np.random.default_rng((2, index)))
        length = np.hypot(*sample.forward.transpose(2, 0, 1))[sample.forward_known > 0]
        # 8 px a span of two, zoomed by 0.67 (96 px at most) to 1.5
        assert 5 < np.median(length) < 12.5
        assert sample.phase == 0.5
