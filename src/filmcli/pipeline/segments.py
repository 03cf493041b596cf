"""Segments: runs of outputs that are rendered in one go, and the source pictures they need.

A segment is the unit of work: it is made alone, recorded as done, and joined with the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from typing import NamedTuple

from filmcli.timing import Slot, Timeline


class Segment(NamedTuple):
    """Outputs `first` <= k < `last`, rendered in one go; `scene` is that of the first of them."""

    scene: int
    first: int
    last: int


def segments(timeline: Timeline, longest_seconds: int = 20) -> list[Segment]:
    """Split the outputs at the cuts, and long scenes into even parts of `longest_seconds` at most.

    Scenes of a single picture make no frames, so runs of them (strobes, slide shows) share one
    segment: a process for each would cost more than its pictures.
    """
    longest = max(1, floor(longest_seconds * timeline.rate))
    starts = [0, *sorted(timeline.cuts), len(timeline.times)]
    outputs = [*(timeline.first_showing(start) for start in starts[:-1]), timeline.count]
    runs: list[Segment] = []
    open_run = False
    for scene in range(len(starts) - 1):
        first, last = outputs[scene], outputs[scene + 1]
        single = starts[scene + 1] - starts[scene] == 1
        if first == last:
            continue
        if single and open_run and last - runs[-1].first <= longest:
            runs[-1] = runs[-1]._replace(last=last)
        else:
            runs.append(Segment(scene, first, last))
        open_run = single
    return [part for run in runs for part in _parts(run, longest)]


def _parts(run: Segment, longest: int) -> Iterator[Segment]:
    length = run.last - run.first
    parts = -(-length // longest)
    for part in range(parts):
        first = run.first + length * part // parts
        yield Segment(run.scene, first, run.first + length * (part + 1) // parts)


def source_span(timeline: Timeline, segment: Segment) -> tuple[int, int]:
    """Return the half-open range of source pictures a segment needs, neighbours included."""
    slots = timeline.slots(segment.first, segment.last)
    spans = [_span_of(timeline, slot) for slot in slots]
    return min(first for first, _ in spans), max(last for _, last in spans)


def _span_of(timeline: Timeline, slot: Slot) -> tuple[int, int]:
    if slot.kind != "make":
        return slot.left, slot.left + 1
    outer = timeline.outer(slot.left)
    return slot.left - (outer.before is not None), slot.left + 2 + (outer.after is not None)
