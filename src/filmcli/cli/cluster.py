"""`--cluster`: workers on this machine or many, for the commands that can share their work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filmcli.errors import MachineError, UsageError

if TYPE_CHECKING:
    from filmcli.cluster.crew import Crew


@contextmanager
def crew_of(cluster: str, device: str = "auto", precision: str = "auto") -> Iterator[Crew]:
    """The workers of the cluster that the option names, while the `with` lasts.

    Raises UsageError for a single GPU, MachineError if Ray, the cluster or its workers are missing.
    """
    if ":" in device:
        raise UsageError(
            f"--device {device} names one device", "a cluster takes all", "leave out --device"
        )
    if sys.platform == "win32":
        raise MachineError(
            "--cluster does not work on Windows",
            "it locks folders, which only Linux and macOS do",
            "leave it out",
        )
    try:
        from filmcli.cluster.crew import Crew
        from filmcli.cluster.nodes import joined
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise MachineError(
            "--cluster needs Ray", "it is not installed", "pip install 'filmcli[cluster]'"
        ) from error
    with joined(cluster), Crew(device, precision) as crew:
        yield crew
