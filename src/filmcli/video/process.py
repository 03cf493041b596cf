"""Child processes: start, feed, drain, reap.

Every child is started from an argument list (never a shell), reads nothing from our stdin, is
killed and reaped when its `with` block is left, and has its stderr drained by a thread so that it
can never block on it. Children live in a session of their own: Ctrl-C reaches us, and we end them
in order. One that neither takes nor gives anything for PATIENCE_SECONDS hangs, which is an error.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, cast

from filmcli.errors import FilmcliError, MachineError, RenderError, full_disk
from filmcli.video.pipes import open_wide, readable, writable

PATIENCE_SECONDS = 600.0
"""Ten minutes for one picture: x265 at its slowest takes less for one of 8K."""

_SLICES = 20
_LAST_WORDS = 12
_OWN_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows' word for a session
_ADVICE = "Give the same command again: finished parts are kept."


@lru_cache
def tool(name: str) -> str:
    """Path of the program `name` (ffmpeg or ffprobe); MachineError if it is not installed."""
    path = shutil.which(name)
    if path is None:
        raise MachineError(
            f"{name} was not found.",
            "filmcli reads and writes films through ffmpeg, and it is not on the PATH.",
            "Install it: apt-get install ffmpeg (Debian, Ubuntu), brew install ffmpeg (macOS).",
        )
    return path


@lru_cache
def ffmpeg_version() -> str:
    """ffmpeg's own version line: work of two versions must not be joined."""
    return ask(["ffmpeg", "-version"]).stdout.split(b"\n", 1)[0].decode("utf-8", "replace")


def command(pipeline: Any, *last: str) -> list[str]:
    """The argument list of an ffmpeg-python output, `last` set before the output's name."""
    program, *words, name = pipeline.compile()
    quiet = ("-nostdin", "-nostats", "-hide_banner", "-y")
    return [program, *quiet, *words, *last, name]


class FileName(str):
    """A path as ffmpeg must be given it: no protocol, option or pattern can hide in a name.

    ffmpeg-python hashes str(name), which must be encodable; names of films need not be.
    """

    __slots__ = ()

    def __new__(cls, path: str) -> FileName:
        return super().__new__(cls, "file:" + path)

    __str__ = str.__repr__


