"""Segments cover the outputs once, keep to their scenes, and know the pictures they need."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from filmcli.segments import Segment, segments, source_span
from filmcli.timing import Timeline
from tests.timelines import even, patient, timelines


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
        needed = [s.left + n for s in slots for n in (0, 1) if n == 0 or s.kind == "make"]
        assert (first, last) == (min(needed), max(needed) + 1)
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
