"""What a shell completes after the one line of the README that tells it how."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def set_up(shell: str) -> str:
    """The command that the README gives for a shell."""
    line = rf"^    (echo .*_FILMCLI_COMPLETE={shell}_source .*)$"
    found = re.search(line, README.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a `filmcli` in the path, and some films."""
    command = tmp_path / "bin" / "filmcli"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m filmcli "$@"\n')
    command.chmod(0o755)
    (tmp_path / "films").mkdir()
    for name in ("beach.mp4", "birds.mkv"):
        (tmp_path / "films" / name).touch()
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "HOME": str(home), "TERM": "dumb"}


def prepared(shell: str, home: Path) -> None:
    """A shell that was told by the README's command, typed as it stands there."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    (home / ".config" / "fish").mkdir(parents=True)  # as fish itself does when it first starts
    subprocess.run([shell, "-c", set_up(shell)], env=environment(home), check=True)


class Keyboard:
    """A shell at a terminal, and what stands on its screen."""

    def __init__(self, shell: str, home: Path) -> None:
        self._screen, theirs = pty.openpty()
        self._shell = subprocess.Popen(
            [shell, "-i"], stdin=theirs, stdout=theirs, stderr=theirs, cwd=home / "films",
            env=environment(home), start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.seen = ""

    def type(self, keys: str, until: str) -> None:
        """Type, and wait for what is to appear."""
        os.write(self._screen, keys.encode())
        deadline = time.monotonic() + 60
        while until not in self.seen and time.monotonic() < deadline:
            if select.select([self._screen], [], [], 1)[0]:
                self.seen += os.read(self._screen, 4096).decode(errors="replace")
        assert until in self.seen, self.seen

    def close(self) -> None:
        self._shell.kill()
        self._shell.wait()
        os.close(self._screen)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_completes_commands_options_and_files(shell: str, home: Path) -> None:
    prepared(shell, home)
    keyboard = Keyboard(shell, home)
    try:
        keyboard.type("PS1='READY '\n", "READY ")
        keyboard.type("filmcli upsa\t", "upsample ")
        keyboard.type("--prev\t", "--preview ")
        keyboard.type("10 bea\t", "beach.mp4")
    finally:
        keyboard.close()


def test_fish_completes_commands_options_and_files(home: Path) -> None:
    prepared("fish", home)
    asked = ("filmcli upsa", "filmcli upsample --prev", "filmcli upsample bea")
    script = "; ".join(f"complete -C '{words}'" for words in asked)
    done = subprocess.run(
        ["fish", "-c", script], env=environment(home), cwd=home / "films",
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert found == ["upsample", "--preview", "beach.mp4"]


def test_completing_loads_nothing_heavy(home: Path) -> None:
    words = {"COMP_WORDS": "filmcli upsample --", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "filmcli"],
        env=environment(home) | words | {"_FILMCLI_COMPLETE": "bash_complete"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "plain,--fps" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in loaded and not loaded & {"torch", "cv2", "scenedetect", "numpy"}
