"""Which films a command line means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filmcli.cli.inputs import films, refuse_collisions
from filmcli.errors import InputError, UsageError


def folder(tmp_path: Path, *names: str) -> str:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return str(tmp_path)


def test_files_are_taken_as_they_are_even_odd_ones() -> None:
    names = ["a b.mp4", "-x.mp4", "100%d.mkv", "no-extension"]
    assert list(films(names, None)) == [(name, None) for name in names]


def test_a_folder_means_its_films_in_natural_order(tmp_path: Path) -> None:
    top = folder(tmp_path, "e10.mp4", "e2.MKV", "notes.txt", ".hidden.mp4", "s2/e1.mov")
    assert [os.path.relpath(path, top) for path, _ in films([top], None)] == [
        "e2.MKV",
        "e10.mp4",
        "s2/e1.mov",
    ]


def test_our_own_outputs_in_a_folder_are_passed_over(tmp_path: Path) -> None:
    ours = ["a.60fps.mp4", "a.59.94fps.mp4", "a.2x.mp4", "a.2.5x.mkv", "a.slow4x.mp4"]
    top = folder(tmp_path, "a.mp4", *ours)
    assert [os.path.basename(path) for path, _ in films([top], None)] == ["a.mp4"]


def test_an_output_folder_mirrors_the_tree(tmp_path: Path) -> None:
    top = folder(tmp_path / "in", "a.mp4", "s1/b.mp4")
    assert [output for _, output in films([top], "out/")] == ["out/", os.path.join("out", "s1", "")]


def test_an_empty_folder_and_one_file_for_many_films_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        list(films([str(tmp_path)], None))
    with pytest.raises(UsageError):
        list(films(["a.mp4", "b.mp4"], "one.mp4"))
    with pytest.raises(UsageError):
        list(films(["a.mp4", "b.mp4"], "-"))


def test_two_films_of_one_output_are_refused_before_any_work(tmp_path: Path) -> None:
    top = folder(tmp_path, "a.avi", "a.mkv")
    with pytest.raises(UsageError):
        refuse_collisions(list(films([top], None)))
    with pytest.raises(UsageError):
        refuse_collisions(list(films(["x/a.mp4", "y/a.mp4"], "out/")))
    refuse_collisions(list(films(["x/a.mp4", "y/a.mp4"], None)))
