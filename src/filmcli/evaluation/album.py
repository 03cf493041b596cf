"""Which frames are worth a look: of every scene a typical one, of every sequence the worst.

Both by the PSNR of the first network that takes part. The typical frame is, of a few drawn by lot,
the one nearest to its scene's median. Strips are drawn when their frames pass by; no more than a
scene's few are held.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from filmcli.evaluation.entries import Entry
from filmcli.evaluation.rebuilt import Rebuilt
from filmcli.evaluation.strips import ERROR_GAIN, Cell, error, strip

_DRAWN = 9  # frames of a scene from which the typical one is taken


class Shown(NamedTuple):
    """A strip as a JPEG file, what it shows in words, which frame that is, and our PSNR there."""

    words: str
    frame: int
    psnr: float
    jpeg: bytes


@dataclass
class _Scene:
    """What is held of the scene that is passing by."""

    number: int
    values: list[float]
    drawn: list[Shown]


class Album:
    """Chooses the strips of one sequence while its frames pass by."""

    def __init__(self, name: str, entries: Sequence[Entry]) -> None:
        """`entries` hold one network at least; the first is "ours"."""
        self._name = name
        self._ours = next(entry.name for entry in entries if not entry.is_rival)
        self._rivals = [entry.name for entry in entries if entry.is_rival]
        self._lot = random.Random(0)  # the same strips each time
        self._scene = _Scene(0, [], [])
        self._typical: list[Shown] = []
        self._worst: Shown | None = None

    def __call__(self, rebuilt: Rebuilt) -> None:
        """See one frame."""
        if rebuilt.scene != self._scene.number:
            self._end_scene()
            self._scene = _Scene(rebuilt.scene, [], [])
        scene, value = self._scene, rebuilt.scores[self._ours].psnr
        scene.values.append(value)
        place = self._lot.randrange(len(scene.values))
        is_drawn = len(scene.drawn) < _DRAWN or place < _DRAWN
        is_worst = self._worst is None or value < self._worst.psnr
        if not (is_drawn or is_worst):
            return
        shown = self._show(rebuilt)
        if is_worst:
            self._worst = shown
        if len(scene.drawn) < _DRAWN:
            scene.drawn.append(shown)
        elif is_drawn:
            scene.drawn[place] = shown

    def strips(self) -> list[Shown]:
        """The chosen strips, once all frames have passed: typical ones, then the worst."""
        self._end_scene()
        self._scene = _Scene(-1, [], [])
        if self._worst is None:
            return []
        others = [shown for shown in self._typical if shown.frame != self._worst.frame]
        chosen = [shown._replace(words=f"Typical: {shown.words}") for shown in others]
        return [*chosen, self._worst._replace(words=f"Worst: {self._worst.words}")]

    def _end_scene(self) -> None:
        if self._scene.drawn:
            middle = median(self._scene.values)
            self._typical.append(min(self._scene.drawn, key=lambda shown: abs(shown.psnr - middle)))

    def _show(self, rebuilt: Rebuilt) -> Shown:
        ours, scores = rebuilt.made[self._ours], rebuilt.scores
        cells = [
            Cell("kept frame before", rebuilt.left),
            Cell("truth", rebuilt.truth),
            Cell(f"{self._ours}  {scores[self._ours].psnr:.2f} dB", ours),
        ]
        told = cells[-1].words
        if self._rivals:
            best = max(self._rivals, key=lambda name: scores[name].psnr)
            cells.append(Cell(f"{best}  {scores[best].psnr:.2f} dB", rebuilt.made[best]))
            told += f", {cells[-1].words}"
        cells.append(Cell(f"our error x {ERROR_GAIN}", error(ours, rebuilt.truth)))
        words = f"{self._name}, scene {rebuilt.scene + 1}, frame {rebuilt.frame}"
        words += f", phase {rebuilt.phase}: {told}"
        jpeg = strip(cells, ours, rebuilt.truth)
        return Shown(words, rebuilt.frame, scores[self._ours].psnr, jpeg)
