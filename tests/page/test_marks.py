"""What times alone tell of frames."""

from __future__ import annotations

from fractions import Fraction

from filmcli.page.marks import timed_marks


def test_frames_at_a_source_frame_s_time_are_told_from_those_between() -> None:
    source = [Fraction(k, 24) for k in range(6)]
    result = [Fraction(k, 60) for k in range(15)]
    marks = timed_marks(source, result, cuts=[source[3]])
    assert marks.kinds == "kmmmmkmmmmkmmmm"
    assert marks.cuts == [8]  # 3/24 s lies between 7/60 and 8/60


def test_times_rounded_to_milliseconds_are_the_same_times() -> None:
    source = [Fraction(k, 24) for k in range(24)]
    result = [Fraction(round(1000 * k / 48), 1000) for k in range(48)]
    marks = timed_marks(source, result, cuts=[source[7], source[0], Fraction(100)])
    assert marks.kinds == "km" * 24
    assert marks.cuts == [14]


def test_a_result_that_begins_and_ends_outside_the_source() -> None:
    marks = timed_marks([Fraction(1)], [Fraction(0), Fraction(1), Fraction(9)], cuts=[])
    assert marks.kinds == "mkm"
