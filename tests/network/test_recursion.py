"""Midpoint trees: every phase is reached, dyadic ones without scaling a flow."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from filmcli.network.recursion import midpoint_tree


@settings(deadline=None)
@given(
    st.lists(st.fractions(0, 1, max_denominator=1001), min_size=1, max_size=12),
    st.integers(0, 4),
)
def test_a_midpoint_tree_reaches_every_phase_from_what_is_already_made(
    phases: list[Fraction], depth: int
) -> None:
    assume(all(0 < phase < 1 for phase in phases))
    steps = midpoint_tree(phases, depth)
    made = {Fraction(0), Fraction(1)}
    for step in steps:
        assert step.left in made and step.right in made and step.target not in made
        assert step.target == step.left + step.phase * (step.right - step.left)
        assert step.right - step.left >= Fraction(1, 2**depth)
        made.add(step.target)
    assert made >= set(phases)
    if depth == 0:
        assert len(steps) == len(set(phases))
    pairs = [(step.left, step.right) for step in steps]
    assert len({*pairs}) == 1 + sum(a != b for a, b in pairwise(pairs))


def test_dyadic_phases_need_no_flow_scaling_and_the_rest_starts_nearer() -> None:
    quarters = [Fraction(k, 4) for k in (1, 2, 3)]
    assert [step.phase for step in midpoint_tree(quarters, 2)] == [Fraction(1, 2)] * 3
    fifths = midpoint_tree([Fraction(2, 5), Fraction(4, 5)], 1)
    assert [(step.target, step.phase) for step in fifths] == [
        (Fraction(1, 2), Fraction(1, 2)),
        (Fraction(2, 5), Fraction(4, 5)),
        (Fraction(4, 5), Fraction(3, 5)),
    ]
