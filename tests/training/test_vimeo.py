"""Vimeo-90k by its published layout, in small."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from filmcli.errors import InputError
from filmcli.training.clips import clip_sample
from filmcli.training.material import load_material
from filmcli.training.recipe import Recipe


def sequence(root: Path, name: str, count: int, size: tuple[int, int] = (256, 448)) -> None:
    """A sequence of which frame i is grey of level 20 i, im1 being the first."""
    folder = root / "sequences" / name
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        cv2.imwrite(str(folder / f"im{number}.png"), np.full((*size, 3), 20 * number, np.uint8))


@pytest.mark.parametrize(("kind", "count"), [("tri", 3), ("sep", 7)])
def test_what_the_training_list_names_is_drawn_from(tmp_path: Path, kind: str, count: int) -> None:
    for name in ("00001/0001", "00001/0002", "00002/0007", "00003/0001"):
        sequence(tmp_path, name, count)
    (tmp_path / f"{kind}_trainlist.txt").write_text("00001/0001\n00001/0002\n00002/0007\n\n")
    (tmp_path / f"{kind}_testlist.txt").write_text("00003/0001\n")
    sources = load_material([f"vimeo90k:{tmp_path}"], None, None, 64).sources
    assert [len(clips) for clips in sources] == [2, 1]
    assert {len(clip.frames) for clips in sources for clip in clips} == {count}
    recipe, reached = Recipe(side=64, middle_share=0.5), set()
    for index in range(30):
        rng = np.random.default_rng(index)
        sample = clip_sample(sources, recipe, rng)
        left, target, right = (
            int(frame.mean()) // 20 for frame in (sample.left, sample.target, sample.right)
        )
        assert target == pytest.approx(left + sample.phase * (right - left))
        reached |= {left, right}
    assert {min(reached), max(reached)} == {1, count}


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Vimeo-90k"):
        load_material([f"vimeo90k:{tmp_path}"], None, None, 64)
    (tmp_path / "tri_trainlist.txt").write_text("00001/0001\n")
    with pytest.raises(InputError, match="no picture"):
        load_material([f"vimeo90k:{tmp_path}"], None, None, 64)
    sequence(tmp_path, "00001/0001", 3, (64, 64))
    with pytest.raises(InputError, match="Vimeo-90k"):
        load_material([f"vimeo90k:{tmp_path}"], None, None, 64)
