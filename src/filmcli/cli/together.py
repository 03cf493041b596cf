"""Several films at once, where many make them: while the last segments of one are made, the next is
begun.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
from typing import Any

Tell = Callable[[Any], None]
Film = Callable[[Tell], int]
"""Does all that is to be done of a film, tells of it, and returns an exit code."""

_MOST_AT_ONCE = 8
_LOOK_SECONDS = 0.2


class _StoppedError(KeyboardInterrupt):
    """Somebody interrupted the command: a film that runs in a thread unwinds by this."""


class _Running:
    """A film in a thread of its own; `is_planned` is set once it has nothing left to ask for."""

    def __init__(self, film: Film, tell: Tell, one_at_a_time: Lock, is_over: Event) -> None:
        self.code = 0
        self.failure: BaseException | None = None
        self.is_planned = Event()
        self._film, self._tell = film, tell
        self._lock, self._is_over = one_at_a_time, is_over
        self.thread = Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.code = self._film(self._hear)
        except BaseException as failure:  # whatever it is, it belongs to who waits
            self.failure = failure

    def _hear(self, event: Any) -> None:
        from filmcli.pipeline.plan import Plan

        if self._is_over.is_set():
            raise _StoppedError
        with self._lock:
            self._tell(event)
        if isinstance(event, Plan):
            self.is_planned.set()


def together(
    films: Sequence[Film], tell: Tell, is_idle: Callable[[], bool], abandon: Callable[[], None]
) -> list[int]:
    """Do films, begun in their order, and return their exit codes in that order.

    The next one is begun when all before it are planned and `is_idle` says that somebody has
    nothing to do. When this is interrupted, or a film fails by what is no failure of a film,
    `abandon` ends what they wait for, and all of them unwind before it is raised.
    """
    running: list[_Running] = []
    lock, is_over, pause = Lock(), Event(), Event()
    try:
        while len(running) < len(films) or any(film.thread.is_alive() for film in running):
            at_work = [film for film in running if film.thread.is_alive()]
            for film in running:
                if film.failure is not None:
                    raise film.failure
            is_next = len(running) < len(films) and len(at_work) < _MOST_AT_ONCE
            if (
                is_next
                and all(film.is_planned.is_set() for film in at_work)
                and (not at_work or is_idle())
            ):
                running.append(_Running(films[len(running)], tell, lock, is_over))
            pause.wait(_LOOK_SECONDS)
    finally:
        is_over.set()
        if any(film.thread.is_alive() for film in running):
            abandon()
        for film in running:
            film.thread.join()
    return [film.code for film in running]
