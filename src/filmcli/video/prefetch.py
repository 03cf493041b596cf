"""Run an iterator ahead of its consumer in one thread.

Decoding then overlaps the network, and memory stays bounded by `depth` items. The consumer, not
the thread, writes to encoders, so that Ctrl-C in the main thread unwinds everything.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Thread
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class _End(NamedTuple):
    """The last thing in the queue: why the source ended, None for a good end."""

    failure: BaseException | None


@contextmanager
def prefetch(items: Iterable[T], depth: int) -> Iterator[Iterator[T]]:
    """Yield an iterator over `items` that is taken up to `depth` >= 1 items ahead in a thread.

    An exception of the source arrives after the items before it. Leaving the `with` stops the
    thread, waits for the item it is at, and closes a generator source; a failure of that close is
    raised unless the block is failing already. Failures among items nobody asked for are dropped
    with those items. After the `with` the iterator is at its end.
    """
    if depth < 1:
        raise ValueError("depth must be at least 1")
    queue: SimpleQueue[T | _End] = SimpleQueue()
    # A queue of leaves to go on, not a semaphore: that is Python code, and a signal that raises
    # in the middle of it leaves its lock held for ever.
    room: SimpleQueue[None] = SimpleQueue()
    for _ in range(depth):
        room.put(None)
    stopped = Event()
    close_failures: list[BaseException] = []

    def run() -> None:
        iterator: Iterator[T] = iter(())
        try:
            iterator = iter(items)
            while room.get() is None and not stopped.is_set():
                queue.put(next(iterator))
            end = _End(None)
        except StopIteration:
            end = _End(None)
        except BaseException as failure:  # whatever it is, it belongs to the consumer
            end = _End(failure)
        try:
            getattr(iterator, "close", lambda: None)()
        except BaseException as failure:
            close_failures.append(failure)
        queue.put(end)

    thread = Thread(target=run, name="prefetch", daemon=True)
    arrivals = _arrivals(queue, room)
    thread.start()
    try:
        yield arrivals
    finally:
        stopped.set()
        room.put(None)
        thread.join()
        arrivals.close()
    if close_failures:
        raise close_failures[0]


def _arrivals(queue: SimpleQueue[T | _End], room: SimpleQueue[None]) -> Generator[T, None, None]:
    while True:
        arrival = queue.get()
        if isinstance(arrival, _End):
            if arrival.failure is not None:
                raise arrival.failure
            return
        room.put(None)
        yield arrival
