"""Slots to pictures, with a blend in place of the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from filmcli.errors import RenderError
from filmcli.frames import Frame, Neighbour, Planes
from filmcli.pipeline.render import Reel, render
from filmcli.pipeline.segments import Segment, source_span
from filmcli.timing import Outer, Slot, Timeline
from tests.timelines import even, patient, timelines

ONE = Fraction(1)


class Blend:
    """Mixes linearly, and remembers what it was asked and which neighbours it was given."""

    at_once = 1

    def __init__(self) -> None:
        self.calls: list[tuple[list[Fraction], Mapping[str, Tensor] | None]] = []
        self.around: list[tuple[tuple[int, Fraction] | None, tuple[int, Fraction] | None]] = []

    def begin(
        self,
        left: Planes,
        right: Planes,
        phases: Sequence[Fraction],
        params: Mapping[str, Tensor] | None = None,
        *,
        before: Neighbour | None = None,
        after: Neighbour | None = None,
    ) -> list[Planes]:
        self.calls.append((list(phases), params))
        self.around.append((told(before), told(after)))
        return [
            tuple(
                np.rint(a + float(phase) * (b.astype(float) - a)).astype(a.dtype)
                for a, b in zip(left, right, strict=True)
            )
            for phase in phases
        ]


def told(neighbour: Neighbour | None) -> tuple[int, Fraction] | None:
    """The value and the distance of a neighbour."""
    return neighbour and (int(neighbour.planes[0][0, 0]), neighbour.distance)


def alone(left: int) -> Outer:  # noqa: ARG001
    """For slots that belong to no film: nothing stands beside them."""
    return Outer()


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
    result = shown(render(Reel(iter(frames), 0), slots, timeline.outer, blend))
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
    pictures = list(render(Reel(iter(frames), 0), slots, alone, Blend()))
    assert [p[0] is f.planes[0] for p, f in zip(pictures, [frames[0]] * 2, strict=False)] == [
        True
    ] * 2
    assert pictures[2][0][0, 0] == 25
    assert pictures[3] is frames[2].planes
    assert pictures[4] is frames[2].planes


def test_equal_neighbours_need_no_network() -> None:
    blend = Blend()
    slots = [Slot("make", i, Fraction(n, 4)) for i in range(2) for n in (1, 2, 3)]
    assert shown(render(Reel(iter(film([7, 7, 11])), 0), slots, alone, blend)) == [
        7,
        7,
        7,
        8,
        9,
        10,
    ]
    assert len(blend.calls) == 1


def test_params_reach_the_network() -> None:
    blend = Blend()
    params: dict[str, Tensor] = {}
    list(
        render(Reel(iter(film([1, 3])), 0), [Slot("make", 0, Fraction(1, 2))], alone, blend, params)
    )
    assert blend.calls[0][1] is params


def test_one_reel_serves_many_segments() -> None:
    reel = Reel(iter(film(range(0, 100, 10), first=5)), 5)
    half = Fraction(1, 2)
    assert shown(render(reel, [Slot("make", 5, half), Slot("make", 6, half)], alone, Blend())) == [
        5,
        15,
    ]
    assert shown(render(reel, [Slot("keep", 7, Fraction(0))], alone, Blend())) == [20]
    assert shown(render(reel, [Slot("hold", 12, Fraction(0))], alone, Blend())) == [70]
    assert reel.at(9)[0][0, 0] == 40
    with pytest.raises(IndexError):
        reel.at(8)


def test_frames_are_pulled_no_earlier_than_for_two_runs_ahead() -> None:
    pulled: list[int] = []

    def frames() -> Iterator[Frame]:
        for i, frame in enumerate(film([0, 10, 20, 30, 40])):
            pulled.append(i)
            yield frame

    timeline = Timeline([Fraction(k) for k in range(5)], ONE, Fraction(2))
    slots = timeline.slots(0, timeline.count)
    furthest = []
    for _ in render(Reel(frames(), 0), slots, timeline.outer, Blend()):
        furthest.append(pulled[-1])
    # A kept picture needs no other, a made one that after its right, as far as there is one:
    # 0, 2, 2, 3, 3, 4 and so on, each two pictures earlier.
    assert furthest == [2, 3, 3, 4, 4, 4, 4, 4, 4, 4]


def test_an_interval_is_begun_before_the_pictures_of_the_one_before_are_waited_for() -> None:
    told: list[str] = []

    class Slow(Blend):
        def begin(self, *of: Any, **around: Any) -> Iterator[Planes]:  # type: ignore[override]
            made, number = super().begin(*of, **around), len(self.calls)
            told.append(f"begun {number}")

            def arriving() -> Iterator[Planes]:
                told.append(f"waited for {number}")
                yield from made

            return arriving()

    slots = [Slot("make", i, Fraction(1, 2)) for i in range(4)]
    pictures = render(Reel(iter(film([0, 10, 20, 30, 40])), 0), slots, alone, Slow())
    assert shown(islice(pictures, 2)) == [5, 15]
    assert told == ["begun 1", "begun 2", "begun 3", "waited for 1", "begun 4", "waited for 2"]
    assert shown(pictures) == [25, 35]


def test_a_film_that_ends_early_is_an_error_after_what_it_gave() -> None:
    slots = [Slot("make", i, Fraction(1, 2)) for i in range(4)]
    pictures = render(Reel(iter(film([0, 10, 20])), 0), slots, alone, Blend())
    assert shown(islice(pictures, 2)) == [5, 15]
    with pytest.raises(RenderError, match="ends before frame 3"):
        next(pictures)


def test_film_without_frames_is_an_error() -> None:
    with pytest.raises(RenderError, match="ends before frame 3"):
        Reel(iter([]), 3).at(3)


# Neighbours


def around(values: Sequence[int], timeline: Timeline) -> list[object]:
    """What stood before and after each interval that was made, as (value, distance)."""
    blend = Blend()
    slots = timeline.slots(0, timeline.count)
    list(render(Reel(iter(film(values)), 0), slots, timeline.outer, blend))
    return list(blend.around)


def test_an_interval_is_made_with_its_neighbours() -> None:
    timeline = Timeline(even(5, 24), Fraction(1, 24), Fraction(60))
    assert around([0, 10, 20, 40, 70], timeline) == [
        (None, (20, ONE)),
        ((0, ONE), (40, ONE)),
        ((10, ONE), (70, ONE)),
        ((20, ONE), None),
    ]


def test_neighbours_are_of_the_same_scene() -> None:
    timeline = Timeline(even(6, 24), Fraction(1, 24), Fraction(48), frozenset({3}))
    assert around([1, 2, 3, 14, 15, 16], timeline) == [
        (None, (3, ONE)),
        ((1, ONE), None),
        (None, (16, ONE)),
        ((14, ONE), None),
    ]


def test_neighbours_of_uneven_films_stand_at_their_distance() -> None:
    times = [Fraction(ms, 1000) for ms in (0, 30, 70, 90, 480, 520)]
    timeline = Timeline(times, Fraction(1, 25), Fraction(100))
    assert around([0, 3, 7, 9, 48, 52], timeline) == [
        (None, (7, Fraction(4, 3))),
        ((0, Fraction(3, 4)), (9, Fraction(1, 2))),
        ((3, Fraction(2)), None),  # what comes after it is held for 390 ms
        (None, None),
    ]


def test_a_repeated_picture_is_no_neighbour() -> None:
    """Drawn on twos: every picture stands twice, and how it moved is not in its repeat."""
    timeline = Timeline(even(8, 24), Fraction(1, 24), Fraction(48))
    assert around([1, 1, 2, 2, 3, 4, 4, 5], timeline) == [
        (None, None),
        (None, (4, ONE)),
        ((2, ONE), None),
        (None, None),
    ]


@patient
@given(timelines(), st.data())
def test_outputs_alone_are_made_as_in_the_running_film(
    timeline: Timeline, data: st.DataObject
) -> None:
    """From no more than their own source pictures, wherever they are split and whichever are left.

    Some pictures repeat the one before.
    """
    count, outputs = len(timeline.times), st.integers(0, timeline.count)
    repeats = data.draw(st.sets(st.integers(1, max(1, count - 1)), max_size=4))
    frames = film([at - sum(repeat <= at for repeat in repeats) for at in range(count)])
    borders = sorted(data.draw(st.sets(outputs, max_size=9)) | {0, timeline.count})
    parts = [Segment(0, first, last) for first, last in pairwise(borders)]
    todo = sorted(data.draw(st.sets(st.sampled_from(parts), min_size=1)))
    start, _ = source_span(timeline, todo[0])
    running = Reel(iter(frames[start:]), start)
    for part in todo:
        first, last = source_span(timeline, part)
        slots = list(timeline.slots(part.first, part.last))
        own, shared = Blend(), Blend()
        lone = Reel(iter(frames[first:last]), first)
        made = shown(render(lone, slots, timeline.outer, own))
        assert made == shown(render(running, slots, timeline.outer, shared))
        assert (own.calls, own.around) == (shared.calls, shared.around)


def test_an_interval_split_in_two_is_made_alike_twice() -> None:
    timeline = Timeline(even(6, 24), Fraction(1, 24), Fraction(96))
    reel, blend = Reel(iter(film([0, 10, 30, 60, 100, 150])), 0), Blend()
    for first, last in ((0, 10), (10, 12)):
        list(render(reel, timeline.slots(first, last), timeline.outer, blend))
    assert blend.around[-2:] == [((10, ONE), (100, ONE))] * 2
