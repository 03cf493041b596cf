"""Benchmarks are found in trees laid out as their authors hand them out, in miniature."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from filmcli.errors import InputError
from filmcli.evaluation.benchmarks import BENCHMARKS, open_benchmark, score_benchmark
from filmcli.evaluation.board import markdown
from filmcli.evaluation.makers import RIVALS, Run
from filmcli.evaluation.metrics import Picture, Scorer, psnr
from filmcli.evaluation.published import PUBLISHED, published_table
from tests.evaluation.footage import gliding

FRAMES = gliding(7)
BLEND = {"blend": RIVALS["blend"]}


def put(path: Path, index: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), FRAMES[index][..., ::-1])


def put_triplet(folder: Path, names: tuple[str, str, str], first: int = 0) -> None:
    for step, name in enumerate(names):
        put(folder / name, first + step)


def tree(folder: Path, name: str) -> None:
    """A benchmark of two cases or films."""
    if name == "vimeo90k":
        inside = folder / "vimeo_triplet"
        for number in (1, 2, 3):
            at = inside / "sequences" / "00001" / f"000{number}"
            put_triplet(at, ("im1.png", "im2.png", "im3.png"), number)
        (inside / "tri_testlist.txt").write_text("00001/0001\n00001/0003\n\n")
    elif name == "ucf101":
        for number in (2, 10):
            names = ("frame_00.png", "frame_01_gt.png", "frame_02.png")
            put_triplet(folder / "ucf101_interp_ours" / str(number), names)
    elif name == "middlebury":
        for number, scene in enumerate(("Beanbags", "Walking")):
            put(folder / "other-data" / scene / "frame10.png", number)
            put(folder / "other-gt-interp" / scene / "frame10i11.png", number + 1)
            put(folder / "other-data" / scene / "frame11.png", number + 2)
        put(folder / "other-data" / "NoTruth" / "frame10.png", 0)
    elif name == "xiph":
        for film in ("Tango", "Crosswalk"):
            for at in range(1, 6):
                put(folder / "netflix" / f"{film}-{at:03d}.png", at)
    else:
        put_triplet(folder / "test" / "GOPRO" / "A", ("1.png", "2.png", "3.png"))
        lines = " ".join(f"data/SNU-FILM/test/GOPRO/A/{n}.png" for n in (1, 2, 3))
        (folder / "eval_modes").mkdir()
        for level in ("easy", "medium", "hard", "extreme"):
            (folder / "eval_modes" / f"test-{level}.txt").write_text(f"{lines}\n{lines}\n")


@pytest.mark.parametrize(
    ("name", "levels", "cases"),
    [
        ("vimeo90k", ["vimeo90k"], 2),
        ("ucf101", ["ucf101"], 2),
        ("middlebury", ["middlebury"], 2),
        ("xiph", ["xiph-2k", "xiph-4k"], 4),
        ("snu-film", [f"snu-film {level}" for level in ("easy", "medium", "hard", "extreme")], 2),
    ],
)
def test_every_benchmark_is_found_and_scored(
    tmp_path: Path, name: str, levels: list[str], cases: int
) -> None:
    tree(tmp_path, name)
    found = open_benchmark(name, str(tmp_path))
    assert [benchmark.name for benchmark in found] == levels
    for benchmark in found:
        results = score_benchmark(benchmark, BLEND, Scorer())
        assert sum(len(result.frames) for result in results) == cases
        (limited, *_) = score_benchmark(benchmark, BLEND, Scorer(), limit=1)
        assert len(limited.frames) == 1
        assert limited.frames[0] == results[0].frames[0]
        assert benchmark.protocol.endswith(".")


def test_the_listed_triplets_are_scored_in_the_right_order(tmp_path: Path) -> None:
    tree(tmp_path, "vimeo90k")
    (benchmark,) = open_benchmark("vimeo90k", str(tmp_path))
    (result,) = score_benchmark(benchmark, {"repeat": RIVALS["repeat"]}, Scorer())
    expected = [psnr(FRAMES[first], FRAMES[first + 1]) for first in (1, 3)]
    assert [frame.scores["repeat"].psnr for frame in result.frames] == expected


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_case_is_two_frames_and_nothing_beside_them(tmp_path: Path, name: str) -> None:
    runs: list[Run] = []

    def watch(run: Run) -> list[list[Picture]]:
        runs.append(run)
        return RIVALS["repeat"](run)

    tree(tmp_path, name)
    for benchmark in open_benchmark(name, str(tmp_path)):
        score_benchmark(benchmark, {"it": watch}, Scorer())
    assert runs
    assert all(len(run.kept) == 2 and run.before is run.after is None for run in runs)


def test_xiph_makes_even_frames_shrunk_or_cut_from_the_middle(tmp_path: Path) -> None:
    tree(tmp_path, "xiph")
    small, middle = open_benchmark("xiph", str(tmp_path))
    assert list(small.sequences) == ["Crosswalk", "Tango"]
    names = [Path(case.truth).name for case in small.sequences["Tango"]]
    assert names == ["Tango-002.png", "Tango-004.png"]
    high, wide = FRAMES[0].shape[:2]
    assert small.view(FRAMES[0]).shape == (high // 2, wide // 2, 3)
    assert np.array_equal(
        middle.view(FRAMES[0]), FRAMES[0][high // 4 : -high // 4, wide // 4 : -wide // 4]
    )


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_folder_of_something_else_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"does not hold {name}"):
        open_benchmark(name, str(tmp_path))
    with pytest.raises(InputError, match=f"does not hold {name}"):
        open_benchmark(name, str(tmp_path / "missing"))


def test_a_listed_picture_that_is_missing_is_named(tmp_path: Path) -> None:
    tree(tmp_path, "vimeo90k")
    missing = tmp_path / "vimeo_triplet" / "sequences" / "00001" / "0003" / "im2.png"
    missing.unlink()
    (benchmark,) = open_benchmark("vimeo90k", str(tmp_path))
    with pytest.raises(InputError, match=r"0003/im2\.png cannot be read"):
        score_benchmark(benchmark, BLEND, Scorer())


def test_published_numbers_rise_and_name_their_source() -> None:
    for benchmark, rows in PUBLISHED.items():
        assert [row.psnr for row in rows] == sorted(row.psnr for row in rows), benchmark
        assert all(row.source for row in rows)
    table = published_table("vimeo90k")
    assert table is not None
    assert "| FILM-L1 | FILM's paper, by Papers with Code | 36.06 | 0.97 |" in markdown(table)
    assert published_table("snu-film easy") is None
