"""Running ahead: order, bounds, failures, and leaving early."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filmcli.video.prefetch import prefetch

WAIT_SECONDS = 20  # longer than any healthy wait; only a failing test waits that long


class SourceError(Exception):
    pass


def threads_ahead() -> int:
    return sum(thread.name == "prefetch" for thread in threading.enumerate())


@given(st.lists(st.integers()), st.integers(1, 5), st.booleans())
@settings(max_examples=50, deadline=None)
def test_items_arrive_in_order_and_a_failure_after_them(
    items: list[int], depth: int, fails: bool
) -> None:
    def source() -> Iterator[int]:
        yield from items
        if fails:
            raise SourceError

    seen = []
    with prefetch(source(), depth) as ahead:
        try:
            for item in ahead:
                seen.append(item)
            assert not fails
        except SourceError:
            assert fails
        assert next(ahead, "end") == "end"
    assert seen == items
    assert threads_ahead() == 0


def test_the_source_runs_ahead_by_the_depth_and_no_further() -> None:
    made: list[int] = []
    arrived = threading.Semaphore(0)

    def source() -> Iterator[int]:
        for item in range(100):
            made.append(item)
            arrived.release()
            yield item

    with prefetch(source(), 3) as ahead:
        for _ in range(3):
            assert arrived.acquire(timeout=WAIT_SECONDS)
        assert not arrived.acquire(timeout=0.1)
        assert made == [0, 1, 2]
        assert next(ahead) == 0
        assert arrived.acquire(timeout=WAIT_SECONDS)
        assert not arrived.acquire(timeout=0.1)
        assert made == [0, 1, 2, 3]


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_leaving_early_joins_and_closes_the_source(taken: int) -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            closed.set()

    with prefetch(source(), 2) as ahead:
        assert [next(ahead) for _ in range(taken)] == list(range(taken))
        while threads_ahead() and not taken:
            taken = 1  # nothing taken: the thread may not even have started the generator
            next(ahead)
    assert closed.is_set()
    assert threads_ahead() == 0
    assert next(ahead, "end") == "end"


def test_an_exception_in_the_block_passes_through_and_still_closes() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()
            raise OSError("the close fails too, and must not hide the first failure")

    with pytest.raises(SourceError), prefetch(source(), 2) as ahead:
        next(ahead)
        raise SourceError
    assert closed.is_set()
    assert threads_ahead() == 0


def test_a_failing_close_is_not_silent() -> None:
    def source() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            raise SourceError

    with pytest.raises(SourceError), prefetch(source(), 2) as ahead:
        next(ahead)


def test_a_failure_nobody_reached_does_not_spoil_a_finished_block() -> None:
    failed = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        failed.set()
        raise SourceError

    with prefetch(source(), 2) as ahead:
        assert next(ahead) == 1
        assert failed.wait(WAIT_SECONDS)


def test_what_cannot_be_iterated_fails_at_the_consumer() -> None:
    with pytest.raises(TypeError), prefetch(7, 1) as ahead:  # type: ignore[arg-type]
        next(ahead)
    with pytest.raises(ValueError, match="depth"), prefetch([], 0):
        pass


def test_a_signal_at_any_moment_ends_it() -> None:
    """With a semaphore for the room ahead, one of these thousand waited for ever."""

    class StruckError(Exception):
        pass

    def strike(*_: object) -> None:
        raise StruckError

    before = signal.signal(signal.SIGALRM, strike)
    try:
        for number in range(1000):
            # Set where the thread runs already, for Python's own start of one cannot be struck
            # without harm; caught around all of it, and the source has no other end.
            try:
                with prefetch(itertools.count(), 2) as ahead:
                    signal.setitimer(signal.ITIMER_REAL, 1e-6 + number / 1e6)
                    for _ in ahead:
                        pass
                pytest.fail("an endless source came to an end")
            except StruckError:
                pass
            assert threads_ahead() == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
