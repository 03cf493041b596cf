"""Where an interval's time goes: by the doorway's stages, by kernel, and in operations counted."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

# Whatever of these the doorway has is timed; none calls another.
_STAGES = (
    ("filmcli.network.color", "upload"),
    ("filmcli.network.color", "to_rgb"),
    ("filmcli.network.color", "from_rgb"),
    ("filmcli.network.color", "rounded"),
    ("filmcli.network.painter.Painter", "_run"),
)


class Kernels(NamedTuple):
    """What the profiler saw: kernels, launches of one or of a recording, seconds, its table."""

    count: int
    launches: int
    seconds: float
    table: str


class Stopwatch:
    """Adds up the time of named stretches of the device's stream, without waiting for them."""

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._stretches: list[tuple[str, Any, Any]] = []

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function` with its time taken; a network's stage goes by its own name."""

        def run(*inputs: Any, **named: Any) -> Any:
            stage = next((x for x in inputs if isinstance(x, str)), name)
            start = self._now()
            result = function(*inputs, **named)
            self._stretches.append((stage, start, self._now()))
            return result

        return run

    def _now(self) -> Any:
        if not self._on_gpu:
            return time.perf_counter()
        moment = torch.cuda.Event(enable_timing=True)
        moment.record()
        return moment

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each name, first come first."""
        if self._on_gpu:
            torch.cuda.synchronize()
        totals: dict[str, float] = {}
        for name, start, end in self._stretches:
            took = start.elapsed_time(end) / 1000 if self._on_gpu else end - start
            totals[name] = totals.get(name, 0.0) + took
        return totals


@contextmanager
def watched(device: torch.device) -> Iterator[Stopwatch]:
    """Take the time of the doorway's stages in the block."""
    watch = Stopwatch(device)
    with ExitStack() as patches:
        for place, name in _STAGES:
            owner = _find(place)
            if hasattr(owner, name):
                timed = watch.timed(name, getattr(owner, name))
                patches.enter_context(patch.object(owner, name, timed))
        yield watch


def _find(place: str) -> Any:
    """Return a module, or a class in one, by its dotted name; None if there is none."""
    try:
        return importlib.import_module(place)
    except ImportError:
        module, _, name = place.rpartition(".")
        return getattr(importlib.import_module(module), name, None)


def kernels(work: Callable[[], object], device: torch.device, rows: int = 30) -> Kernels:
    """Run `work` once under torch's profiler; on a CPU, operators stand for kernels."""
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu
    with profile(activities=activities) as told:
        work()
        if on_gpu:
            torch.cuda.synchronize()
    kind = torch.autograd.DeviceType.CUDA if on_gpu else torch.autograd.DeviceType.CPU
    launched = [event for event in told.events() if event.device_type == kind]
    if not on_gpu:
        launched = [event for event in launched if not event.cpu_children]
    calls = ("cudaLaunch", "cuLaunch", "cudaGraphLaunch")
    launches = sum(event.name.startswith(calls) for event in told.events())
    busy = sum(event.time_range.elapsed_us() for event in launched) / 1e6
    by = f"self_{'device' if on_gpu else 'cpu'}_time_total"
    table = told.key_averages().table(sort_by=by, row_limit=rows, max_name_column_width=70)
    return Kernels(len(launched), launches, busy, table)


def operations(work: Callable[[], object]) -> int:
    """Return how many floating-point operations the convolutions and products of `work` do."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())
