"""A worker: an actor that opens a craft and does one errand of it after the other."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from threading import Thread
from typing import Any, NamedTuple, Protocol

import ray
import torch

from filmcli import __version__
from filmcli.cluster.scratch import scratch
from filmcli.lpips import is_lpips_here
from filmcli.network.machine import choose_device, choose_precision, describe_device
from filmcli.video.process import ffmpeg_version

_LOOK_SECONDS = 2.0

Work = Callable[[Any], Iterator[Any]]
"""Does an errand, and says as it goes on whatever the order understands."""


class Craft(Protocol):
    """What workers can do for an order; it is pickled to them."""

    def opened(self, folder: str) -> AbstractContextManager[Work]:
        """Get ready: tools, and `folder` for files that are no longer needed after an errand."""


class Facts(NamedTuple):
    """What must be the same everywhere, and what makes the pictures."""

    filmcli: str
    ffmpeg: str
    torch: str
    device: str = ""
    processor: str = ""
    lpips: str = ""

    @property
    def kind(self) -> tuple[str, str]:
        """What two workers have in common whose pictures are the same to the last bit."""
        return self.device, self.processor if self.device.startswith("cpu") else ""


def facts_here(device: str, precision: str) -> Facts:
    """The facts of this process, that would work on `device` with `precision`."""
    chosen = choose_device(device)
    dtype = str(choose_precision(precision, chosen)).removeprefix("torch.")
    words = f"{describe_device(chosen)}, {dtype}"
    lpips = "installed" if is_lpips_here() else "missing"
    return Facts(__version__, ffmpeg_version(), torch.__version__, words, _processor(), lpips)


class Worker:
    """Lives at one place of a node; holds the craft of the order that it worked for last."""

    def __init__(self) -> None:
        self._life, self._opened = ExitStack(), ExitStack()
        self._folder = self._life.enter_context(scratch())
        # A raylet that is killed leaves its workers behind, which then run for ever.
        Thread(target=self._outlive_nobody, args=(os.getppid(),), daemon=True).start()
        self._number: int | None = None
        self._work: Work | None = None

    def facts(self, device: str, precision: str) -> Facts:
        """What this worker is."""
        return facts_here(device, precision)

    def work(self, number: int, craft: list[ray.ObjectRef], errand: Any) -> Iterator[Any]:
        """Do an errand of order `number`, whose craft is the one object in the list."""
        if self._work is None or self._number != number:
            self._opened.close()
            self._work = None
            opened = ray.get(craft[0]).opened(self._folder)
            self._work, self._number = self._opened.enter_context(opened), number
        for said in self._work(errand):  # noqa: UP028 (Ray sends into generators)
            yield said

    def _outlive_nobody(self, parent: int) -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(1)

    def leave(self) -> None:
        """Put everything away."""
        self._opened.close()
        self._life.close()


def _processor() -> str:
    with suppress(OSError, StopIteration), open("/proc/cpuinfo") as lines:
        return next(line for line in lines if line.startswith("model name")).split(":")[1].strip()
    return platform.processor()
