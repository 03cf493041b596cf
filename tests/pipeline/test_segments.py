"""Segments cover the outputs once, keep to their scenes, and know the pictures they need."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmcli.pipeline.segments import Segment, segments, source_span
from filmcli.timing import Slot, Timeline
from tests.timelines import even, patient, timelines


def needed(timeline: Timeline, slots: list[Slot]) -> tuple[int, int]:
    """From the first to behind the last picture that any of `slots` is made of."""
    indices = {slot.left for slot in slots}
    for left in {slot.left for slot in slots if slot.kind == "make"}:
        outer = timeline.outer(left)
        indices.add(left + 1)
        indices.update([left - 1] if outer.before else [])
        indices.update([left + 2] if outer.after else [])
    return min(indices), max(indices) + 1


@patient
@given(timelines(), st.integers(1, 3))
def test_segments_partition_the_outputs_and_respect_cuts(timeline: Timeline, longest: int) -> None:
    parts = segments(timeline, longest)
    assert parts[0].first == 0 and parts[-1].last == timeline.count
    assert all(a.last == b.first for a, b in pairwise(parts))
    for part in parts:
        assert 1 <= part.last - part.first <= max(1, longest * timeline.rate)
        slots = list(timeline.slots(part.first, part.last))
        first, last = source_span(timeline, part)
        assert (first, last) == needed(timeline, slots)
        assert part.scene == sum(cut <= slots[0].left for cut in timeline.cuts)
        if any(slot.kind == "make" for slot in slots):
            assert not any(first < cut < last for cut in timeline.cuts)


def test_a_strobe_shares_segments_but_moving_scenes_do_not() -> None:
    strobe = Timeline(even(100, 25), Fraction(1, 25), Fraction(50), frozenset(range(1, 100)))
    assert segments(strobe) == [Segment(0, 0, 200)]
    scenes = Timeline(even(100, 25), Fraction(1, 25), Fraction(50), frozenset({10, 11, 60}))
    assert segments(scenes) == [
        Segment(0, 0, 20),
        Segment(1, 20, 22),
        Segment(2, 22, 120),
        Segment(3, 120, 200),
    ]
    halves = segments(Timeline(even(750, 25), Fraction(1, 25), Fraction(60)))
    assert halves == [Segment(0, 0, 900), Segment(0, 900, 1800)]


@pytest.mark.parametrize(
    ("outputs", "pictures"),
    [
        ((0, 1), (0, 1)),  # keeps the first
        ((0, 2), (0, 3)),  # the first interval: nothing before it
        ((2, 3), (1, 2)),
        ((2, 4), (0, 4)),
        ((3, 4), (0, 4)),
        ((3, 5), (0, 4)),  # what comes after the interval lies behind the kept picture 2
        ((5, 6), (1, 4)),  # the last interval of the scene: nothing behind it
        ((7, 8), (3, 4)),  # holds
        ((8, 9), (4, 5)),
        ((9, 10), (4, 7)),
        ((9, 12), (4, 8)),
        ((10, 12), (4, 8)),
        ((13, 16), (5, 8)),
    ],
)
def test_a_segment_needs_what_is_beside_its_made_pictures(
    outputs: tuple[int, int], pictures: tuple[int, int]
) -> None:
    """Eight pictures, doubled, with a cut in the middle: output 2k keeps picture k."""
    timeline = Timeline(even(8, 24), Fraction(1, 24), Fraction(48), frozenset({4}))
    assert source_span(timeline, Segment(0, *outputs)) == pictures


def test_an_interval_may_be_split_between_segments() -> None:
    timeline = Timeline(even(8, 24), Fraction(1, 24), Fraction(96))
    left, right = Segment(0, 0, 14), Segment(0, 14, 32)  # at 3 and a half
    assert [source_span(timeline, part) for part in (left, right)] == [(0, 6), (2, 8)]
