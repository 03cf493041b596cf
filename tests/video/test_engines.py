"""Video engines: taken where the pictures are the same; else the processor decodes, as is said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from filmcli.frames import Frame
from filmcli.video import engines
from filmcli.video.engines import decoded_by
from filmcli.video.probe import probe
from tests.clips import pattern


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return pattern(tmp_path / "film.mp4", 0.2)


def test_off_is_the_processor(film: Path) -> None:
    info = probe(str(film))
    assert decoded_by(info, "off") is info
    assert info.engine is None


@pytest.mark.parametrize("engine", ["no_such_engine", "cuda", "vaapi", "videotoolbox"])
def test_an_engine_that_is_not_there_is_done_without(film: Path, engine: str) -> None:
    if engine in engines.engines():
        pytest.skip("it is there")
    info = probe(str(film))
    found = decoded_by(info, engine)
    assert found.engine is None
    (notice,) = found.notices[len(info.notices) :]
    assert notice.startswith(f"decoded by the processor ({engine}: ")
    assert "\n" not in notice
    assert "Stream " not in notice


def test_of_no_engine_nothing_is_said(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "engines", tuple)
    info = probe(str(film))
    assert decoded_by(info, "auto") is info


def test_the_first_engine_with_the_same_pictures_is_taken(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = probe(str(film))
    names = ("dark", "exact", "other")
    monkeypatch.setattr(engines, "engines", lambda: names)
    monkeypatch.setattr(engines, "_known", lambda: names)
    monkeypatch.setattr(engines, "_first", lambda film: shot(10 if film.engine == "dark" else 0))
    assert decoded_by(info, "auto") == replace(info, engine="exact")
    (notice,) = decoded_by(info, "dark").notices
    assert notice == "decoded by the processor (dark: its pictures are others)"


def shot(off: int, number: int = 3) -> list[Frame]:
    planes = np.arange(6, dtype=np.uint8).reshape(2, 3)
    return [Frame(Fraction(k, 24), (planes + k, planes + off)) for k in range(number)]


@pytest.mark.parametrize(
    "other",
    [
        lambda: shot(1),
        lambda: shot(0, 2),
        lambda: shot(0, 4),
        lambda: [frame._replace(time=frame.time + 1) for frame in shot(0)],
    ],
)
def test_what_is_not_alike(other: Callable[[], list[Frame]]) -> None:
    assert engines._alike(shot(0), shot(0))
    assert not engines._alike(shot(0), other())


def test_a_film_is_made_without_the_engine_asked_for(film: Path) -> None:
    words = [sys.executable, "-m", "filmcli", "upsample", str(film), "--hwaccel", "videotoolbox"]
    if "videotoolbox" in engines.engines():
        pytest.skip("it is there")
    done = subprocess.run(
        [*words, "--dry-run"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "decoded by the processor (videotoolbox: this ffmpeg has no such engine)" in done.stderr
