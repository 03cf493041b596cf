"""Folders go with whoever holds them, or with the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from filmcli.cluster.scratch import scratch, shared, sweep


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_nothing_is_left(home: Path) -> None:
    with scratch() as one, scratch() as two, shared("film") as three:
        assert len({one, two, three}) == 3
        assert all(os.path.isdir(folder) for folder in (one, two, three))
        sweep()
        assert all(os.path.isdir(folder) for folder in (one, two, three))
    assert os.listdir(home) == []


def test_what_is_shared_stays_until_the_last_one_leaves(home: Path) -> None:
    with shared("film") as one:
        with shared("film") as two:
            assert one == two
            Path(one, "film").write_text("pictures")
        assert Path(one, "film").read_text() == "pictures"
    assert os.listdir(home) == []


def test_what_a_killed_process_held_is_swept(home: Path) -> None:
    code = (
        "import os, signal, sys, tempfile; tempfile.tempdir = sys.argv[1];"
        "from filmcli.cluster.scratch import scratch;"
        "held = scratch(); held.__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(home)], check=False)
    assert done.returncode == -signal.SIGKILL
    (kept,) = home.iterdir()
    assert len(list(kept.iterdir())) == 1
    sweep()
    assert os.listdir(home) == []
