"""The real command in children forked from one warm process, so that a test can afford dozens.

    done = run(["upsample", "in.mkv"], tmp_path)
    done = run([...], tmp_path, partial(strike, "kill", 7))   # dies right before its 7th step

The child does what `python -m filmcli` does, but for what `tests.warm` did before it. `prepare` is
called in it first: the one way to make it die, or fail, in the middle of its work. A step is
whatever can be seen on disk after a power cut (a folder or file made, renamed, linked or removed
below the current folder, a sync), and the start of a program. In place of the words of a command
any function may run.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import filmcli.cli.adapt
import filmcli.cli.probe
import filmcli.cli.upsample
import filmcli.pipeline.upsample  # noqa: F401 (what the commands load late)
from filmcli.cli import run as run_command

Prepare = Callable[[], None]


@dataclass(frozen=True)
class Done:
    """How a command ended; a negative `code` is the signal that killed it.

    `film` is what it wrote to standard output, if that is no text.
    """

    code: int
    stdout: str
    stderr: str
    film: bytes = field(default=b"", repr=False, compare=False)


class Running:
    """A command that runs; `pid` is its process's."""

    def __init__(self, process: BaseProcess, folder: Path) -> None:
        self._process, self._folder = process, folder
        assert process.pid is not None
        self.pid = process.pid

    def end(self, limit_seconds: float = 120) -> Done:
        """Wait for its end; TimeoutError (and no process) if it does not come."""
        self._process.join(limit_seconds)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            self._process.join()
            raise TimeoutError(f"still running after {limit_seconds} s: {self._words('stderr')}")
        film = (self._folder / "stdout").read_bytes()
        return Done(code, self._words("stdout"), self._words("stderr"), film)

    def _words(self, name: str) -> str:
        return (self._folder / name).read_text("utf-8", "replace")


@contextmanager
def started(
    command: Sequence[str] | Callable[[], int],
    cwd: Path,
    prepare: Prepare | None = None,
    stdin: bytes = b"",
) -> Iterator[Running]:
    """A command running in the folder `cwd`; killed when the block is left, if it still runs."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["tests.warm"])
    with TemporaryDirectory() as folder:
        process = server.Process(target=_main, args=(command, str(cwd), folder, prepare, stdin))
        process.start()
        try:
            yield Running(process, Path(folder))
        finally:
            process.kill()
            process.join()
            process.close()


def run(
    command: Sequence[str] | Callable[[], int],
    cwd: Path,
    prepare: Prepare | None = None,
    limit_seconds: float = 120,
    stdin: bytes = b"",
) -> Done:
    """Run a command to its end; `stdin` reaches it through a pipe."""
    with started(command, cwd, prepare, stdin) as running:
        return running.end(limit_seconds)


def _main(
    command: Sequence[str] | Callable[[], int],
    cwd: str,
    folder: str,
    prepare: Prepare | None,
    stdin: bytes,
) -> None:
    _pipe_in(stdin)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT), number)
    os.chdir(cwd)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if prepare is not None:
        prepare()
    sys.exit(command() if callable(command) else run_command(command))


def _pipe_in(content: bytes) -> None:
    """Let standard input be a pipe that holds the content."""
    reads, writes = os.pipe()
    os.dup2(reads, 0)
    os.close(reads)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (multiprocessing had put another there)

    def write() -> None:
        with suppress(BrokenPipeError), open(writes, "wb") as pipe:
            pipe.write(content)

    threading.Thread(target=write, daemon=True).start()


def strike(how: str, number: int, log: str = "") -> None:
    """Let fate strike right before step `number` (from 0), and write all steps' names to `log`
    (which lies elsewhere).

    `how` is "kill", "interrupt" or "terminate" (signals), "full" (this and all later writes find
    the disk full), "refused" (they find it read-only) or "filled" (a file beside the current folder
    takes all room that the disk has); anything else only writes the log.
    """
    here, lock, count = os.getcwd() + os.sep, threading.Lock(), 0

    def on_event(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if (step := _step(event, arguments, here)) is None:
            return
        with lock:
            at, count = count, count + 1
            if log:
                with open(log, "a") as steps:
                    steps.write(f"{step}\n")
        _act(how, at - number, step)

    real_sync = os.fsync

    def sync(handle: int) -> None:
        sys.audit("os.fsync", os.readlink(f"/proc/self/fd/{handle}"))
        real_sync(handle)

    os.fsync = sync
    sys.addaudithook(on_event)


_CHANGES = ("os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.fsync")


def _step(event: str, arguments: tuple[Any, ...], here: str) -> str | None:
    """The step that an audit event is, in words; None for what leaves no trace below `here`."""
    if event == "subprocess.Popen":
        return f"start {os.path.basename(arguments[1][0])} {arguments[1][-1]}"
    folder = "."
    if event == "open":
        if not isinstance(arguments[2], int) or not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return None
        arguments = arguments[:1]
    elif event not in _CHANGES:
        return None
    elif event in ("os.remove", "os.rmdir") and arguments[-1] >= 0:
        folder = os.readlink(f"/proc/self/fd/{arguments[-1]}")  # a name in an open folder
    names = [os.fsdecode(a) for a in arguments if isinstance(a, (str, bytes))]
    paths = [os.path.abspath(os.path.join(folder, name)) for name in names]
    inside = [path.removeprefix(here) for path in paths if path.startswith(here)]
    return " ".join([event.removeprefix("os."), *inside]) if inside else None


WRITES = ("mkdir", "open", "link", "rename")
"""Steps that a full disk, or one that is read-only, does not allow."""
_SIGNALS = {"kill": signal.SIGKILL, "interrupt": signal.SIGINT, "terminate": signal.SIGTERM}
_REFUSALS = {"full": errno.ENOSPC, "refused": errno.EROFS}


def fill_disk(folder: Path) -> Path:
    """Write a file into `folder` that takes all room of its disk; its name."""
    with open(folder / "filler", "wb", 0) as filler:
        for size in (1 << 20, 1 << 12):  # a page is the least that a tmpfs hands out
            with suppress(OSError):
                while filler.write(bytes(size)) == size:
                    pass
    return folder / "filler"


def _act(how: str, late: int, step: str) -> None:
    if how == "filled" and late == 0:
        fill_disk(Path.cwd().parent)
    if how in _SIGNALS and late == 0:
        os.kill(os.getpid(), _SIGNALS[how])
    # A full disk still lets files go, and programs start.
    if how in _REFUSALS and late >= 0 and step.split()[0] in WRITES:
        number = _REFUSALS[how]
        raise OSError(number, os.strerror(number), step.split()[-1])
