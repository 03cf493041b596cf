"""How long a film will take: frames of its size are made here, and timed, before the first one.

What they show does not matter to the network's time, so they are blank, and nothing is decoded.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, takewhile

import numpy as np

from filmcli.frames import Neighbour, Planes, VideoInfo
from filmcli.network.interpolator import Interpolator
from filmcli.pipeline.plan import Plan
from filmcli.timing import Timeline

_FEWEST = 50
"""Frames below which a film is made sooner than it is worth to say when."""
_TURNS = 4  # a GPU records what it does in the first two
_PATIENCE_SECONDS, _WARM_SECONDS = 3.0, 0.3  # from the start, from the second turn
_MOST_PHASES = 2


@dataclass(frozen=True)
class Estimate:
    """`frames` of a film are still to be made, and one takes `each` seconds here.

    Adaptation to scenes is not counted, nor what goes on beside: decoding and encoding.
    """

    source: str
    frames: int
    each: float

    @property
    def seconds(self) -> float:
        """How long that takes together."""
        return self.frames * self.each


def estimate(plan: Plan, todo: Sequence[int]) -> Estimate | None:
    """Say how long the segments `todo` will take; None if they are soon made."""
    lengths = [plan.segments[index].last - plan.segments[index].first for index in todo]
    frames = plan.kinds["make"] * sum(lengths) // plan.timeline.count
    if frames < _FEWEST:
        return None
    return Estimate(plan.source, frames, _seconds_each(plan, _phases(plan.timeline)))


def _seconds_each(plan: Plan, phases: Sequence[Fraction]) -> float:
    """The shortest time of a few: the first ones also load and record."""
    begun, shortest = time.monotonic(), float("inf")
    warm = begun + _PATIENCE_SECONDS
    blanks, doorway = _blanks(plan.info), plan.request.interpolator
    with doorway.abreast():
        window = list(islice(blanks, 3))
        for _ in range(_TURNS):
            window = [*window[-3:], *islice(blanks, doorway.at_once)]
            started = time.monotonic()
            for pictures in [
                begun_amid(doorway, window[at:], phases) for at in range(doorway.at_once)
            ]:
                list(pictures)
            ended = time.monotonic()
            shortest, warm = min(shortest, ended - started), min(warm, ended)
            if ended - begun > _PATIENCE_SECONDS or ended - warm > _WARM_SECONDS:
                break
        return shortest / doorway.at_once / len(phases)


def begun_amid(
    doorway: Interpolator, window: Sequence[Planes], phases: Sequence[Fraction]
) -> Iterable[Planes]:
    """Begin with the pictures at `phases` between the second and the third of a window's frames.

    The first and the fourth stand beside them.
    """
    before, left, right, after = window[:4]
    around = Neighbour(before, Fraction(1)), Neighbour(after, Fraction(1))
    return doorway.begin(left, right, phases, before=around[0], after=around[1])


def _phases(timeline: Timeline) -> list[Fraction]:
    """Where the first frames that are made stand between two of the source."""
    made = (slot for slot in timeline.slots(0, timeline.count) if slot.kind == "make")
    first = next(made)
    beside = takewhile(lambda slot: slot.left == first.left, made)
    return [first.phase, *(slot.phase for slot in islice(beside, _MOST_PHASES - 1))]


def _blanks(info: VideoInfo) -> Iterator[Planes]:
    shapes = info.layout.plane_shapes(info.width, info.height)
    while True:
        yield tuple(np.zeros(shape, info.layout.dtype) for shape in shapes)
