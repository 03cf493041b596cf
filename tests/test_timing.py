"""The timeline against worked examples and against properties that hold for any rates and times."""

from __future__ import annotations

import random
import time
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from filmcli.errors import InputError, UsageError
from filmcli.pipeline.segments import segments
from filmcli.survey.steady import steady
from filmcli.timing import (
    Outer,
    Rate,
    Slot,
    Timeline,
    parse_rate,
    source_rate,
    spell_rate,
)
from tests.timelines import even, patient, timelines

NTSC_FILM = Fraction(24000, 1001)
MS = Fraction(1, 1000)


def in_ticks(times: list[Fraction], tick: Fraction) -> list[Fraction]:
    return [round(t / tick) * tick for t in times]


# Rates


@pytest.mark.parametrize(
    ("text", "value", "relative"),
    [
        ("60", 60, False),
        ("60.00", 60, False),
        (" 60000/1001 ", Fraction(60000, 1001), False),
        ("59.94", Fraction(60000, 1001), False),
        ("59.94006", Fraction(60000, 1001), False),
        ("23.976", NTSC_FILM, False),
        ("23.98", NTSC_FILM, False),
        ("29.97", Fraction(30000, 1001), False),
        ("47.952", Fraction(48000, 1001), False),
        ("119.88", Fraction(120000, 1001), False),
        ("12.5", Fraction(25, 2), False),
        ("59.999", Fraction(59999, 1000), False),
        ("60/1.001", Fraction(60000, 1001), False),
        ("1000", 1000, False),
        ("2x", 2, True),
        ("2.5X", Fraction(5, 2), True),
        ("29.97x", Fraction(2997, 100), True),
    ],
)
def test_a_rate_means_what_people_mean_by_it(text: str, value: Fraction, relative: bool) -> None:
    assert parse_rate(text) == Rate(Fraction(value), relative)


@pytest.mark.parametrize(
    "text",
    [
        *("0", "0x", "0.000", "-1", "-2x", "nan", "inf", "sixty", "", "x", "1/0", "1/0.0"),
        *("1001", "1001x", "1e3", "60fps", "2xx", "60/", "/2", "٦٠", "9" * 5000),
        *("59.12345678", "1/1001001"),  # finer than ffmpeg holds
    ],
)
def test_no_rate_is_a_usage_error_in_three_parts(text: str) -> None:
    with pytest.raises(UsageError) as failure:
        parse_rate(text)
    assert failure.value.what and failure.value.why and "--fps" in failure.value.do
    assert len(str(failure.value)) < 250


def test_a_multiple_is_of_the_source_and_cannot_exceed_the_limit() -> None:
    assert parse_rate("2.5x").of(NTSC_FILM) == Fraction(60000, 1001)
    assert parse_rate("60").of(NTSC_FILM) == 60
    with pytest.raises(UsageError):
        parse_rate("10x").of(Fraction(120))
    finer = parse_rate("1.23456789x").of(NTSC_FILM)
    assert finer.denominator <= 1001 and abs(finer / NTSC_FILM - Fraction("1.23456789")) < 1e-4
    assert parse_rate("0.000000001x").of(NTSC_FILM) > 0


@patient
@given(st.integers(1, 999))
def test_every_television_rate_survives_its_own_spelling(whole: int) -> None:
    rate = Fraction(whole * 1000, 1001)
    assert parse_rate(spell_rate(rate)).value == rate
    assert parse_rate(spell_rate(Fraction(whole))).value == whole


# Times of the source


@pytest.mark.parametrize("rate", [NTSC_FILM, Fraction(30000, 1001), Fraction(60), Fraction(25)])
@pytest.mark.parametrize("tick", [MS, Fraction(1, 90000), Fraction(1, 600)])
def test_rounded_times_go_back_on_their_grid(rate: Fraction, tick: Fraction) -> None:
    times = even(400, rate)
    assert steady(in_ticks(times, tick), tick) == times


def test_matroska_milliseconds_of_four_film_frames() -> None:
    stored = [Fraction(ms, 1000) for ms in (0, 42, 83, 125)]
    assert steady(stored, MS) == even(4, NTSC_FILM)
    assert steady(stored, MS, nominal=Fraction(24)) == even(4, 24)
    assert steady(stored, MS, nominal=Fraction(50)) == even(4, NTSC_FILM)  # a lying header


