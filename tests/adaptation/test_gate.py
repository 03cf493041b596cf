"""What may be used of what was adapted."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmcli.adaptation.gate import Scores, mean_and_error, verdict

MARGIN = 0.05
WORSE = "held-out frames look worse"
REFUSED = "no gain on held-out frames"
UNSURE = "no sure gain on held-out frames"

scores = st.lists(st.floats(10, 60), min_size=1, max_size=8)
gains = st.lists(st.floats(-3, 3), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("gains", "why"),
    [
        ([0.06, 0.06, 0.06], ""),
        ([0.04, 0.04, 0.04], REFUSED),  # under the margin
        ([0.06], ""),
        ([1.0, -0.4, -0.4], UNSURE),  # 0.07 on the mean, with an error of 0.38
        ([1.0, 0.4, 0.2], ""),
        ([0.5, math.nan, 0.5], "diverged"),
        ([0.5, math.inf], "diverged"),
    ],
)
def test_a_gain_must_rise_above_margin_and_noise(gains: list[float], why: str) -> None:
    assert verdict(*scored(gains), MARGIN, 1.0) == why


def test_how_sure_it_must_be_can_be_said() -> None:
    # 0.3 on the mean, with an error of 0.20
    scores = scored([0.0, 0.0, 0.9])
    assert verdict(*scores, MARGIN, 1.0) == ""
    assert verdict(*scores, MARGIN, 2.0) == UNSURE


@pytest.mark.parametrize(
    ("doubled", "cycle", "why"),
    [
        ([0.1, 0.1], [0.1, 0.1], ""),
        ([0.0, 0.0], [0.2, 0.2], ""),  # 0.1 on the mean of both
        ([-0.01, 0.0], [0.9, 0.9], UNSURE),  # no question may lose
        ([0.9, 0.9], [-0.01, 0.0], UNSURE),
        (
            [0.3, -0.3],
            [-0.1, 0.5],
            "",
        ),  # each triplet gains on the mean of both
        ([0.0, 0.0], [0.04, 0.04], REFUSED),  # 0.02 on the mean of both
    ],
)
def test_no_question_may_lose(doubled: list[float], cycle: list[float], why: str) -> None:
    assert verdict(*scored(doubled, cycle), MARGIN, 1.0) == why


def test_mean_and_error_by_hand() -> None:
    # around the mean 0.3: 0.1² + 0.1² + 0.2² = 0.06, and 0.05² that is always there
    mean, error = mean_and_error([0.2, 0.2, 0.5])
    assert mean == pytest.approx(0.3)
    assert error == pytest.approx(math.sqrt(0.0625 / 3) / math.sqrt(3))


@given(before=scores, losses=gains)
def test_a_scene_never_loses_what_is_judged(before: list[float], losses: list[float]) -> None:
    after = [score + losses[i % len(losses)] for i, score in enumerate(before)]
    if not verdict(Scores([before]), Scores([after]), MARGIN, 1.0):
        assert sum(after) - sum(before) >= (MARGIN - 1e-9) * len(before)


@given(gains=gains, more=st.floats(0, 3))
def test_gaining_more_everywhere_never_closes_the_gate(gains: list[float], more: float) -> None:
    if not verdict(*scored(gains), MARGIN, 1.0):
        assert not verdict(*scored([gain + more + 1e-6 for gain in gains]), MARGIN, 1.0)


@given(gains=gains, order=st.randoms(use_true_random=False))
def test_the_order_of_the_triplets_does_not_matter(gains: list[float], order: object) -> None:
    mixed = list(gains)
    order.shuffle(mixed)  # type: ignore[attr-defined]
    assert mean_and_error(mixed) == pytest.approx(mean_and_error(gains))


@given(scores=scores)
def test_nothing_gained_is_nothing_to_use(scores: list[float]) -> None:
    assert verdict(Scores([scores]), Scores([scores]), MARGIN, 1.0) == REFUSED


@pytest.mark.parametrize(
    ("doubled", "cycle", "why"),
    [
        ([0.02, 0.04], [0.05, 0.05], ""),
        ([0.0201, 0.0401], [0.05, 0.05], ""),  # less than a hundredth more
        ([0.021, 0.04], [0.05, 0.05], WORSE),
        ([0.021, 0.039], [0.05, 0.05], ""),  # on the mean of all triplets the same
        ([0.01, 0.03], [0.051, 0.051], WORSE),  # to no question
        ([math.nan, 0.03], [0.05, 0.05], WORSE),
    ],
)
def test_what_gains_decibels_must_not_look_worse(
    doubled: list[float], cycle: list[float], why: str
) -> None:
    before, after = scored([0.5, 0.5], [0.5, 0.5])
    before = before._replace(distances=[[0.02, 0.04], [0.05, 0.05]])
    assert verdict(before, after._replace(distances=[doubled, cycle]), MARGIN, 1.0) == why


def scored(*gains: list[float]) -> tuple[Scores, Scores]:
    """Return scores before and after that differ by these gains, question by question."""
    before = Scores([[30.0] * len(each) for each in gains])
    return before, Scores([[30 + gain for gain in each] for each in gains])
