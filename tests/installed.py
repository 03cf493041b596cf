"""Python as it is here, but for one package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

import filmcli

SITE = Path(torch.__file__).parent.parent
SOURCE = Path(filmcli.__file__).parent.parent


def python_without(
    package: str, folder: Path, *words: str | Path
) -> subprocess.CompletedProcess[str]:
    """Run Python with all that is installed here but `package`, linked into a new `folder`."""
    folder.mkdir()
    for item in SITE.iterdir():
        if not item.name.startswith(package):
            (folder / item.name).symlink_to(item)
    return subprocess.run(
        [sys.executable, "-S", *map(str, words)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (SOURCE, folder)))},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