def test_the_claimed_rate_decides_between_two_that_fit_and_decimals_mean_television() -> None:
    stored = in_ticks(even(8, 24), MS)
    assert steady(stored, MS, nominal=Fraction(24)) == even(8, 24)
    assert steady(stored, MS, nominal=Fraction(2997, 125)) == even(8, NTSC_FILM)


def test_an_uncommon_even_rate_becomes_even() -> None:
    times = even(500, Fraction(2889, 100))
    assert len({b - a for a, b in pairwise(steady(in_ticks(times, MS), MS))}) == 1


def test_missing_frames_stay_missing() -> None:
    times = [t for k, t in enumerate(even(200, NTSC_FILM)) if k % 17 and not 90 <= k < 120]
    steadied = steady(in_ticks(times, MS), MS)
    assert [t - steadied[0] for t in steadied] == [t - times[0] for t in times]
    assert source_rate(steadied, 1 / NTSC_FILM) == NTSC_FILM


def test_variable_and_mixed_rates_are_untouched() -> None:
    chance = random.Random(5)
    jittered = [Fraction(round(40 * k + chance.uniform(-8, 8)), 1000) for k in range(200)]
    mixed = in_ticks(even(49, 24) + [2 + t for t in even(120, 60)[1:]], MS)
    exact_but_odd = [k * Fraction(3001, 90000) for k in range(300)]
    assert steady(jittered, MS) == jittered
    assert steady(mixed, MS) == mixed
    assert steady(exact_but_odd, Fraction(1, 90000)) == exact_but_odd
    assert steady([Fraction(7)], MS) == [7]


@patient
@given(
    st.lists(st.integers(1, 400), min_size=0, max_size=40),
    st.sampled_from([MS, Fraction(1, 90000), Fraction(1, 25)]),
    st.fractions(-3, 3),
)
def test_steady_moves_nothing_by_more_than_a_tick_and_keeps_the_order(
    steps: list[int], tick: Fraction, start: Fraction
) -> None:
    times = [start]
    for step in steps:
        times.append(times[-1] + step * tick)
    steadied = steady(times, tick)
    assert len(steadied) == len(times) and steadied[0] == start
    assert all(a < b for a, b in pairwise(steadied))
    assert max(abs(a - b) for a, b in zip(times, steadied, strict=True)) <= tick


def test_the_source_rate_is_exact_or_the_average() -> None:
    assert source_rate(even(10, NTSC_FILM), Fraction(1)) == NTSC_FILM
    assert source_rate([Fraction(0)], Fraction(1, 25)) == 25
    torn = [*even(20, Fraction(25)), *(Fraction(k, 25) + Fraction(1, 70) for k in range(20, 40))]
    assert source_rate(torn, Fraction(1, 25)) == 25
    assert source_rate([Fraction(0), Fraction(1, 10), Fraction(1, 4)], Fraction(1, 4)) == 6


# The grid


@patient
@given(timelines())
def test_the_count_covers_the_duration_to_half_an_output(timeline: Timeline) -> None:
    exact = timeline.duration * timeline.rate
    assert timeline.count == max(1, (exact + Fraction(1, 2)).__floor__())
    if exact >= Fraction(1, 2):
        assert abs(timeline.count / timeline.rate - timeline.duration) <= 1 / (2 * timeline.rate)
    assert timeline.time(0) == timeline.times[0]
    assert timeline.time(timeline.count - 1) < timeline.times[-1] + timeline.last_duration


@patient
@given(timelines())
def test_every_slot_shows_its_time(timeline: Timeline) -> None:
    times = timeline.times
    for k, slot in enumerate(timeline.slots(0, timeline.count)):
        now = timeline.time(k)
        if slot.kind == "make":
            left, right = times[slot.left], times[slot.left + 1]
            assert left < now < right and slot.phase == (now - left) / (right - left)
            near = min(now - left, right - now)
            assert near >= min((right - left) / 50, 1 / (10 * timeline.rate))
            assert slot.left + 1 not in timeline.cuts
            assert right - left <= Fraction(1, 4) or right - left <= 3 * median_step(times)
        elif slot.kind == "hold":
            assert slot.phase == 0 and times[slot.left] < now
            assert slot.left + 1 == len(times) or now < times[slot.left + 1]
        else:
            assert slot.phase == 0
            neighbours = times[max(0, slot.left - 1) : slot.left + 2]
            widest = max((b - a for a, b in pairwise(neighbours)), default=Fraction(0))
            off = abs(now - times[slot.left])
            assert off <= max(MS, widest / 50) and off < 1 / (2 * timeline.rate)


