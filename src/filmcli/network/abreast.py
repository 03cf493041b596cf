"""Several intervals abreast on a processor, each made by a thread of its own.

torch shares the work of every operator among its threads, which then wait for each other, hundreds
of times a picture. A thread that makes a whole picture waits for nobody; the bits are the same.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

import torch

T = TypeVar("T")


class DroppedError(RuntimeError):
    """A piece of work that nobody does any more."""


class Piece(Generic[T]):
    """A piece of work that is told which of the crew does it, and what came of it."""

    def __init__(self, work: Callable[[int], T]) -> None:
        self._work: Callable[[int], T] | None = work
        # Not an event: that is Python code, which a signal may leave with its lock held.
        self._outcome: SimpleQueue[Callable[[], T]] = SimpleQueue()

    @torch.inference_mode()
    def do(self, number: int) -> None:
        """Do it, as the member of the crew with this number; a failure is part of what came."""
        assert self._work is not None
        try:
            made = self._work(number)
        except BaseException as failure:
            traceback.clear_frames(failure.__traceback__)  # they hold tensors
            self._fail(failure)
        else:
            self._outcome.put(lambda: made)
        self._work = None  # so is what only the work needed let go

    def drop(self) -> None:
        """Let who waits for it know that it is not done."""
        self._fail(DroppedError())

    def result(self) -> T:
        """Wait until it is done and return what was made, or raise what it failed of."""
        outcome = self._outcome.get()
        self._outcome.put(outcome)  # others may ask, too
        return outcome()

    def _fail(self, failure: BaseException) -> None:
        def fail() -> T:
            raise failure

        self._outcome.put(fail)


class Crew:
    """Threads that do one piece of work each at a time, the oldest first, with a share of torch's.

    A piece may wait for the results of earlier ones.
    """

    def __init__(self, count: int) -> None:
        self._todo: SimpleQueue[Piece[object] | None] = SimpleQueue()
        ready: SimpleQueue[None] = SimpleQueue()
        before = torch.get_num_threads()

        def serve(number: int) -> None:
            torch.get_num_threads()  # or this thread takes the number of all at its first operator
            torch.set_num_threads(max(1, before // count))  # its own, and that of all
            ready.put(None)
            while (piece := self._todo.get()) is not None:
                piece.do(number)
                del piece  # what came of it is its owner's

        self._threads = [
            Thread(target=serve, args=(number,), name="abreast", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            ready.get()
        # Later threads take the number of all. Set from here, it would be MKL's for this one, too.
        setter = Thread(target=torch.set_num_threads, args=(before,))
        setter.start()
        setter.join()

    def __len__(self) -> int:
        return len(self._threads)

    def take(self, piece: Piece[T]) -> None:
        """Have it done after all that were taken before it."""
        self._todo.put(piece)  # type: ignore[arg-type]

    def leave(self) -> None:
        """Drop what was not begun, and wait for what was."""
        try:
            while (piece := self._todo.get_nowait()) is not None:
                piece.drop()
        except Empty:
            pass
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()
