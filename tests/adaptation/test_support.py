"""Which triplets of a scene are chosen, and where they are cropped."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from filmcli.adaptation.lessons import Triplets
from filmcli.adaptation.support import LEAST, MARGIN_PX, STILL, Choice, choose, gather, stack

TIMES = [Fraction(i, 24) for i in range(400)]


@given(
    first=st.integers(0, 50),
    length=st.integers(1, 120),
    support=st.integers(2, 16),
    held_out=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_triplets_lie_in_the_scene_move_and_are_never_both(
    first: int, length: int, support: int, held_out: int, seed: int
) -> None:
    motion = np.random.default_rng(seed).uniform(0, 2, len(TIMES)).tolist()
    choice = choose(TIMES, motion, (first, first + length), support, held_out)
    if isinstance(choice, str):
        return
    both = [*choice.support, *choice.held_out]
    assert len(set(both)) == len(both) >= LEAST
    assert len(both) <= support + held_out
    assert 1 <= len(choice.held_out) <= held_out
    assert choice.support == sorted(choice.support)
    for middle in both:
        assert first < middle < first + length - 1
        assert min(motion[middle], motion[middle + 1]) > STILL


def test_a_whole_scene_is_covered_and_its_liveliest_frames_taken() -> None:
    motion = [1.0] * 100
    for lively in (13, 50, 87):
        motion[lively] = 9.0
    choice = choose(TIMES, motion, (0, 100), support=8, held_out=2)
    assert isinstance(choice, Choice)
    both = sorted([*choice.support, *choice.held_out])
    assert both[0] <= 12
    assert both[-1] > 86
    assert max(np.diff(both)) < 30
    # the change of 9 is between frames 12 and 13, and so on: a triplet around each of them
    for lively in (13, 50, 87):
        assert lively in both or lively - 1 in both


@pytest.mark.parametrize(
    ("length", "level", "why"), [(4, 2.0, "too few frames"), (60, 0.1, "no motion")]
)
def test_why_there_are_none(length: int, level: float, why: str) -> None:
    assert choose(TIMES, [level] * 100, (0, length), 8, 2) == why


def test_the_least_scene_gives_two_lessons_and_a_judge() -> None:
    choice = choose(TIMES, [2.0] * 9, (2, 7), 8, 3)
    assert isinstance(choice, Choice)
    assert len(choice.support) == 2
    assert len(choice.held_out) == 1


def test_uneven_times_are_left_out() -> None:
    times = [Fraction(i, 10) for i in range(12)]
    times[6:] = [time + 1 for time in times[6:]]
    choice = choose(times, [2.0] * 12, (0, 12), 16, 2)
    assert isinstance(choice, Choice)
    assert not {5, 6} & {*choice.support, *choice.held_out}


def moving(i: int, size: tuple[int, int] = (96, 128)) -> Tensor:
    """A bright square that moves by 3 px a frame over grey."""
    frame = torch.full((1, 3, *size), 0.5)
    frame[..., 40:60, 3 * i : 3 * i + 20] = 1.0
    return frame


def test_each_frame_is_asked_for_once_in_rising_order() -> None:
    asked: list[int] = []

    def frame_at(i: int) -> Tensor:
        asked.append(i)
        return moving(i)

    support, held_out = gather(Choice([2, 3, 9], [7]), frame_at, TIMES, 64, seed=0)
    assert asked == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert (len(support), len(held_out)) == (3, 1)


def test_frames_around_are_asked_for_once_in_rising_order_too() -> None:
    asked: list[int] = []

    def frame_at(i: int) -> Tensor:
        asked.append(i)
        return moving(i)

    gather(Choice([5, 6, 20], [12], roomy=True), frame_at, TIMES, 64, seed=0)
    assert asked == [*range(2, 16), *range(17, 24)]


def test_frames_around_show_the_same_place() -> None:
    (plain,), _ = gather(Choice([5], []), moving, TIMES, 64, seed=0)
    (roomy,), _ = gather(Choice([5], [], roomy=True), moving, TIMES, 64, seed=0)
    assert plain.around is None and plain.beside(-3, 3) is None
    assert torch.equal(plain.left, roomy.left)
    frames = [
        roomy.beside(before, after)[side]  # type: ignore[index]
        for side, before, after in [(0, -3, 1), (0, -2, 1), (0, -1, 1), (1, -1, 2), (1, -1, 3)]
    ]
    for earlier, later in pairwise(frames):
        steps = 3 if later is not frames[3] else 9  # from 4 to 7, over the middle and right
        assert torch.equal(earlier[..., :-steps], later[..., steps:])
    assert stack([roomy, roomy]).around.shape == (2, 4, 3, 64, 64)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("length", "late", "still", "roomy"),
    [
        (40, Fraction(0), None, True),
        (40, Fraction(1, 960), None, True),  # 2.5 % of an interval late, as containers round
        (40, Fraction(1, 96), None, False),  # a quarter of one
        (40, Fraction(0), 20, True),
        (9, Fraction(0), None, True),
        (8, Fraction(0), None, False),
    ],
)
def test_triplets_have_room_where_the_scene_is_long_and_even(
    length: int, late: Fraction, still: int | None, roomy: bool
) -> None:
    times = [time + late * (i % 2) for i, time in enumerate(TIMES)]
    motion = [0.0 if i == still else 1.0 for i in range(len(TIMES))]
    choice = choose(times, motion, (10, 10 + length), 12, 5)
    assert isinstance(choice, Choice)
    assert choice.roomy == roomy
    both = [*choice.support, *choice.held_out]
    if roomy:
        assert min(both) >= 13 and max(both) < 10 + length - 3
        # the seven frames around 17 begin with 14; from 23 on the repeated one is the first
        assert still is None or not set(both) & set(range(17, 23))


def taught(
    middles: list[int], frame_at: Callable[[int], Tensor], crop_px: int = 64, seed: int = 0
) -> list[Triplets]:
    return gather(Choice(middles, []), frame_at, TIMES, crop_px, seed)[0]


def test_crops_show_the_same_place_and_what_moves() -> None:
    for seed in range(10):
        left, middle, right, phase, margin, _ = taught([5], moving, 64, seed)[0]
        assert left.shape == middle.shape == right.shape == (1, 3, 64, 64)
        assert phase.item() == 0.5
        assert margin == MARGIN_PX
        assert (right - left).abs().max() > 0.4
        # moved by 3 px in the crop too: where the frame before has ended, this one goes on
        assert (middle != left).any()
        assert torch.equal(middle[..., :-3], right[..., 3:])


@pytest.mark.parametrize(
    ("size", "crop", "margin"),
    [
        ((60, 64), (60, 64), 0),  # smaller than the smallest crop: whole, and all of it counts
        ((96, 128), (64, 64), MARGIN_PX),
        ((180, 320), (80, 80), MARGIN_PX),  # a third of 240, in steps of 16
        ((1080, 1920), (256, 256), MARGIN_PX),
    ],
)
def test_crops_are_of_a_third_of_the_picture_at_most(
    size: tuple[int, int], crop: tuple[int, int], margin: int
) -> None:
    support, held_out = gather(Choice([5], [8]), lambda i: moving(i, size), TIMES, 256, 0)
    for (found,) in (support, held_out):
        assert found.left.shape == (1, 3, *crop)
        assert found.margin == margin


def test_lessons_lie_where_it_moves_and_half_of_what_judges_them_anywhere() -> None:
    def small(i: int) -> Tensor:
        """Only a small part of a large picture moves."""
        frame = torch.zeros(1, 3, 512, 512)
        frame[..., 240:272, 220 + 3 * i : 252 + 3 * i] = 1.0
        return frame

    def moves(found: list[Triplets]) -> bool:
        return bool((found[0].right - found[0].left).any())

    drawn = [gather(Choice([5], [8]), small, TIMES, 64, seed) for seed in range(60)]
    assert all(moves(support) for support, _ in drawn)
    assert 18 <= sum(moves(held_out) for _, held_out in drawn) <= 45


def test_crops_are_the_same_for_the_same_seed() -> None:
    first, again = (taught([4, 8], moving, seed=7) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.left, other.left)


def test_flashes_and_damage_are_left_out() -> None:
    def frame_at(i: int) -> Tensor:
        return torch.ones(1, 3, 96, 128) if i == 6 else moving(i)

    # the flash stands between like neighbours; as a neighbour it is no better
    assert taught([6], frame_at) == []
    assert len(taught([3, 6], frame_at)) == 1
    assert taught([3], lambda i: moving(i) * (float("nan") if i == 3 else 1)) == []


def test_unrelated_frames_are_fast_motion_and_stay() -> None:
    def frame_at(i: int) -> Tensor:
        return torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(i))

    assert len(taught([3], frame_at)) == 1


def test_stacked_triplets_keep_their_phase_and_margin() -> None:
    found = taught([3, 8], moving)
    batch = stack(found)
    assert batch.left.shape == (2, 3, 64, 64)
    assert batch.phase.tolist() == [0.5, 0.5]
    assert batch.margin == MARGIN_PX
    assert torch.equal(batch.right[1:], found[1].right)
