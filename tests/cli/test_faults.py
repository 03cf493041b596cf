"""The whole command struck in the middle of its work: the same film in the end, byte for byte."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from filmcli.video import process
from tests.clips import ffmpeg
from tests.forked import WRITES, Done, Running, run, started, strike
from tests.marks import slow

COMMAND = ["upsample", "in.mkv", "-c", "ffv1"]
NAME = "in.2x.mkv"


def write_source(folder: Path) -> None:
    """A film of two shots of six pictures, with sound."""
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=24", "-f", "lavfi",
        "-i", "mandelbrot=size=64x48:rate=24", "-f", "lavfi", "-i", "sine=duration=0.5",
        "-filter_complex", "[0]trim=duration=0.25[a];[1]trim=duration=0.25[b];[a][b]concat=n=2",
        "-pix_fmt", "yuv420p", "-c:v", "ffv1", "-c:a", "flac", folder / "in.mkv",
    )  # fmt: skip


class Undisturbed:
    """The source, the film that an undisturbed run makes of it, and the steps of that run."""

    def __init__(self, folder: Path) -> None:
        (work := folder / "work").mkdir()
        write_source(work)
        self.source = work / "in.mkv"
        done = run(COMMAND, work, partial(strike, "", 0, str(folder / "steps.txt")))
        assert done.code == 0, done.stderr
        self.film = (work / NAME).read_bytes()
        self.steps = (folder / "steps.txt").read_text().splitlines()

    def step(self, start: str, which: int = 0) -> int:
        """Number of the `which`-th step whose words start so."""
        return [at for at, step in enumerate(self.steps) if step.startswith(start)][which]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed(tmp_path_factory.mktemp("whole"))


def strike_and_go_on(whole: Undisturbed, work: Path, how: str, number: int) -> None:
    """Strike a run at a step, look what is left, run it again."""
    work.mkdir()
    (work / "in.mkv").hardlink_to(whole.source)
    struck = run(COMMAND, work, partial(strike, how, number))
    step = f"{how} before {whole.steps[number]}"
    ends = {"kill": {-9}, "interrupt": {130}, "terminate": {143}}
    assert struck.code in ends.get(how, {0, 5}), (step, struck)
    assert "Traceback" not in struck.stderr, (step, struck)
    made = work / NAME
    assert not made.exists() or made.read_bytes() == whole.film, step
    if how != "kill":
        kept = list(work.glob(".filmcli-*/*.nut"))
        assert not [path for path in kept if ".part" in path.name], step
        assert made.exists() or not list(work.glob(".filmcli-*")) or kept, step
        assert not kept or made.exists() or "goes on from there" in struck.stderr, step
    again = run(COMMAND, work)
    assert again.code == 0, (step, again)
    assert sorted(os.listdir(work)) == [NAME, "in.mkv"], step
    assert made.read_bytes() == whole.film, step


@pytest.mark.parametrize(
    ("how", "start", "which"),
    [
        ("kill", "fsync", 2),  # the second segment is written, and nobody knows it
        ("terminate", "start ffprobe", -1),  # the film is joined, and being verified
        *slow(
            ("kill", "remove", 0),  # the film has its name, and the one it was made under
            ("full", "link", 0),
        ),
    ],
)
def test_a_struck_run_goes_on_to_the_same_bytes(
    tmp_path: Path, whole: Undisturbed, how: str, start: str, which: int
) -> None:
    strike_and_go_on(whole, tmp_path / "work", how, whole.step(start, which))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("how", ["kill", "interrupt", "terminate"])
def test_every_step_of_the_command_can_be_struck(
    tmp_path: Path, whole: Undisturbed, how: str, part: int
) -> None:
    for number in range(part, len(whole.steps), 4):
        strike_and_go_on(whole, tmp_path / str(number), how, number)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["full", "refused"])
def test_a_disk_may_take_no_more_at_every_step_that_writes(
    tmp_path: Path, whole: Undisturbed, how: str
) -> None:
    writes = [at for at, step in enumerate(whole.steps) if step.split()[0] in WRITES]
    assert len(writes) >= 9
    for number in writes:
        strike_and_go_on(whole, tmp_path / str(number), how, number)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_two_runs_make_the_same_bytes(tmp_path: Path, whole: Undisturbed, ending: str) -> None:
    codec = ["-c", "ffv1"] if ending == ".mkv" else ["--preset", "ultrafast"]
    films = []
    for name in ("a", "b"):
        command = ["upsample", str(whole.source), "-o", name + ending, *codec]
        assert run(command, tmp_path).code == 0
        films.append((tmp_path / (name + ending)).read_bytes())
    assert films[0] == films[1]


def test_two_commands_at_once_on_one_output_make_one_film(
    tmp_path: Path, whole: Undisturbed
) -> None:
    (tmp_path / "in.mkv").hardlink_to(whole.source)
    with started(COMMAND, tmp_path) as one, started(COMMAND, tmp_path) as two:
        ends = sorted((one.end(), two.end()), key=lambda done: done.code)
    assert ends[0].code == 0, ends
    assert ends[1].code == 0 or (ends[1].code == 5 and "another run" in ends[1].stderr), ends
    assert sorted(os.listdir(tmp_path)) == [NAME, "in.mkv"]
    assert (tmp_path / NAME).read_bytes() == whole.film


def impatient() -> None:
    """Ten minutes become two seconds."""
    process.PATIENCE_SECONDS = 2.0


@pytest.mark.parametrize("victim", ["decoder", *slow("encoder")])
def test_a_child_that_stands_still_ends_in_words_and_leaves_nothing(
    tmp_path: Path, victim: str
) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=24", "-t", "8", tmp_path / "in.mp4")
    with started(["upsample", "in.mp4"], tmp_path, impatient) as running:
        child = wait_for_child(tmp_path, running, writes=victim == "encoder")
        both = children(running.pid)
        os.kill(child, signal.SIGSTOP)
        done = running.end()
    assert done.code == 1, done
    assert "ffmpeg hangs" in done.stderr and "2 seconds" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == ["in.mp4"]
    assert child in both and not [pid for pid in both if Path(f"/proc/{pid}").exists()]


def wait_for_child(folder: Path, running: Running, writes: bool) -> int:
    """The process id of the command's encoder (which `writes`) or decoder, once both are there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if list(folder.glob(".filmcli-*/*.part.nut")):
            for child in children(running.pid):
                words = Path(f"/proc/{child}/cmdline").read_bytes()
                if (b".part.nut" if writes else b"showinfo") in words:
                    return child
        time.sleep(0.005)
    raise AssertionError("the children did not start")