class Child:
    """A running program: `stdin`/`stdout` are raw binary pipes where asked for, else closed.

    `on_line` is called with every line of stderr, in the draining thread. `cwd` is the folder
    the program runs in. A child does not hang while the file that it `writes` changes, nor if it
    `may_pause` because it waits for somebody else: a paused player. `advice` says what to do if it
    fails. Raises MachineError if the program cannot be started.
    """

    def __init__(
        self,
        args: Sequence[str],
        *,
        stdin: bool = False,
        stdout: bool = False,
        on_line: Callable[[str], None] | None = None,
        on_end: Callable[[], None] | None = None,
        output: BinaryIO | None = None,
        cwd: str | None = None,
        writes: str | None = None,
        may_pause: bool = False,
        advice: str = _ADVICE,
    ) -> None:
        program = tool(args[0])
        try:
            self._process = subprocess.Popen(
                [program, *args[1:]],
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE if stdout else output or subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=cwd,
                start_new_session=True,
                creationflags=_OWN_GROUP,
                env={**os.environ, "AV_LOG_FORCE_NOCOLOR": "1"},
            )
        except (OSError, ValueError) as error:
            raise MachineError(
                f"{args[0]} could not be started.", str(error), "Check the installation of ffmpeg."
            ) from error
        self.name = args[0]
        self.stdin = self._process.stdin
        self.stdout = self._process.stdout
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                open_wide(cast(io.FileIO, pipe))
        self._writes, self._may_pause, self._advice = writes, may_pause, advice
        self._tail: deque[str] = deque(maxlen=_LAST_WORDS)
        self._on_line, self._on_end = on_line, on_end
        self._drain = threading.Thread(target=self._drain_stderr, daemon=True)
        self._drain.start()

    def _drain_stderr(self) -> None:
        with io.BufferedReader(cast(io.FileIO, self._process.stderr), 1 << 16) as lines:
            for raw in lines:
                line = raw.decode("utf-8", "replace").rstrip()
                if self._on_line is not None:
                    self._on_line(line)
                if line and "Parsed_showinfo" not in line:
                    self._tail.append(line)
        if self._on_end is not None:
            self._on_end()

    def write(self, data: bytes | memoryview) -> None:
        """Feed all of `data`; RenderError with the child's last words if it has stopped reading."""
        pipe = cast(io.FileIO, self.stdin)
        view = memoryview(data)
        try:
            while view:
                written = pipe.write(view)
                if written is None:  # the pipe is full
                    self.wait_until(writable(pipe))
                else:
                    view = view[written:]
        except BrokenPipeError:
            what = "stopped in the middle of the work"
            self.finish(what)
            raise self._failure(f"{what}.", self.last_words()) from None

    def read_into(self, buffer: memoryview) -> int:
        """Fill `buffer` from stdout; fewer bytes than its length only at the end."""
        pipe = cast(io.FileIO, self.stdout)
        filled = 0
        while filled < len(buffer):
            count = pipe.readinto(buffer[filled:])
            if count is None:  # the pipe is empty
                self.wait_until(readable(pipe))
            elif count == 0:
                break
            else:
                filled += count
        return filled

    def wait_until(self, done: Callable[[float], bool]) -> None:
        """Return once `done`, which is given seconds to wait, is true.

        RenderError if it was not for PATIENCE_SECONDS in which the child wrote nothing. They pass
        in slices, so that an hour in which this process was stopped is one slice.
        """
        while True:
            before = _stamp(self._writes)
            if any(done(PATIENCE_SECONDS / _SLICES) for _ in range(_SLICES)):
                return
            if not self._may_pause and _stamp(self._writes) == before:
                raise RenderError(
                    f"{self.name} hangs.",
                    f"It has neither taken nor given anything for {PATIENCE_SECONDS:g} seconds.",
                    self._advice,
                )

    def wait(self) -> int:
        """Return code once the program has ended."""
        self.wait_until(self.has_ended)
        return cast(int, self._process.returncode)

    def has_ended(self, seconds: float) -> bool:
        """Whether the program ends within so many seconds."""
        self._drain.join(seconds)  # wakes at once, where waiting for a process would look again
        if not self._drain.is_alive():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        return self._process.returncode is not None

    def finish(self, what: str) -> None:
        """Close stdin and wait for the end; RenderError saying `what` if the program failed."""
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.stdin.close()
        code = self.wait()
        if code < 0:
            killer = signal.Signals(-code).name
            raise self._failure(f"{what}.", f"It was killed by {killer}.")
        # ffmpeg ends well, too, if the last bytes find no room.
        if full := full_disk(f"{self.name} {what}.", self.last_words(), self._writes):
            raise full
        if code > 0:
            raise self._failure(f"{what} (exit code {code}).", self.last_words())

    def _failure(self, what: str, why: str) -> FilmcliError | BrokenPipeError:
        """The error if it failed: a reader that left is no broken film."""
        if os.strerror(errno.EPIPE) in why:
            return BrokenPipeError(errno.EPIPE, why)
        return RenderError(f"{self.name} {what}", why, self._advice)

    def last_words(self, lines: int = 4) -> str:
        """The last lines the program wrote to stderr, joined by "; "."""
        return "; ".join(list(self._tail)[-lines:])

    def kill(self) -> None:
        """End the program at once if it still runs."""
        if self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """Kill the program if it still runs, reap it and close the pipes."""
        self.kill()
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()
        self._drain.join(5)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _stamp(path: str | None) -> tuple[int, int] | None:
    """What changes of a file while it is written."""
    with contextlib.suppress(OSError):
        if path is not None:
            state = os.stat(path)
            return state.st_size, state.st_mtime_ns
    return None


class Answer(NamedTuple):
    """What a short-lived program said: return code, stdout, and the last lines of stderr."""

    code: int
    stdout: bytes
    words: str


def ask(args: Sequence[str], limit_seconds: float = 60, cwd: str | None = None) -> Answer:
    """Run a program that ends by itself; TimeoutError (and no program) after `limit_seconds`."""
    deadline, parts = time.monotonic() + limit_seconds, []
    with Child(args, stdout=True, cwd=cwd) as child:
        pipe = cast(io.FileIO, child.stdout)
        may_read = readable(pipe)
        while (part := pipe.read(1 << 16)) != b"":
            if part is not None:
                parts.append(part)
            left = deadline - time.monotonic()
            if left <= 0 or (part is None and not may_read(left)):
                raise TimeoutError(f"{args[0]} did not answer for {limit_seconds:g} s")
        return Answer(child.wait(), b"".join(parts), child.last_words())


def run(
    pipeline: Any,
    what: str,
    progress: Callable[[int], None] = lambda done: None,  # noqa: ARG005
    words: Sequence[str] = (),
    cwd: str | None = None,
    advice: str = "Check that the film plays to its end.",
) -> None:
    """Run ffmpeg for an ffmpeg-python output, `words` set before the output's name.

    `progress` hears how many frames are done. Raises RenderError saying `what` it could not do if
    it fails, with `advice`.
    """
    args = command(pipeline, "-v", "error", "-progress", "pipe:1", *words)
    with Child(args, stdout=True, cwd=cwd, advice=advice) as child:
        with io.BufferedReader(cast(io.FileIO, child.stdout)) as lines:
            for line in lines:
                if line.startswith(b"frame="):
                    progress(int(line[6:]))
        child.finish(what)
