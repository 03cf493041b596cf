"""Locks on open files, which go with the process however it ends."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


def hold(handle: int, *, shared: bool = False, wait: bool = False) -> None:
    """Lock an open file until it is closed, alone or with others who share it.

    Unless it may `wait`, BlockingIOError or PermissionError at once if another process holds it.
    On Linux and macOS folders can be held, too; on Windows nothing is shared.
    """
    if sys.platform == "win32":
        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    else:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)
