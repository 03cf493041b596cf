"""Whole films from Python: the same films as by the command, and errors to catch."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest

import filmcli
from filmcli.api import Options
from filmcli.pipeline.request import Settings
from tests.clips import pattern


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(pattern(tmp_path_factory.mktemp("film") / "in.mp4", 0.5, size="64x48"))


def test_a_film_gets_its_rate_and_every_frame_is_told_of(film: Path) -> None:
    told: list[filmcli.Progress] = []
    result = filmcli.upsample(film, fps=60, progress=told.append)
    assert result.output == str(film.with_name("in.60fps.mp4"))
    assert [at.done for at in told] == list(range(1, result.frames + 1))
    assert filmcli.probe(result.output).rate == 60
    assert filmcli.upsample(film, fps="60").skipped


@pytest.mark.parametrize("start", [0.25, "0:00.25", Fraction(1, 4)])
def test_a_number_means_what_it_prints_as(film: Path, tmp_path: Path, start: object) -> None:
    output = tmp_path / "out.mp4"
    result = filmcli.upsample(film, output, fps=59.94, slow=2, start=start, audio=False)  # type: ignore[arg-type]
    assert filmcli.probe(output).rate == Fraction(60000, 1001)
    assert result.duration == result.frames / Fraction(60000, 1001)
    assert abs(result.duration - Fraction(1, 2)) < Fraction(1, 50)
    assert [stream.kind for stream in filmcli.probe(output).streams] == ["video"]


def test_every_setting_of_the_main_path_can_be_given() -> None:
    given_apart, of_the_command = {"fps", "output"}, {"dry_run", "page"}
    names = {field.name for field in fields(Settings)}
    assert set(Options.__annotations__) == names - given_apart - of_the_command


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"fps": 0}, filmcli.errors.UsageError),
        ({"slow": "fast"}, filmcli.errors.UsageError),
        ({"codec": "no_such_encoder"}, filmcli.errors.MachineError),
        ({"weights": "missing.safetensors"}, filmcli.errors.MachineError),
    ],
)
def test_what_makes_no_sense_is_an_error_with_its_reasons(
    film: Path, words: dict[str, object], error: type[filmcli.FilmcliError]
) -> None:
    before = sorted(film.parent.iterdir())
    with pytest.raises(error) as caught:
        filmcli.upsample(film, **words)  # type: ignore[arg-type]
    assert caught.value.what and caught.value.do
    assert sorted(film.parent.iterdir()) == before


def test_what_is_no_film_and_what_is_taken(film: Path, tmp_path: Path) -> None:
    with pytest.raises(filmcli.errors.InputError):
        filmcli.probe(tmp_path / "missing.mp4")
    taken = tmp_path / "out.mp4"
    taken.write_bytes(b"precious")
    with pytest.raises(filmcli.errors.OutputExistsError):
        filmcli.upsample(film, taken)
    assert taken.read_bytes() == b"precious"


def test_an_exception_in_progress_stops_the_work_and_arrives(film: Path, tmp_path: Path) -> None:
    def stop(at: filmcli.Progress) -> None:
        raise InterruptedError(f"after {at.done}")

    with pytest.raises(InterruptedError, match="after 1"):
        filmcli.upsample(film, tmp_path / "out.mp4", progress=stop)
    assert list(tmp_path.iterdir()) == []
