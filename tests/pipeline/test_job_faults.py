"""A job struck at every step: killed, stopped by a signal, the disk full, the folder read-only.

A job of two segments whose pictures are bytes stands in for a film, so that every step can be
struck in every way; `tests/cli/test_faults.py` does the same to the whole command.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path

import pytest

from filmcli.errors import FilmcliError
from filmcli.pipeline.job import clear_up, open_job
from filmcli.pipeline.segments import Segment
from tests.forked import Done, run, started, strike

PLAN = [Segment(0, 0, 10), Segment(1, 10, 20)]
SUFFIX, KEY, NAME = ".nut", "k" * 16, "out.mp4"
FILM = b"0" * 10 + b"1" * 10


def make() -> int:
    """Make the film of two segments, as the main path does; the exit codes of the command line."""
    logging.basicConfig(format="%(message)s")
    if os.path.exists(NAME):
        clear_up(NAME, KEY, SUFFIX, None)
        return 0
    try:
        with open_job(NAME, KEY, SUFFIX, None, False) as job:
            job.check_name_is_free()
            job.record({}, PLAN, {})
            for index in range(2):
                if not job.is_finished(index):
                    Path(job.part(index)).write_bytes(str(index).encode() * 10)
                    job.finish(index)
            Path(job.temporary).write_bytes(
                b"".join(Path(job.path(index)).read_bytes() for index in range(2))
            )
            job.publish(overwrite=False)
    except KeyboardInterrupt:
        return 130
    except (OSError, FilmcliError) as error:
        print(error)
        return 5
    return 0


def steps(folder: Path) -> list[str]:
    """What an undisturbed run does, step by step."""
    log = folder / "steps.txt"
    work = folder / "undisturbed"
    work.mkdir()
    assert run(make, work, partial(strike, "", 0, str(log))) == Done(0, "", "")
    assert (work / NAME).read_bytes() == FILM
    return log.read_text().splitlines()


@pytest.fixture(scope="module")
def count(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many steps there are to strike at."""
    seen = steps(tmp_path_factory.mktemp("steps"))
    kinds = [step.split()[0] for step in seen]
    assert {"mkdir", "open", "fsync", "rename", "link", "remove", "rmdir"} == {*kinds}
    return len(seen)


@pytest.mark.parametrize("how", ["kill", "interrupt", "full", "refused"])
def test_whatever_step_is_struck_the_next_run_ends_in_the_same_film(
    tmp_path: Path, count: int, how: str
) -> None:
    ends = {"kill": {-9}, "interrupt": {130}}
    for number in range(count):
        work = tmp_path / str(number)
        work.mkdir()
        struck = run(make, work, partial(strike, how, number))
        assert struck.code in ends.get(how, {0, 5}), (number, struck)
        output = work / NAME
        assert not output.exists() or output.read_bytes() == FILM
        if how in ("interrupt", "full", "refused"):
            check_what_is_left(work, struck)
        assert run(make, work) == Done(0, "", "")
        assert os.listdir(work) == [NAME]
        assert output.read_bytes() == FILM


def check_what_is_left(work: Path, struck: Done) -> None:
    """Beside the output only the work folder, and that only with finished parts, which is said."""
    (*folders,) = work.glob(".filmcli-*")
    assert len(folders) <= 1
    assert {*os.listdir(work)} <= {NAME, *(folder.name for folder in folders)}
    for folder in folders:
        kept = os.listdir(folder)
        assert not [name for name in kept if name.endswith(f".part{SUFFIX}")]
        assert (work / NAME).exists() or f"000000{SUFFIX}" in kept
    if folders and not (work / NAME).exists():
        assert "goes on from there" in struck.stderr


def test_runs_that_start_at_once_make_one_film_and_never_spoil_it(tmp_path: Path) -> None:
    with (
        started(make, tmp_path) as one,
        started(make, tmp_path) as two,
        started(make, tmp_path) as three,
    ):
        codes = sorted(running.end().code for running in (one, two, three))
    assert codes[0] == 0 and {*codes} <= {0, 5}
    assert os.listdir(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_bytes() == FILM


def test_the_time_of_day_means_nothing(tmp_path: Path) -> None:
    """Files of the future and of 1970, as a clock that is set back makes them."""
    run(make, tmp_path, partial(strike, "kill", 12))
    (folder,) = tmp_path.glob(".filmcli-*")
    kept = sorted(folder.iterdir())
    assert f"000000{SUFFIX}" in [path.name for path in kept]
    for at, path in enumerate([folder, *kept]):
        os.utime(path, (0, 0) if at % 2 else (4e9, 4e9))
    assert run(make, tmp_path) == Done(0, "", "")
    assert os.listdir(tmp_path) == [NAME]
