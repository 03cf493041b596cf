"""Folders on a machine's own disk that outlive nobody.

Each is held by a lock on the folder itself, which goes with the process however that ends: what a
killed process leaves behind is swept away by the next one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator

from filmcli.locks import hold


@contextlib.contextmanager
def scratch(parent: str | None = None) -> Iterator[str]:
    """A folder for this process alone, in `parent` or where temporary files go."""
    held = None
    while held is None:
        with contextlib.suppress(FileNotFoundError):  # swept before it was held
            folder = tempfile.mkdtemp(prefix="own-", dir=_home(parent))
            held = _hold(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)
        _leave(_home(parent))


@contextlib.contextmanager
def shared(name: str) -> Iterator[str]:
    """The folder of this name, which all processes of the user on this machine share."""
    held = None
    while held is None:
        folder = os.path.join(_home(), f"shared-{name}")
        with contextlib.suppress(FileNotFoundError):
            os.makedirs(folder, exist_ok=True)
        held = _hold(folder, shared=True)
        if held is None:
            time.sleep(0.01)  # for whoever sweeps it
    try:
        yield folder
    finally:
        os.close(held)
        sweep()


def sweep() -> None:
    """Remove every folder that no process holds."""
    home = _home()
    for name in os.listdir(home):
        folder = os.path.join(home, name)
        held = _hold(folder)
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)
    _leave(home)


def _home(parent: str | None = None) -> str:
    """The user's own folder of such folders; PermissionError if it is somebody else's."""
    home = os.path.join(parent or tempfile.gettempdir(), f"filmcli-{_user()}")
    os.makedirs(home, mode=0o700, exist_ok=True)
    if os.lstat(home).st_uid != _user():
        raise PermissionError(13, "it belongs to somebody else", home)
    return home


def _user() -> int:
    if sys.platform == "win32":
        return 0  # nobody else sees the folder above
    return os.getuid()


def _leave(home: str) -> None:
    with contextlib.suppress(OSError):  # somebody has a folder in it
        os.rmdir(home)


def _hold(folder: str, *, shared: bool = False) -> int | None:
    """Lock a folder; None if it is gone, or held in a way that does not go with it."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        hold(handle, shared=shared)
        if os.path.samestat(os.fstat(handle), os.stat(folder)):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return None
