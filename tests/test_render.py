"""Slots to pictures, with a blend in place of the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from torch import Tensor

from filmcli.errors import RenderError
from filmcli.frames import Frame, Planes
from filmcli.render import Reel, render
from filmcli.timing import Slot, Timeline


class Blend:
    """Mixes linearly, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[Fraction], Mapping[str, Tensor] | None]] = []

    def between(
        self,
        left: Planes,
        right: Planes,
        phases: Sequence[Fraction],
        params: Mapping[str, Tensor] | None = None,
    ) -> list[Planes]:
        self.calls.append((list(phases), params))
        return [
            tuple(
                np.rint(a + float(phase) * (b.astype(float) - a)).astype(a.dtype)
                for a, b in zip(left, right, strict=True)
            )
            for phase in phases
        ]


def film(values: Sequence[int], first: int = 0) -> list[Frame]:
    """Grey frames of these values, one a second."""
    return [
        Frame(Fraction(first + i), (np.full((4, 6), value, np.uint16),))
        for i, value in enumerate(values)
    ]


def shown(pictures: Iterator[Planes]) -> list[int]:
    return [int(picture[0][0, 0]) for picture in pictures]


def test_every_picture_stands_at_its_time() -> None:
    """Frames whose value is their time: a blend of neighbours is the output's own time."""
    times = [Fraction(k, 24) for k in range(25)]
    frames = [Frame(t, (np.full((2, 2), round(t * 14400), np.uint16),)) for t in times]
    timeline = Timeline(times, Fraction(1, 24), Fraction(60))
    blend = Blend()
    slots = timeline.slots(0, timeline.count)
    result = shown(render(Reel(iter(frames), 0), slots, blend))
    # The tail holds the last frame.
    assert result == [min(k * 240, 14400) for k in range(timeline.count)]
    assert len(blend.calls) == 24  # one call an interval, whatever it holds


def test_kept_and_held_pictures_are_the_source_arrays() -> None:
    frames = film([10, 20, 30])
    half = Fraction(1, 2)
    slots = [
        Slot("keep", 0, Fraction(0)),
        Slot("hold", 0, Fraction(0)),
        Slot("make", 1, half),
        Slot("keep", 2, Fraction(0)),
        Slot("hold", 2, Fraction(0)),
    ]
    pictures = list(render(Reel(iter(frames), 0), slots, Blend()))
    assert [p[0] is f.planes[0] for p, f in zip(pictures, [frames[0]] * 2, strict=False)] == [
        True
    ] * 2
    assert pictures[2][0][0, 0] == 25
    assert pictures[3] is frames[2].planes
    assert pictures[4] is frames[2].planes


def test_equal_neighbours_need_no_network() -> None:
    blend = Blend()
    slots = [Slot("make", i, Fraction(n, 4)) for i in range(2) for n in (1, 2, 3)]
    assert shown(render(Reel(iter(film([7, 7, 11])), 0), slots, blend)) == [7, 7, 7, 8, 9, 10]
    assert len(blend.calls) == 1


def test_params_reach_the_network() -> None:
    blend = Blend()
    params: dict[str, Tensor] = {}
    list(render(Reel(iter(film([1, 3])), 0), [Slot("make", 0, Fraction(1, 2))], blend, params))
    assert blend.calls[0][1] is params


def test_one_reel_serves_many_segments() -> None:
    reel = Reel(iter(film(range(0, 100, 10), first=5)), 5)
    half = Fraction(1, 2)
    assert shown(render(reel, [Slot("make", 5, half), Slot("make", 6, half)], Blend())) == [5, 15]
    assert shown(render(reel, [Slot("keep", 7, Fraction(0))], Blend())) == [20]
    assert shown(render(reel, [Slot("hold", 12, Fraction(0))], Blend())) == [70]
    with pytest.raises(IndexError):
        reel.at(10)


def test_frames_are_pulled_as_late_as_possible() -> None:
    pulled: list[int] = []

    def frames() -> Iterator[Frame]:
        for i, frame in enumerate(film([0, 10, 20])):
            pulled.append(i)
            yield frame

    slots = [
        Slot("keep", 0, Fraction(0)),
        Slot("make", 0, Fraction(1, 2)),
        Slot("keep", 2, Fraction(0)),
    ]
    pictures = render(Reel(frames(), 0), slots, Blend())
    assert pulled == []
    next(pictures)
    assert pulled == [0]
    next(pictures)
    assert pulled == [0, 1]


def test_a_film_that_ends_early_is_an_error_after_what_it_gave() -> None:
    slots = [Slot("make", i, Fraction(1, 2)) for i in range(4)]
    pictures = render(Reel(iter(film([0, 10, 20])), 0), slots, Blend())
    assert shown(islice(pictures, 2)) == [5, 15]
    with pytest.raises(RenderError, match="ends before frame 3"):
        next(pictures)


def test_film_without_frames_is_an_error() -> None:
    with pytest.raises(RenderError, match="ends before frame 3"):
        Reel(iter([]), 3).at(3)
