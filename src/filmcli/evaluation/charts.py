"""Curves of a score over the frames of a film, as SVG inside a page: scenes apart, worst marked."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from filmcli.evaluation.board import FrameScores, Result
from filmcli.evaluation.metrics import MEASURES

FEWEST = 3
"""Scored frames from which a sequence has a course worth a curve."""
_MEASURES = ("psnr", "lpips")
_COLOURS = (
    *("#6cb2ff", "#e79a3c", "#7ddf8e", "#d58cf0"),
    *("#f2d14b", "#5fd3d3", "#ff8f8f", "#a4a9b2"),
)
_WIDTH, _HEIGHT = 960, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 10, 18, 24  # around the axes
_LINES = 4  # of the grid


class _Axes(NamedTuple):
    """Frames `first` to `last` across, values `low` to `high` up."""

    first: int
    last: int
    low: float
    high: float

    def x(self, frame: float) -> float:
        share = (frame - self.first) / max(1, self.last - self.first)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def charts(result: Result, links: Mapping[int, str]) -> str:
    """HTML of the curves of a sequence: how near its frames come, and how they look if measured.

    `links` lead from frames to pictures of them on the page, by their ids. Empty for a sequence of
    fewer than FEWEST frames.
    """
    if len(result.frames) < FEWEST:
        return ""
    names = list(result.frames[0].scores)
    measured = result.frames[0].scores[names[0]].measured
    drawn = [_chart(result, which, links) for which in _MEASURES if which in measured]
    legend = "".join(
        f'<li><i style="background: {_colour(number)}"></i>{html.escape(name)}</li>'
        for number, name in enumerate(names)
    )
    return "\n".join(
        [f"<h3>{html.escape(result.name)}</h3>", *drawn, f'<ul class="names">{legend}</ul>']
    )


def _chart(result: Result, which: str, links: Mapping[int, str]) -> str:
    """One measure's curves, a line for each who takes part in each scene."""
    frames, title = result.frames, MEASURES[which].title
    names = list(frames[0].scores)
    values = [_value(frame, name, which) for frame in frames for name in names]
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    margin = 0.05 * (max(finite) - min(finite)) + 1e-6
    numbers = [frame.frame for frame in frames]
    axes = _Axes(min(numbers), max(numbers), max(0.0, min(finite) - margin), max(finite) + margin)
    parts = [*_grid(axes, which), *_scenes(frames, axes)]
    for number, name in enumerate(names):
        parts += _lines(frames, name, which, axes, _colour(number))
    parts += _dots(frames, which, axes, links)
    label = html.escape(f"{title} of {result.name}, frame by frame")
    picture = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
    words = f'<text x="{_LEFT}" y="12">{html.escape(title)}</text>'
    return f'<div class="wide">{picture}{words}{"".join(parts)}</svg></div>'


def _value(frame: FrameScores, name: str, which: str) -> float:
    return frame.scores[name].measured[which]


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _grid(axes: _Axes, which: str) -> Iterator[str]:
    for line in range(_LINES + 1):
        value = axes.low + (axes.high - axes.low) * line / _LINES
        y = axes.y(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text x="4" y="{y + 4}">{MEASURES[which].form.format(value)}</text>'
    for frame, anchor in ((axes.first, "start"), (axes.last, "end")):
        place = f'x="{axes.x(frame)}" y="{_HEIGHT - 6}"'
        yield f'<text {place} text-anchor="{anchor}">frame {frame}</text>'


def _scenes(frames: Sequence[FrameScores], axes: _Axes) -> Iterator[str]:
    """A line where each scene but the first begins, with its number."""
    for before, frame in pairwise(frames):
        if frame.scene == before.scene:
            continue
        scene, x = frame.scene, axes.x((before.frame + frame.frame) / 2)
        yield f'<line class="cut" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
        yield f'<text x="{x + 3}" y="{_HEIGHT - _BOTTOM - 4}">scene {scene + 1}</text>'


def _lines(
    frames: Sequence[FrameScores], name: str, which: str, axes: _Axes, colour: str
) -> Iterator[str]:
    for _, inside in groupby(frames, key=lambda frame: frame.scene):
        values = [(frame.frame, _value(frame, name, which)) for frame in inside]
        points = " ".join(
            f"{axes.x(at)},{axes.y(value)}" for at, value in values if math.isfinite(value)
        )
        yield f'<polyline style="stroke: {colour}" points="{points}"/>'


def _dots(
    frames: Sequence[FrameScores], which: str, axes: _Axes, links: Mapping[int, str]
) -> Iterator[str]:
    """A circle on the first one's line at each frame that has a picture, which it leads to."""
    for frame in frames:
        value = _value(frame, next(iter(frame.scores)), which)
        if frame.frame in links and math.isfinite(value):
            circle = f'<circle cx="{axes.x(frame.frame)}" cy="{axes.y(value)}" r="4"/>'
            label = f"frame {frame.frame}"
            yield f'<a href="#{links[frame.frame]}" aria-label="{label}">{circle}</a>'
