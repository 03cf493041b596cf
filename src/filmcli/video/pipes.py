"""Pipes to child processes, as wide as the system lets them be.

Where the system can wait for a pipe with a limit of time (Linux, macOS), reading and writing never
block. On Windows it cannot: there a pipe blocks until the child takes or gives something, so it
counts as ready at once, and a child that hangs is waited for.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable

Ready = Callable[[float], bool]
"""Whether a pipe is ready, or has lost its other end, within so many seconds."""

if sys.platform == "win32":

    def open_wide(pipe: io.FileIO) -> None:
        """Leave `pipe` as it is."""

    def readable(pipe: io.FileIO) -> Ready:  # noqa: ARG001 (it cannot be asked)
        """Take `pipe` for one that can be read from."""
        return lambda _: True

    writable = readable

else:
    import fcntl
    import select

    _BYTES = 1 << 20

    def open_wide(pipe: io.FileIO) -> None:
        """Let `pipe` hold what it can, and let nothing wait in it."""
        # 64 KiB is less than one line of planes; 1 MiB is what an ordinary user gets on Linux.
        set_size = getattr(fcntl, "F_SETPIPE_SZ", None)
        if set_size is not None:
            with contextlib.suppress(OSError):
                fcntl.fcntl(pipe.fileno(), set_size, _BYTES)
        os.set_blocking(pipe.fileno(), False)

    def readable(pipe: io.FileIO) -> Ready:
        """Tell when `pipe` can be read from."""
        return _ready(pipe, select.POLLIN)

    def writable(pipe: io.FileIO) -> Ready:
        """Tell when `pipe` can be written to."""
        return _ready(pipe, select.POLLOUT)

    def _ready(pipe: io.FileIO, event: int) -> Ready:
        poll = select.poll()
        poll.register(pipe.fileno(), event)
        return lambda seconds: bool(poll.poll(1000 * seconds))