def children(parent: int) -> list[int]:
    words = ["ps", "--ppid", str(parent), "-o", "pid="]
    return [int(pid) for pid in subprocess.run(words, capture_output=True).stdout.split()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, whole: Undisturbed
) -> None:
    (tmp_path / "in.mkv").write_bytes(whole.source.read_bytes())
    mount = ["mount", "--bind", str(tmp_path), str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        read_only = ["mount", "-o", "remount,ro,bind", str(tmp_path)]
        subprocess.run(read_only, check=True, capture_output=True)
        assert refused(run(COMMAND, tmp_path), 5)
        assert os.listdir(tmp_path) == ["in.mkv"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own that holds so much, in `folder`; skips where nobody may mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def said_of_full_disk(done: Done, holder: Path) -> str:
    """What it says first, if it says in three lines that the disk is full."""
    assert refused(done, 5), done.stderr
    what, why, do = (line.strip() for line in done.stderr.splitlines()[-3:])
    assert re.fullmatch(rf"The disk that holds {holder}(/\.filmcli-[0-9a-f-]+)? is full\.", why)
    assert "Free some space there" in do and "--work-dir" in do
    return what.removeprefix("error: ")


@pytest.mark.parametrize(
    ("start", "which", "says"),
    [
        ("start ffmpeg 'file:", -2, "ffmpeg"),  # the second segment
        *slow(
            ("open .filmcli", 1, "first_pass.json cannot be read or written"),
            ("start ffmpeg 'file:", -1, "ffmpeg could not write "),  # the film is joined
        ),
    ],
)
def test_a_disk_that_is_really_full_is_named_and_the_run_goes_on_later(
    tmp_path: Path, whole: Undisturbed, start: str, which: int, says: str
) -> None:
    number = whole.step(start, which)
    with small_disk(tmp_path / "disk", "4m") as disk:
        (work := disk / "work").mkdir()
        shutil.copy(whole.source, work / "in.mkv")
        struck = run(COMMAND, work, partial(strike, "filled", number))
        assert says in said_of_full_disk(struck, work)
        assert not (work / NAME).exists()
        (disk / "filler").unlink()
        again = run(COMMAND, work)
        assert again.code == 0, again
        assert sorted(os.listdir(work)) == [NAME, "in.mkv"]
        assert (work / NAME).read_bytes() == whole.film


def test_the_full_disk_is_that_of_the_output_if_the_parts_lie_elsewhere(
    tmp_path: Path, whole: Undisturbed
) -> None:
    (tmp_path / "in.mkv").hardlink_to(whole.source)
    command = [*COMMAND, "--work-dir", "parts", "-o", "disk/out.mkv"]
    with small_disk(tmp_path / "disk", "16k") as disk:
        struck = run(command, tmp_path)
        assert said_of_full_disk(struck, disk).startswith("ffmpeg could not write ")
        assert os.listdir(disk) == [] and "goes on from there" in struck.stderr
    done = run(command, tmp_path)
    assert done.code == 0, done.stderr
    assert os.listdir(tmp_path / "parts") == []


def refused(done: Done, code: int) -> bool:
    """Ended with one error, in words."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return done.code == code and len(errors) == 1 and "Traceback" not in done.stderr


def test_a_work_folder_elsewhere_is_made_and_cleared(tmp_path: Path, whole: Undisturbed) -> None:
    (tmp_path / "in.mkv").hardlink_to(whole.source)
    done = run([*COMMAND, "--work-dir", "work/here"], tmp_path)
    assert done.code == 0, done
    assert os.listdir(tmp_path / "work" / "here") == []
    assert (tmp_path / NAME).read_bytes() == whole.film
