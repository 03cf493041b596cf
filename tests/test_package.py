"""`import filmcli`: what it offers, and that it costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import filmcli


def told_by_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_loads_nothing_heavy_and_takes_under_a_tenth_of_a_second() -> None:
    code = (
        "import time; begun = time.process_time(); import filmcli;"
        "took = time.process_time() - begun; import sys;"
        "print(took, {'torch', 'numpy', 'cv2', 'click', 'ffmpeg'} & set(sys.modules) or 'light')"
    )
    took, loaded = told_by_python(code).split(" ", 1)
    assert loaded == "light"
    assert float(took) < 0.1


def test_probing_loads_no_torch() -> None:
    code = "import sys, filmcli; filmcli.probe; print('torch' in sys.modules)"
    assert told_by_python(code) == "False"


def test_every_promised_name_is_there_and_listed() -> None:
    for name in filmcli.__all__:
        assert getattr(filmcli, name).__doc__, name
    assert set(filmcli.__all__) <= set(dir(filmcli))


def test_another_name_is_an_attribute_error_that_says_so() -> None:
    with pytest.raises(AttributeError, match="no attribute 'upscale'"):
        _ = filmcli.upscale
