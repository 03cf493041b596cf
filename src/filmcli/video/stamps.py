"""The times of decoded pictures, read off what ffmpeg's `showinfo` filters tell line by line."""

from __future__ import annotations

import contextlib
import queue
import re
from collections.abc import Iterator
from fractions import Fraction

from filmcli.frames import VideoInfo
from filmcli.video.process import Child
from filmcli.video.seen import Seen

_JUMP_SECONDS = Fraction(1, 2)
"""A clock that falls back by more than this was restarted; by less, it is disorder."""
# The last showinfo filter tells times; what one at the head tells is read by `Seen`.
_TIME = re.compile(r"\[Parsed_showinfo_[1-9]\d* @ [^]]*\] n: *\d+ pts: *(-?\d+|NOPTS) ")
_TIME_BASE = re.compile(r"\[Parsed_showinfo_[1-9]\d* @ [^]]*\] config in time_base: (\d+/\d+),")


class Stamps:
    """Times read off showinfo's lines, made to rise (two equal ones may follow each other).

    `seen`, if it is given, hears of the coded pictures too.
    """

    def __init__(self, info: VideoInfo, seen: Seen | None) -> None:
        self._info, self._seen = info, seen
        self._queue: queue.SimpleQueue[Fraction | EOFError | None] = queue.SimpleQueue()
        self._tick = info.time_base

    def read_line(self, line: str) -> None:
        """Take in a line of ffmpeg's."""
        if match := _TIME.search(line):
            pts = match[1]
            self._queue.put(None if pts == "NOPTS" else int(pts) * self._tick)
        elif match := _TIME_BASE.search(line):
            self._tick = Fraction(match[1])
        elif self._seen is not None:
            self._seen.read_line(line)

    def end(self) -> None:
        """No line comes any more."""
        self._queue.put(EOFError())

    def until_end(self, child: Child) -> Iterator[Fraction]:
        """The times of the pictures that `child` sends, as they come."""
        begun, late = self._info.telecine_start, self._info.late
        shift, gap = -self._info.start_time - late.first, 1 / (self._info.rate or Fraction(25))
        last: Fraction | None = None
        while not isinstance(stamp := self._next(child), EOFError):
            guess = Fraction(0) if last is None else last + gap
            if last is None and begun is not None:
                shift += begun - (stamp or 0)
            time = guess if stamp is None else stamp + shift
            if last is not None:
                if time < last - _JUMP_SECONDS:
                    shift += last + gap - time
                    time = last + gap
                time = max(time, last + late.apart)
                gap = time - last or gap
            else:
                shift -= late.others - late.first
            last = time
            yield time

    def _next(self, child: Child) -> Fraction | EOFError | None:
        arrived: list[Fraction | EOFError | None] = []

        def arrives(seconds: float) -> bool:
            with contextlib.suppress(queue.Empty):
                arrived.append(self._queue.get(timeout=seconds))
            return bool(arrived)

        child.wait_until(arrives)
        return arrived[0]
