"""The course of a run as a picture: its losses above, its decibels below."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

import cv2
import numpy as np

from filmcli.training.samples import Picture
from filmcli.training.watch import TOLD_APART, Line

WIDTH, HEIGHT = 960, 360  # px of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 170, 30, 34  # px around the axes
_COLOURS = (
    *((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189)),
    *((255, 127, 14), (23, 190, 207), (140, 86, 75), (127, 127, 127)),
)
_INK, _FAINT = (40, 40, 40), (225, 225, 225)
_DECIBELS = ("decibels", "validated")

Points = list[tuple[float, float]]  # (step, value), rising


class _Axes(NamedTuple):
    """Where values lie in a panel: steps 0 to `steps`, values `low` to `high`."""

    steps: float
    low: float
    high: float

    def place(self, step: float, value: float) -> tuple[int, int]:
        across = step / self.steps
        up = (value - self.low) / (self.high - self.low)
        x = _LEFT + across * (WIDTH - _LEFT - _RIGHT)
        y = HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM)
        return round(x), round(y)


def draw_curves(log: str, picture: str) -> None:
    """Draw what the `log` of a run holds into a PNG file; nothing if nothing was told yet."""
    if not os.path.exists(log):
        return
    with open(log, encoding="utf-8") as lines:
        told = _by_step(json.loads(line) for line in lines)
    names = {name for line in told for name in line} - {*TOLD_APART, "rate"}
    curves = {
        name: [(line["step"], line[name]) for line in told if name in line]
        for name in sorted(names)
    }
    losses = {name: points for name, points in curves.items() if name not in _DECIBELS}
    decibels = {name: points for name, points in curves.items() if name in _DECIBELS}
    panels = [
        panel("losses", losses, lambda value: math.log10(max(value, 1e-9)), "{:.2g}"),
        panel("PSNR, dB", decibels, float, "{:.1f}"),
    ]
    cv2.imwrite(picture, cv2.cvtColor(np.concatenate(panels), cv2.COLOR_RGB2BGR))


def _by_step(lines: Iterable[Line]) -> list[Line]:
    """Return one line a step: of what a resumed run did twice, the later."""
    told: dict[float, Line] = {}
    for line in lines:
        told[line["step"]] = told.get(line["step"], {}) | line
    return [told[step] for step in sorted(told)]


def panel(
    title: str, curves: dict[str, Points], scale: Callable[[float], float], spelling: str
) -> Picture:
    """Return the picture, `HEIGHT` x `WIDTH`, of curves over steps from 0; `scale` is the y axis's.

    Without any points it is empty.
    """
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    _write(canvas, title, (_LEFT, 20))
    values = [scale(value) for points in curves.values() for _, value in points]
    if not values:
        return canvas
    margin = 0.05 * (max(values) - min(values)) + 1e-3
    last = max(step for points in curves.values() for step, _ in points)
    axes = _Axes(last, min(values) - margin, max(values) + margin)
    _grid(canvas, axes, (lambda v: 10**v) if scale is not float else float, spelling)
    for number, (name, points) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [axes.place(step, scale(value)) for step, value in points]
        cv2.polylines(canvas, [np.array(places, np.int32)], False, colour, 2, cv2.LINE_AA)
        cv2.circle(canvas, places[-1], 3, colour, -1, cv2.LINE_AA)
        told = f"{name} {spelling.format(points[-1][1])}"
        _write(canvas, told, (WIDTH - _RIGHT + 10, _TOP + 16 + 20 * number), colour)
    return canvas


def _grid(panel: Picture, axes: _Axes, unscale: Callable[[float], float], spelling: str) -> None:
    for share in np.linspace(0, 1, 5):
        value = axes.low + share * (axes.high - axes.low)
        start, end = axes.place(0, value), axes.place(axes.steps, value)
        cv2.line(panel, start, end, _FAINT, 1)
        _write(panel, spelling.format(unscale(value)), (6, start[1] + 4))
        step = share * axes.steps
        start, end = axes.place(step, axes.low), axes.place(step, axes.high)
        cv2.line(panel, start, end, _FAINT, 1)
        _write(panel, f"{step:.1f}".removesuffix(".0"), (start[0] - 14, HEIGHT - 12))


def _write(
    panel: Picture, words: str, place: tuple[int, int], ink: tuple[int, int, int] = _INK
) -> None:
    cv2.putText(panel, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, ink, 1, cv2.LINE_AA)
