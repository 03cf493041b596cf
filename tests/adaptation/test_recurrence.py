"""Which scenes look like an earlier one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filmcli.adaptation.recurrence import ALIKE, firsts


def look(*levels: int) -> str:
    return bytes(levels).hex()


BRIGHT, DARK = look(200, 180, 190), look(20, 40, 30)


def test_shot_and_reverse_shot_lean_on_their_first() -> None:
    assert firsts([BRIGHT, DARK, BRIGHT, DARK, BRIGHT]) == [None, None, 0, 1, 0]


def test_scenes_without_a_look_stand_alone() -> None:
    assert firsts([None, BRIGHT, None, BRIGHT]) == [None, None, None, 1]
    assert firsts([None, None]) == [None, None]
    assert firsts([]) == []


def test_the_nearest_of_several_kinds_is_taken() -> None:
    assert firsts([look(100), look(120), look(111)]) == [None, None, 1]


def test_how_far_alike_goes() -> None:
    edge = int(ALIKE)
    assert firsts([look(100, 100), look(100 + edge, 100 - edge)]) == [None, 0]
    assert firsts([look(100, 100), look(101 + edge, 100 - edge)]) == [None, None]


@given(st.lists(st.none() | st.binary(min_size=4, max_size=4).map(bytes.hex), max_size=30))
def test_a_scene_leans_on_an_earlier_one_that_leans_on_none(looks: list[str | None]) -> None:
    found = firsts(looks)
    assert len(found) == len(looks)
    for number, first in enumerate(found):
        if first is not None:
            assert first < number
            assert found[first] is None
            assert looks[first] is not None
    # what comes later changes nothing of what was found before
    assert firsts(looks[: len(looks) // 2]) == found[: len(looks) // 2]