@patient
@given(timelines())
def test_no_picture_is_kept_twice(timeline: Timeline) -> None:
    kept = [slot.left for slot in timeline.slots(0, timeline.count) if slot.kind == "keep"]
    assert len(kept) == len(set(kept))


@pytest.mark.parametrize(("source", "target"), [(10, 600), (5, 1000), (24, 1000), (60, 1000)])
def test_motion_does_not_stand_still_at_source_pictures(source: int, target: int) -> None:
    """Each output has its own time, to a half of the time it is shown at the worst."""
    timeline = Timeline(even(10, source), Fraction(1, source), Fraction(target))
    last = timeline.first_showing(9)
    shown = [(slot.left + slot.phase) / source for slot in timeline.slots(0, last)]
    steps = [after - before for before, after in pairwise(shown)]
    assert Fraction(1, 2 * target) <= min(steps) and max(steps) <= Fraction(3, 2 * target)


def median_step(times: list[Fraction]) -> Fraction:
    steps = sorted(b - a for a, b in pairwise(times))
    return steps[(len(steps) - 1) // 2]


@patient
@given(timelines())
def test_a_source_time_on_the_grid_keeps_its_picture(timeline: Timeline) -> None:
    outputs = {timeline.time(k): k for k in range(timeline.count)}
    slots = list(timeline.slots(0, timeline.count))
    for i, instant in enumerate(timeline.times):
        if instant in outputs:
            assert slots[outputs[instant]] == Slot("keep", i, Fraction(0))


@patient
@given(timelines(), st.data())
def test_any_split_gives_the_same_slots_in_order(timeline: Timeline, data: st.DataObject) -> None:
    slots = list(timeline.slots(0, timeline.count))
    first = data.draw(st.integers(0, timeline.count))
    last = data.draw(st.integers(first, timeline.count))
    assert list(timeline.slots(first, last)) == slots[first:last]
    assert all((a.left, a.phase) <= (b.left, b.phase) for a, b in pairwise(slots))
    with pytest.raises(ValueError, match="not all in"):
        list(timeline.slots(0, timeline.count + 1))


def test_film_to_sixty_keeps_two_of_five_and_the_tail_holds() -> None:
    slots = list(Timeline(even(24, 24), Fraction(1, 24), Fraction(60)).slots(0, 60))
    fifths = [Fraction(2, 5), Fraction(4, 5), Fraction(1, 5), Fraction(3, 5)]
    assert slots[:5] == [
        Slot("keep", 0, Fraction(0)),
        Slot("make", 0, fifths[0]),
        Slot("make", 0, fifths[1]),
        Slot("make", 1, fifths[2]),
        Slot("make", 1, fifths[3]),
    ]
    assert slots[-2:] == [Slot("hold", 23, Fraction(0))] * 2
    assert sum(slot.kind == "keep" for slot in slots) == 12


@pytest.mark.parametrize(("frames", "outputs"), [(1, 3), (2, 5), (3, 8)])
def test_the_shortest_films_have_their_frames(frames: int, outputs: int) -> None:
    # 24 to 60 fps: 2.5, 5 and 7.5 pictures; ffmpeg's fps filter gives the same counts.
    assert Timeline(even(frames, 24), Fraction(1, 24), Fraction(60)).count == outputs


def test_doubling_film_from_matroska_keeps_every_original() -> None:
    steadied = steady(in_ticks(even(95, NTSC_FILM), MS), MS)
    timeline = Timeline(steadied, 1 / NTSC_FILM, 2 * NTSC_FILM)
    kept = [slot.left for slot in timeline.slots(0, timeline.count) if slot.kind == "keep"]
    assert kept == list(range(95))


def test_a_cut_holds_the_old_scene_and_its_first_picture_is_kept_within_a_millisecond() -> None:
    times = [*even(4, 24), Fraction(1667, 10000)]  # the fifth is 0.03 ms late
    slots = list(Timeline(times, Fraction(1, 24), Fraction(60), frozenset({4})).slots(0, 12))
    assert slots[9] == Slot("hold", 3, Fraction(0))  # 0.150 s, between 0.125 and the cut
    assert slots[10] == Slot("keep", 4, Fraction(0))  # 0.16667 s


def test_a_still_is_held_to_its_end_and_slow_films_are_not_stills() -> None:
    slide = [Fraction(k, 10) for k in (0, 1, 2, 3, 103, 104, 105)]
    timeline = Timeline(slide, Fraction(1, 10), Fraction(60))
    shown = list(timeline.slots(19, 618))
    assert all(slot == Slot("hold", 3, Fraction(0)) for slot in shown)
    assert list(timeline.slots(618, 619)) == [Slot("keep", 4, Fraction(0))]
    slow = Timeline(even(5, 2), Fraction(1, 2), Fraction(8))
    assert [slot.kind for slot in slow.slots(0, 4)] == ["keep", "make", "make", "make"]


@pytest.mark.parametrize(
    "times", [[0, 601], [0, 1, 2, 700], [9 * k * 60 for k in range(161)] + [87000]]
)
def test_broken_timestamps_are_an_input_error(times: list[int]) -> None:
    with pytest.raises(InputError, match="timestamps are broken"):
        Timeline([Fraction(t) for t in times], Fraction(1), Fraction(60))


def test_impossible_timelines_are_refused() -> None:
    second, sixty = Fraction(1), Fraction(60)
    with pytest.raises(InputError):
        Timeline([], second, sixty)
    for times, duration, rate, cuts in [
        ([0, 0], second, sixty, []),
        ([0, 1], Fraction(0), sixty, []),
        ([0, 1], second, Fraction(0), []),
        ([0, 1], second, sixty, [0]),
        ([0, 1], second, sixty, [2]),
    ]:
        with pytest.raises(ValueError, match=r"must"):
            Timeline([Fraction(t) for t in times], duration, rate, frozenset(cuts))


def test_two_hours_do_not_drift_and_are_planned_in_seconds() -> None:
    started = time.process_time()
    count = 172_626  # 2 h at 24000/1001
    times = steady(in_ticks(even(count, NTSC_FILM), MS), MS)
    timeline = Timeline(times, 1 / NTSC_FILM, Fraction(60))
    planned = segments(timeline)
    assert timeline.count == 431_997  # 172626 * 1001/24000 * 60 = 431996.57
    assert list(timeline.slots(431_996, 431_997)) == [Slot("hold", 172_625, Fraction(0))]
    middle = next(timeline.slots(216_000, 216_001))  # one hour in
    assert middle == Slot("make", 86_313, 3600 * NTSC_FILM - 86_313)
    assert len(planned) == 360
    # 0.6 s were measured, most of it making the times; 10 leaves room for a busy machine.
    assert time.process_time() - started < 10


# What stands beside an interval


@patient
@given(timelines())
def test_outer_neighbours_are_of_the_scene_not_across_a_still_and_not_far(
    timeline: Timeline,
) -> None:
    times, cuts = timeline.times, timeline.cuts
    still = max(Fraction(1, 4), 3 * median_step(times)) if times[1:] else Fraction(0)
    slots = timeline.slots(0, timeline.count)
    for left in {slot.left for slot in slots if slot.kind == "make"}:
        interval = times[left + 1] - times[left]

        def expected(first: int, cut: int, interval: Fraction = interval) -> Fraction | None:
            if first < 0 or first + 2 > len(times) or cut in cuts:
                return None
            width = times[first + 1] - times[first]
            ratio = width / interval
            return ratio if width <= still and Fraction(1, 2) <= ratio <= 2 else None

        before, after = expected(left - 1, left), expected(left + 1, left + 2)
        assert timeline.outer(left) == Outer(before, after)


def test_distances_are_those_of_an_uneven_film() -> None:
    steps = (30, 40, 20, 10, 25, 50)
    marks = [sum(steps[:k]) for k in range(len(steps) + 1)]
    timeline = Timeline([Fraction(ms, 1000) for ms in marks], Fraction(1, 25), Fraction(240))
    assert [timeline.outer(left) for left in range(6)] == [
        Outer(None, Fraction(4, 3)),
        Outer(Fraction(3, 4), Fraction(1, 2)),
        Outer(Fraction(2), Fraction(1, 2)),
        Outer(Fraction(2), None),  # 25 ms is more than twice 10 ms
        Outer(None, Fraction(2)),
        Outer(Fraction(1, 2), None),
    ]


def test_nothing_is_seen_across_a_cut_or_beyond_the_film() -> None:
    timeline = Timeline(even(7, 24), Fraction(1, 24), Fraction(60), frozenset({4}))
    one = Fraction(1)
    assert [timeline.outer(left) for left in (0, 1, 2, 4, 5)] == [
        Outer(None, one),
        Outer(one, one),
        Outer(one, None),
        Outer(None, one),
        Outer(one, None),
    ]


def test_nothing_is_seen_across_a_still() -> None:
    """Intervals of 200 ms among ones of 100 ms are made, stills of 400 ms are held."""
    marks = [0, 100, 200, 300, 500, 900, 1100, 1200, 1300, 1400]
    times = [Fraction(ms, 1000) for ms in marks]
    timeline = Timeline(times, Fraction(1, 10), Fraction(60))
    half, one, two = Fraction(1, 2), Fraction(1), Fraction(2)
    assert timeline.outer(2) == Outer(one, two)
    assert timeline.outer(3) == Outer(half, None)
    assert timeline.outer(5) == Outer(None, half)
    assert timeline.outer(6) == Outer(two, one)


def test_pictures_outside_a_span_are_seen() -> None:
    end, start = Fraction(1, 2), Fraction(1, 4)
    span = Timeline(even(24, 24), Fraction(1, 24), Fraction(60), start=start, end=end)
    assert span.shown == (6, 12)
    assert span.outer(6) == span.outer(11) == Outer(Fraction(1), Fraction(1))


# A span of the film


@patient
@given(
    st.integers(1, 60),
    st.fractions(1, 120, max_denominator=1001),
    st.fractions(1, 240, max_denominator=1001),
    st.sets(st.integers(1, 59), max_size=5),
    st.fractions(0, 3, max_denominator=60),
    st.fractions(0, 3, max_denominator=60),
)
def test_a_span_shows_what_the_whole_film_shows_there(
    count: int, rate: Fraction, fps: Fraction, cuts: set[int], first: Fraction, length: Fraction
) -> None:
    times = even(count, rate)
    known = frozenset(cut for cut in cuts if cut < count)
    whole = Timeline(times, 1 / rate, fps, known)
    skipped = int(first * fps)
    start, end = whole.time(skipped), whole.time(skipped) + length
    assume(skipped < whole.count and length > 0 and start < count / rate)
    before = max(i for i, at in enumerate(times) if at <= start)
    after = min((i + 1 for i, at in enumerate(times) if at >= end), default=count)
    known = frozenset(cut - before for cut in known if before < cut < after)
    part = Timeline(times[before:after], 1 / rate, fps, known, start, end)
    assert abs(part.count / fps - part.duration) <= 1 / (2 * fps) or part.count == 1
    shown = [slot._replace(left=slot.left + before) for slot in part.slots(0, part.count)]
    last = skipped + min(part.count, whole.count - skipped)
    assert shown[: last - skipped] == list(whole.slots(skipped, last))
    runs = segments(part)
    assert [run.first for run in runs[1:]] == [run.last for run in runs[:-1]]
    assert (runs[0].first, runs[-1].last) == (0, part.count)


def test_a_span_ends_where_it_is_told_and_not_before_it_begins() -> None:
    times = even(24, 24)
    part = Timeline(times, Fraction(1, 24), Fraction(60), start=Fraction(1, 4), end=Fraction(1, 2))
    assert (part.time(0), part.count, part.duration) == (Fraction(1, 4), 15, Fraction(1, 4))
    late = Timeline(times, Fraction(1, 24), Fraction(60), start=Fraction(3, 4), end=Fraction(9))
    assert (late.count, late.duration) == (15, Fraction(1, 4))
    with pytest.raises(ValueError, match="before the end"):
        Timeline(times, Fraction(1, 24), Fraction(60), start=Fraction(2))
