"""Which frames are worth a look: of every sequence the worst, of every scene a typical one.

The worst are the few that look worst, by LPIPS where it was measured, and the one with most error,
by PSNR, all of the first network that takes part. The typical frame is, of a few drawn by lot, the
one whose looks are nearest to its scene's median. Strips are drawn when their frames pass by; no
more than a scene's few are held.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from filmcli.evaluation.entries import Entry
from filmcli.evaluation.metrics import Score, Scorer
from filmcli.evaluation.rebuilt import Rebuilt
from filmcli.evaluation.strips import ERROR_GAIN, Cell, error, strip

_WORST = 4  # frames of a sequence that look worst
_DRAWN = 9  # frames of a scene from which the typical one is taken


class Shown(NamedTuple):
    """A strip as a JPEG file, what it shows in words, which frame that is, and our score there.

    `sequence` is the name of the frame's.
    """

    words: str
    sequence: str
    frame: int
    score: Score
    jpeg: bytes
    is_typical: bool = False

    @property
    def looks(self) -> float:
        """How good our frame looks, rising."""
        return _looks(self.score)


@dataclass
class _Scene:
    """What is held of the scene that is passing by."""

    number: int
    values: list[float]
    drawn: list[Shown]


class Album:
    """Chooses the strips of one sequence while its frames pass by."""

    def __init__(self, name: str, entries: Sequence[Entry], scorer: Scorer) -> None:
        """`entries` hold one network at least; the first is "ours"."""
        self._name, self._scorer = name, scorer
        self._ours = next(entry.name for entry in entries if not entry.is_rival)
        self._rivals = [entry.name for entry in entries if entry.is_rival]
        self._lot = random.Random(0)  # the same strips each time
        self._scene = _Scene(0, [], [])
        self._typical: list[Shown] = []
        self._worst: list[Shown] = []
        self._most_error: Shown | None = None

    def __call__(self, rebuilt: Rebuilt) -> None:
        """See one frame."""
        if rebuilt.scene != self._scene.number:
            self._end_scene()
            self._scene = _Scene(rebuilt.scene, [], [])
        scene, score = self._scene, rebuilt.scores[self._ours]
        scene.values.append(_looks(score))
        place = self._lot.randrange(len(scene.values))
        is_drawn = len(scene.drawn) < _DRAWN or place < _DRAWN
        most = self._most_error
        is_bad = len(self._worst) < _WORST or _looks(score) < self._worst[-1].looks
        has_most_error = most is None or score.psnr < most.score.psnr
        if not (is_drawn or is_bad or has_most_error):
            return
        shown = self._show(rebuilt)
        if is_bad:
            self._worst = sorted([*self._worst, shown], key=lambda at: at.looks)[:_WORST]
        self._most_error = shown if has_most_error else most
        if len(scene.drawn) < _DRAWN:
            scene.drawn.append(shown)
        elif is_drawn:
            scene.drawn[place] = shown

    def strips(self) -> list[Shown]:
        """The chosen strips, once all frames have passed: the worst first, then typical ones."""
        self._end_scene()
        self._scene = _Scene(-1, [], [])
        if not self._worst or self._most_error is None:
            return []
        most, (worst, *bad) = self._most_error, self._worst
        chosen = [_titled("Worst" if worst.frame == most.frame else "Looks worst", worst)]
        if worst.frame != most.frame:
            chosen.append(_titled("Most error", most))
        chosen += [_titled("Looks bad", shown) for shown in bad if shown.frame != most.frame]
        seen = {shown.frame for shown in chosen}
        typical = [shown for shown in self._typical if shown.frame not in seen]
        return [*chosen, *(_titled("Typical", shown, True) for shown in typical)]

    def _end_scene(self) -> None:
        if self._scene.drawn:
            middle = median(self._scene.values)
            self._typical.append(
                min(self._scene.drawn, key=lambda shown: abs(_looks(shown.score) - middle))
            )

    def _show(self, rebuilt: Rebuilt) -> Shown:
        ours, scores = rebuilt.made[self._ours], rebuilt.scores
        cells = [
            Cell("kept frame before", rebuilt.left),
            Cell("truth", rebuilt.truth),
            Cell(_scored(self._ours, scores[self._ours]), ours),
        ]
        told = cells[-1].words
        if self._rivals:
            best = max(self._rivals, key=lambda name: _looks(scores[name]))
            cells.append(Cell(_scored(best, scores[best]), rebuilt.made[best]))
            told += f", {cells[-1].words}"
        cells.append(Cell(f"our error x {ERROR_GAIN}", error(ours, rebuilt.truth)))
        words = f"{self._name}, scene {rebuilt.scene + 1}, frame {rebuilt.frame}"
        words += f", phase {rebuilt.phase}: {told}"
        jpeg = strip(cells, self._scorer.wrong(ours, rebuilt.truth))
        return Shown(words, self._name, rebuilt.frame, scores[self._ours], jpeg)


def _looks(score: Score) -> float:
    """How good a frame looks, rising; by its PSNR where nothing better was measured."""
    return score.psnr if score.lpips is None else -score.lpips


def _scored(name: str, score: Score) -> str:
    looks = "" if score.lpips is None else f", LPIPS {score.lpips:.4f}"
    return f"{name}  {score.psnr:.2f} dB{looks}"


def _titled(title: str, shown: Shown, is_typical: bool = False) -> Shown:
    return shown._replace(words=f"{title}: {shown.words}", is_typical=is_typical)
