"""Films as nothing but times, for tests of what is planned over them."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st

from filmcli.timing import Timeline

patient = settings(deadline=None)  # a busy machine is no failure of the timeline


def even(count: int, rate: Fraction | int) -> list[Fraction]:
    return [Fraction(k) / rate for k in range(count)]


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Any film: steps from 1 ms to 2 s on any time base, any target, any cuts."""
    base = draw(st.sampled_from([1000, 90000, 24000, 30000, 12800, 1001 * 24]))
    short = st.integers(max(1, base // 1000), base // 4)
    step = draw(short)
    steps = draw(st.lists(st.one_of(st.just(step), short, st.integers(1, 2 * base)), max_size=30))
    times = [draw(st.fractions(-2, 2, max_denominator=90000))]
    for ticks in steps:
        times.append(times[-1] + Fraction(ticks, base))
    rate = draw(
        st.one_of(
            st.sampled_from([Fraction(60), Fraction(60000, 1001), Fraction(24), Fraction(1000)]),
            st.fractions(1, 240, max_denominator=1001),
        )
    )
    cuts = draw(st.frozensets(st.integers(1, len(times) - 1), max_size=6)) if steps else frozenset()
    return Timeline(times, Fraction(draw(short), base), rate, cuts)
