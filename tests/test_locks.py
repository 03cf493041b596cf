"""What one process holds no other gets, until the first one ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from filmcli.locks import hold

HOLDER = """
import sys
from filmcli.locks import hold
file = open(sys.argv[1])
hold(file.fileno(), shared=sys.argv[2] == "shared")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path, how: str) -> Iterator[None]:
    """Another process that holds the file, killed at the end."""
    words = [sys.executable, "-c", HOLDER, str(path), how]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        yield
        other.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "lock").touch()
    return tmp_path / "lock"


@pytest.mark.parametrize(
    ("theirs", "ours", "ok"),
    [
        ("alone", False, False),
        ("alone", True, False),
        ("shared", False, False),
        ("shared", True, True),
    ],
)
def test_a_lock_is_shared_only_by_those_who_share(
    path: Path, theirs: str, ours: bool, ok: bool
) -> None:
    with holder(path, theirs), path.open() as file:
        if ok:
            hold(file.fileno(), shared=ours)
            return
        with pytest.raises((BlockingIOError, PermissionError)):
            hold(file.fileno(), shared=ours)


def test_a_killed_process_holds_nothing(path: Path) -> None:
    with holder(path, "alone"):
        pass
    with path.open() as file:
        hold(file.fileno())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows opens no folders")
def test_a_folder_can_be_held(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    hold(first)
    with pytest.raises(BlockingIOError):
        hold(second)
    os.close(first)
    hold(second)
    os.close(second)
