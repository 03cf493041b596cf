"""A second, plain name for a file, where a program cannot be given its own."""

from __future__ import annotations

import os
import shutil


def name_as(path: str, alias: str) -> None:
    """Let the file at `path` be read as `alias`, too: by a link, or by a copy.

    Windows leaves symbolic links to administrators, and hard links stay on their disk.
    """
    target = os.path.abspath(path)
    for link in (os.symlink, os.link, shutil.copyfile):
        try:
            link(target, alias)
            return
        except (OSError, NotImplementedError):
            if link is shutil.copyfile:
                raise
