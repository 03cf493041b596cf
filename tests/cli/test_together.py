"""Films that are made at once begin in order, wait for nobody, and end together if they must."""

from __future__ import annotations

from functools import partial
from threading import Event

import pytest

from filmcli.cli.together import Tell, together
from filmcli.pipeline.plan import Plan


class Planned(Plan):
    """A plan of nothing."""

    def __init__(self) -> None:
        """Nothing is planned."""


def test_a_film_is_begun_while_the_one_before_waits_for_its_last_segment() -> None:
    begun: list[int] = []
    last_segment = Event()

    def film(number: int, tell: Tell) -> int:
        begun.append(number)
        tell(Planned())
        if number == 0:
            assert last_segment.wait(20)
        if number == 2:
            last_segment.set()
        return number

    films = [partial(film, number) for number in range(3)]
    assert together(films, lambda _: None, lambda: True, lambda: None) == [0, 1, 2]
    assert begun == [0, 1, 2]


def test_no_film_is_begun_before_the_one_before_is_planned_or_while_all_are_busy() -> None:
    begun: list[int] = []
    said: list[object] = []

    def film(number: int, tell: Tell) -> int:
        begun.append(number)
        if number == 0:
            Event().wait(0.5)
            assert begun == [0]
            tell(Planned())
            Event().wait(0.5)
            assert begun == [0]  # all are busy
        return 0

    films = [partial(film, number) for number in range(2)]
    assert together(films, said.append, lambda: False, lambda: None) == [0, 0]
    assert begun == [0, 1] and len(said) == 1


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), BrokenPipeError()])
def test_an_interrupt_unwinds_every_film(failure: BaseException) -> None:
    is_over, unwound = Event(), Event()

    def waits(tell: Tell) -> int:
        try:
            tell(Planned())
            assert is_over.wait(20)
            tell("how far it is")
        finally:
            unwound.set()
        return 0

    def fails(_: Tell) -> int:
        raise failure

    with pytest.raises(type(failure)):
        together([waits, fails], lambda _: None, lambda: True, is_over.set)
    assert unwound.is_set()
