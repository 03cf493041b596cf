"""Children end when they should, and say why."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from filmcli.errors import MachineError, RenderError
from filmcli.video import process
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
    assert child.wait() != 0


def test_failure_is_told_in_the_childs_last_words() -> None:
    args = ["ffmpeg", "-nostdin", "-i", "file:/nowhere/film.mp4", "-f", "null", "-"]
    with Child(args) as child, pytest.raises(RenderError, match="No such file"):
        child.finish("could not read")


def test_a_child_that_talks_more_than_a_pipe_holds_is_not_blocked() -> None:
    lines: list[str] = []
    args = ["ffmpeg", "-nostdin", "-loglevel", "debug", "-f", "lavfi", "-i",
            "testsrc=d=9:s=16x16", "-vf", "showinfo", "-f", "null", "-"]  # fmt: skip
    with Child(args, on_line=lines.append) as child:
        assert child.wait() == 0
    assert sum(len(line) for line in lines) > 1 << 16
    assert len(child.last_words()) < 2000


def test_a_name_is_passed_byte_for_byte() -> None:
    name = FileName("/tmp/\udcff\n'.mp4")
    assert name == "file:/tmp/\udcff\n'.mp4"
    assert str(name).isascii()


def test_the_version_is_one_line() -> None:
    assert ffmpeg_version().startswith("ffmpeg version")
    assert "\n" not in ffmpeg_version()


SLEEP = ["sleep", "60"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes become a third of a second."""
    monkeypatch.setattr(process, "PATIENCE_SECONDS", 0.3)


@pytest.mark.usefixtures("impatient")
def test_a_child_that_neither_takes_nor_gives_hangs() -> None:
    for act in (
        lambda child: child.write(bytes(4 << 20)),
        lambda child: child.read_into(memoryview(bytearray(9))),
        lambda child: child.wait(),
    ):
        with (
            Child(SLEEP, stdin=True, stdout=True) as child,
            pytest.raises(RenderError, match="sleep hangs"),
        ):
            act(child)


@pytest.mark.usefixtures("impatient")
def test_a_slow_child_does_not_hang(tmp_path: Path) -> None:
    """Slower in all than the patience lasts, but never still for so long."""
    slow = "for k in 1 2 3 4 5 6 7 8; do sleep 0.1; echo $k; done"
    with Child(["sh", "-c", slow], stdout=True) as child:
        buffer = memoryview(bytearray(100))
        assert child.read_into(buffer) == 16
    file = tmp_path / "grows"
    with Child(["sh", "-c", f"({slow}) > {file}"], writes=str(file)) as child:
        assert child.wait() == 0
    reader = "for k in 1 2 3 4 5 6 7 8; do sleep 0.1; head -c 300000 > /dev/null; done"
    with Child(["sh", "-c", reader], stdin=True) as child:
        child.write(bytes(2_400_000))


@pytest.mark.usefixtures("impatient")
def test_a_player_may_pause() -> None:
    """The child stands still for longer than the patience lasts, and then goes on."""
    with Child(["sh", "-c", "sleep 1; cat > /dev/null"], stdin=True, may_pause=True) as child:
        child.write(bytes(4 << 20))
        child.finish("could not read")


def test_a_disk_that_is_full_at_the_last_byte_is_an_error() -> None:
    """ffmpeg says so, and ends as if all were well."""
    args = ["ffmpeg", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc=d=0.2:s=64x48"]
    with Child([*args, "-c:v", "ffv1", "-f", "nut", "file:/dev/full"]) as child:
        with pytest.raises(MachineError) as failed:
            child.finish("could not write the film")
        assert child.wait() == 0
    assert failed.value.why == "The disk is full."
