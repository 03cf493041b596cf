"""Orders, and what their crew writes down of them: what is left, what is out, how it ended."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from queue import SimpleQueue
from threading import RLock
from typing import Any, Protocol

import ray

from filmcli.cluster.worker import Craft
from filmcli.errors import FilmcliError, RenderError

GO_ON = "Give the same command again: finished parts are kept."

_MOST_TRIES = 4


class Order(Protocol):
    """Errands by number, and who wants to hear of them.

    `name` is what people call it; a worker may say nothing for `slowness` times as long as it may
    at errands that are soon begun and often tell how far they are. The methods are called by the
    foreman, one at a time.
    """

    @property
    def name(self) -> str: ...

    @property
    def craft(self) -> Craft: ...

    @property
    def slowness(self) -> float: ...

    @property
    def todo(self) -> Sequence[int]: ...

    def errand(self, index: int) -> Any:
        """What a worker is given to do errand `index`."""

    def hear(self, index: int, said: Any, node: str) -> None:
        """The worker on `node` said something."""

    def done(self, index: int) -> None:
        """The errand is done; raises FilmcliError if it is no good."""

    def lost(self, index: int) -> None:
        """All that was said of the errand is void: it begins anew."""


class Ticket:
    """An order at work. `end` gives None when all is done, or the failure that ended it."""

    def __init__(self, order: Order, number: int) -> None:
        self.order, self.number = order, number
        self.craft = ray.put(order.craft)
        self.left, self.out = deque(order.todo), set[int]()
        self.end: SimpleQueue[BaseException | None] = SimpleQueue()
        self.is_over = False
        self._tries: Counter[int] = Counter()
        self._lock = RLock()

    def hear(self, index: int, said: Any, node: str) -> None:
        """Pass on what a worker said; if that cannot be taken in, the order is over."""
        with self._lock:
            if not self.is_over:
                try:
                    self.order.hear(index, said, node)
                except Exception as failure:
                    self.finish(failure)

    def done(self, index: int) -> FilmcliError | None:
        """An errand is done; returns why it is no good if it is not."""
        with self._lock:
            if not self.is_over:
                try:
                    self.order.done(index)
                except FilmcliError as bad:
                    return bad
                except Exception as failure:
                    self.finish(failure)
                self.out.discard(index)
                if not self.left and not self.out:
                    self.finish(None)
        return None

    def lose(self, index: int, error: BaseException) -> bool:
        """Put an errand back; False if the order is over: of too many errors this was the last."""
        with self._lock:
            if self.is_over:
                return False
            self.order.lost(index)
            self.out.discard(index)
            self.left.appendleft(index)
            self._tries[index] += 1
            if self._tries[index] < _MOST_TRIES:
                return True
            is_told = isinstance(error, FilmcliError | OSError)
            self.finish(error if is_told else _worn_out(self.order, index, error))
            return False

    def finish(self, failure: BaseException | None) -> None:
        """Nothing more is heard of the order."""
        with self._lock:
            if not self.is_over:
                self.is_over = True
                self.end.put(failure)

    def withdraw(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            self.is_over = True


def _worn_out(order: Order, index: int, error: BaseException) -> RenderError:
    what = f"{order.name}, part {index + 1}, failed {_MOST_TRIES} times"
    return RenderError(what, f"at last by {type(error).__name__}: {error}".split("\n")[0], GO_ON)
