"""What a run says of itself: a line of numbers every so many steps, told and logged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

SPEEDS = ("samples_per_second", "data_samples_per_second", "network_samples_per_second")
TOLD_APART = ("step", "steps", "steps_per_second", *SPEEDS)
"""The numbers of a line that are no loss and no score."""

Line = dict[str, float]
Report = Callable[[Line], None]
"""Hears of every step: "step" and "steps" alone, or with the means since the last full line."""


class Watch:
    """Gathers what steps say, and where their time goes.

    Every `every` steps the means are written to `log` as a line of JSON and reported, with the
    samples a second of the run, of the data alone and of the network alone: whichever of the two
    is near the run's own is what holds it up.
    """

    def __init__(self, log: str, report: Report, steps: int, batch: int, every: int) -> None:
        self._log, self._report = log, report
        self._steps, self._batch, self._every = steps, batch, every
        self._begin()

    def _begin(self) -> None:
        self._sums: Line = {}
        self._gathered = 0
        self._waited = 0.0
        self._begun = time.monotonic()

    def waiting(self, items: Iterable[T]) -> Iterator[T]:
        """Yield `items`, and count the time that each was waited for."""
        iterator = iter(items)
        while True:
            begun = time.monotonic()
            try:
                item = next(iterator)
            except StopIteration:
                return
            self._waited += time.monotonic() - begun
            yield item

    def add(self, step: int, terms: Mapping[str, float], **facts: float) -> None:
        """Take in `terms` of the step that made `step` steps; `facts` are told as they are."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._gathered += 1
        line: Line = {"step": step, "steps": self._steps}
        if step % self._every == 0 or step == self._steps:
            line |= {name: total / self._gathered for name, total in self._sums.items()} | facts
            line |= self._speeds()
            self._write(line)
            self._begin()
        self._report(line)

    def tell(self, step: int, **facts: float) -> None:
        """Log and report what is known after `step` steps besides their terms."""
        line: Line = {"step": step, "steps": self._steps, **facts}
        self._write(line)
        self._report(line)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave what is done meanwhile out of the run's time."""
        begun = time.monotonic()
        yield
        self._begun += time.monotonic() - begun

    def _write(self, line: Line) -> None:
        with open(self._log, "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")

    def _speeds(self) -> Line:
        samples = self._gathered * self._batch
        seconds = max(time.monotonic() - self._begun, 1e-6)
        each = (seconds, self._waited, seconds - self._waited)
        speeds = (samples / max(part, 1e-6) for part in each)
        return {
            "steps_per_second": self._gathered / seconds,
            **dict(zip(SPEEDS, speeds, strict=True)),
        }
