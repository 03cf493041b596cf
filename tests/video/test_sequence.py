"""Which pictures make a film, in which order, and what is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filmcli.errors import InputError
from filmcli.video.sequence import film_name, is_pattern, pictures_of


def folder(tmp_path: Path, *names: str) -> str:
    for name in names:
        (tmp_path / name).touch()
    return str(tmp_path)


def names(paths: list[str]) -> list[str]:
    return [os.path.basename(path) for path in paths]


def test_two_comes_before_ten_and_what_is_no_picture_does_not_count(tmp_path: Path) -> None:
    shown = [f"frame{n}.PNG" for n in range(8, 12)]
    top = folder(tmp_path, *reversed(shown), "notes.txt", ".frame12.png", "sound.wav")
    assert names(pictures_of(top)) == shown


def test_a_pattern_takes_only_what_fits_it(tmp_path: Path) -> None:
    top = folder(tmp_path, "a007.jpg", "a008.jpg", "a1009.jpg", "b009.jpg", "a9.jpg")
    with pytest.raises(InputError, match="lacks picture 9 to 1008"):
        pictures_of(f"{top}/a%03d.jpg")
    (tmp_path / "a1009.jpg").unlink()
    assert names(pictures_of(f"{top}/a%03d.jpg")) == ["a007.jpg", "a008.jpg"]
    assert names(pictures_of(f"{top}/a%d.jpg")) == ["a9.jpg"]
    with pytest.raises(InputError, match="no picture"):
        pictures_of(f"{top}/c%03d.jpg")


@pytest.mark.parametrize(
    ("present", "why"),
    [
        (["f1.png", "f2.png", "f4.png"], "lacks picture 3"),
        (["f01.png", "f05.png"], "lacks picture 2 to 4"),
        (["f1.png", "f01.png"], "both picture 1"),
        (["f1.png", "f2.jpg"], "several kinds"),
        ([], "no picture"),
    ],
)
def test_what_is_no_unbroken_sequence_is_refused(
    tmp_path: Path, present: list[str], why: str
) -> None:
    with pytest.raises(InputError, match=why):
        pictures_of(folder(tmp_path, *present))


def test_names_that_do_not_count_are_only_put_in_order(tmp_path: Path) -> None:
    top = folder(tmp_path, "a10.tif", "a9.tiff", "b1.tif", "end.tif")
    assert names(pictures_of(top)) == ["a9.tiff", "a10.tif", "b1.tif", "end.tif"]


def test_a_file_of_the_patterns_own_name_is_a_file(tmp_path: Path) -> None:
    assert is_pattern(str(tmp_path / "%03d.png"))
    (tmp_path / "%03d.png").touch()
    assert not is_pattern(str(tmp_path / "%03d.png"))
    assert not is_pattern("100%d.mp4") and not is_pattern("a%s.png") and not is_pattern("a%d%d.png")


def test_the_film_is_named_after_the_folder_or_the_pattern(tmp_path: Path) -> None:
    shots = tmp_path / "shots.v2"
    shots.mkdir()
    for given in (f"{shots}", f"{shots}/"):
        assert film_name(given) == f"{shots}.mkv"
    assert film_name(f"{shots}/%05d.png") == f"{shots}/shots.v2.mkv"
    assert film_name(f"{shots}/take_%d.png") == f"{shots}/take.mkv"
    assert film_name("film.mp4") == "film.mp4"
