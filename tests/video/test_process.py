"""Children end when they should, and say why."""

from __future__ import annotations

import time

import pytest

from filmcli.errors import RenderError
from filmcli.video.process import Child, FileName, ask, ffmpeg_version

ENDLESS = ["ffmpeg", "-nostdin", "-re", "-f", "lavfi", "-i", "anullsrc", "-f", "null", "-"]


def test_a_program_that_does_not_end_is_stopped_at_the_limit() -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        ask(ENDLESS, 0.5)
    assert time.monotonic() - started < 5


def test_leaving_the_block_ends_the_child() -> None:
    with Child(ENDLESS) as child:
        pass
    assert child.wait(1) != 0


def test_failure_is_told_in_the_childs_last_words() -> None:
    args = ["ffmpeg", "-nostdin", "-i", "file:/nowhere/film.mp4", "-f", "null", "-"]
    with Child(args) as child, pytest.raises(RenderError, match="No such file"):
        child.finish("could not read")


def test_a_child_that_talks_more_than_a_pipe_holds_is_not_blocked() -> None:
    lines: list[str] = []
    args = ["ffmpeg", "-nostdin", "-loglevel", "debug", "-f", "lavfi", "-i",
            "testsrc=d=9:s=16x16", "-vf", "showinfo", "-f", "null", "-"]  # fmt: skip
    with Child(args, on_line=lines.append) as child:
        assert child.wait(60) == 0
    assert sum(len(line) for line in lines) > 1 << 16
    assert len(child.last_words()) < 2000


def test_a_name_is_passed_byte_for_byte() -> None:
    name = FileName("/tmp/\udcff\n'.mp4")
    assert name == "file:/tmp/\udcff\n'.mp4"
    assert str(name).isascii()


def test_the_version_is_one_line() -> None:
    assert ffmpeg_version().startswith("ffmpeg version")
    assert "\n" not in ffmpeg_version()
