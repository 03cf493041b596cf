"""Slots become pictures: the source's own, or the network's.

Everything is pulled: a picture is made when it is asked for, and four source frames are held.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Protocol, TypeVar

import numpy as np
from torch import Tensor

from filmcli.errors import RenderError
from filmcli.frames import Frame, Neighbour, Planes
from filmcli.timing import Outer, Slot
from filmcli.video.decode import LEAP_FRAMES

T = TypeVar("T")


class Between(Protocol):
    """Whatever makes the pictures between two: the network's doorway, or a blend."""

    @property
    def at_once(self) -> int:
        """How many intervals it makes at once."""

    def begin(
        self,
        left: Planes,
        right: Planes,
        phases: Sequence[Fraction],
        params: Mapping[str, Tensor] | None = None,
        *,
        before: Neighbour | None = None,
        after: Neighbour | None = None,
    ) -> Iterable[Planes]:
        """Begin with the pictures at `phases`, in their order, which are there when asked for.

        `before` left and `after` right stand frames that tell how the motion changes.
        """


_BEGUN_AHEAD = 2
"""Runs of slots for every interval at once: a kept picture and the made ones after it are two."""
_HELD = 4
"""Source frames: an interval's two, the one before and the one after."""


class Reel:
    """Source frames by index, read forwards only; holds the last four."""

    def __init__(self, frames: Iterator[Frame], first_index: int) -> None:
        self._frames = frames
        self._next = first_index
        self._held: list[Planes] = []

    def is_near(self, index: int) -> bool:
        """True if `index` is held, or not so far ahead that a new reel would be there sooner."""
        return self._next - len(self._held) <= index <= self._next + LEAP_FRAMES

    def at(self, index: int) -> Planes:
        """Return the planes of source frame `index`, at most three before the furthest so far.

        Raises RenderError if the film ends before that frame, IndexError for a frame that has been
        let go.
        """
        while index >= self._next:
            frame = next(self._frames, None)
            if frame is None:
                raise RenderError(
                    f"The film ends before frame {index}.",
                    "It gave more frames when it was surveyed.",
                    "Check that nothing changes the file, and run the command again.",
                )
            self._held = [*self._held[1 - _HELD :], frame.planes]
            self._next += 1
        back = self._next - index
        if back > len(self._held):
            raise IndexError(f"frame {index} is not among those held")
        return self._held[-back]


def render(
    reel: Reel,
    slots: Iterable[Slot],
    outer_of: Callable[[int], Outer],
    interpolator: Between,
    params: Mapping[str, Tensor] | None = None,
) -> Iterator[Planes]:
    """Yield the picture of each slot; kept and held ones are the source's own arrays.

    All phases of one interval go to `interpolator` together, with the `params` of the scene and
    the neighbours that `outer_of` (a timeline's `outer`) counts. Between two equal frames stands
    the left one: the network cannot improve on it. The next interval is begun before the pictures
    of the one before it are taken, so that a device is at work while they are written.
    """
    ahead = _BEGUN_AHEAD * interpolator.at_once
    for pictures in _ahead(ahead, _runs(reel, slots, outer_of, interpolator, params)):
        yield from pictures


def _ahead(count: int, runs: Iterable[T]) -> Iterator[T]:
    """Yield each of `runs` after `count` more were taken; if that fails, after all that did not."""
    taken: deque[T] = deque()
    failure: Exception | None = None
    try:
        for run in runs:
            taken.append(run)
            if len(taken) > count:
                yield taken.popleft()
    except Exception as error:
        failure = error
    yield from taken
    if failure is not None:
        raise failure


def _runs(
    reel: Reel,
    slots: Iterable[Slot],
    outer_of: Callable[[int], Outer],
    interpolator: Between,
    params: Mapping[str, Tensor] | None,
) -> Iterator[Iterable[Planes]]:
    """Yield the pictures of one run of slots after the other, made ones as they were begun."""
    for (is_made, index), run in groupby(slots, key=lambda slot: (slot.kind == "make", slot.left)):
        left = reel.at(index)
        phases = [slot.phase for slot in run]
        if is_made:
            right = reel.at(index + 1)
            if not _equal(left, right):
                before, after = neighbours(reel.at, index, outer_of(index))
                yield interpolator.begin(left, right, phases, params, before=before, after=after)
                continue
        yield [left] * len(phases)


def neighbours(
    frame_at: Callable[[int], Planes], left: int, outer: Outer
) -> tuple[Neighbour | None, Neighbour | None]:
    """Return the frame before `left` and the one after `left` + 1, None where one says nothing.

    A frame equal to the one next to it is that one held, and not where the motion has been.
    """
    return (
        _neighbour(frame_at, left - 1, left, outer.before),
        _neighbour(frame_at, left + 2, left + 1, outer.after),
    )


def _neighbour(
    frame_at: Callable[[int], Planes], index: int, inner: int, distance: Fraction | None
) -> Neighbour | None:
    if distance is None:
        return None
    planes = frame_at(index)
    return None if _equal(planes, frame_at(inner)) else Neighbour(planes, distance)


def _equal(one: Planes, other: Planes) -> bool:
    return all(map(np.array_equal, one, other))
