"""What a person sees on a real terminal, and that no file can write on it as it likes."""

from __future__ import annotations

import os
import pty
import shutil
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.clips import ffmpeg
from tests.forked import Done, run

EVIL = "\x1b[2J\x1b]0;owned\x07\r\u202e[red]x[bold]"
"""Clears the screen, names the window, turns the writing round, and speaks rich's markup."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film whose every word is evil."""
    path = tmp_path_factory.mktemp("film") / f"in{EVIL}.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=24:duration=0.2", "-f", "lavfi", "-i",
        "sine=d=0.2", "-metadata", f"title={EVIL}", "-metadata:s:v", f"title={EVIL}",
        "-metadata:s:a", f"title={EVIL}", "-metadata:s:a", "language=\x1b[2J", "-metadata",
        f"comment={EVIL}", "-c:v", "ffv1", "-c:a", "pcm_s16le", f"file:{path}",
    )  # fmt: skip
    return path


def sit_at(terminal: str) -> None:
    """Make the terminal of this name both standard output and standard error."""
    handle = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.environ["TERM"] = "xterm"


def on_terminal(words: Sequence[str], cwd: Path) -> tuple[Done, str]:
    """Run a command at a terminal, and return what the terminal was sent as well."""
    ours, theirs = pty.openpty()
    sent = bytearray()

    def listen() -> None:
        try:
            while part := os.read(ours, 4096):
                sent.extend(part)
        except OSError:  # nobody has the other end open any more
            return

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        done = run(words, cwd, partial(sit_at, os.ttyname(theirs)))
    finally:
        os.close(theirs)
        listener.join()
        os.close(ours)
    return done, sent.decode("utf-8", "replace")


def test_a_bar_is_drawn_and_the_end_is_told(tmp_path: Path, film: Path) -> None:
    shutil.copy(film, tmp_path / "in.mkv")
    done, sent = on_terminal(["upsample", "in.mkv"], tmp_path)
    assert done.code == 0, sent
    assert "reading in.mkv" in sent and "scene 1/1" in sent and "done: in.2x.mkv" in sent


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["upsample", "NAME", "-o", "out.mp4", "--dry-run"], 0),  # PCM is converted, which is said
        (["upsample", "NAME", "--overwrite"], 0),  # the output's name is as evil
        (["probe", "NAME"], 0),
        pytest.param(["probe", "NAME", "--scenes", "--json"], 0, marks=pytest.mark.slow),
        pytest.param(["compare", "NAME", "NAME"], 0, marks=pytest.mark.slow),
        pytest.param(["adapt", "NAME"], 0, marks=pytest.mark.slow),
        (["upsample", "missing NAME"], 3),
        (["upsample", "--NAME"], 2),  # looks like an option
        (["upsample", "NAME", "--fps", EVIL], 2),
        (["upsample", "NAME", "-c", EVIL], 5),
        (["upsample", "NAME", "-o", f"{EVIL}/out.mkv"], 5),
        (["upsample", "NAME", "--progress", EVIL], 2),
        ([EVIL], 2),
    ],
)
def test_no_name_and_no_title_steers_the_terminal(
    tmp_path: Path, film: Path, words: list[str], code: int
) -> None:
    shutil.copy(film, tmp_path)
    done, sent = on_terminal([word.replace("NAME", film.name) for word in words], tmp_path)
    assert done.code == code, sent
    assert "Traceback" not in sent
    for steering in ("\x1b[2J", "\x1b]", "\x07", "\u202e"):
        assert steering not in sent
    if words != [EVIL]:
        assert "[red]x[bold]" in "".join(sent.split())  # not taken for markup


def test_a_path_is_data_where_no_terminal_reads_it(tmp_path: Path, film: Path) -> None:
    shutil.copy(film, tmp_path)
    done = run(["upsample", film.name], tmp_path)
    assert done.code == 0, done
    assert done.stdout == f"in{EVIL}.2x.mkv\n".replace("\r", "\n")  # as text is read back
