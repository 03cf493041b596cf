"""The first pass: a film is read once, small, and everything that is planned rests on it.

`upsample`, `adapt` and `probe` see a film through `first_pass` and nothing else, so what one of
them says of its times and scenes is what the others work with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Any

from filmcli.frames import VideoInfo
from filmcli.scenes import survey
from filmcli.timing import source_rate, steady
from filmcli.video.decode import last_duration, thumbnails


@dataclass(frozen=True)
class Surveying:
    """Some frames of the first pass are read."""

    source: str
    done: int


@dataclass(frozen=True)
class FirstPass:
    """What is known of a film with n pictures once it was read.

    `times` (n) are exact seconds, steadied, and the last picture is shown for `last_duration`;
    `cuts` holds the first picture of every scene but the first; `motion[i]` is the mean change
    from picture i-1 in grey levels; `doubt` says in words why the cuts look wrong. `whole` is
    False if only the beginning was read. Of a film with a span these are the pictures shown in it
    and the first one behind it; `origin` is where the first picture of all the film stands.
    """

    times: Sequence[Fraction]
    last_duration: Fraction
    cuts: Sequence[int]
    motion: Sequence[float]
    origin: Fraction
    doubt: str | None = None
    whole: bool = True

    @property
    def rate(self) -> Fraction:
        """Pictures per second: exact for an even film, else the average."""
        return source_rate(self.times, self.last_duration)

    def spelled(self) -> dict[str, Any]:
        """Return it as JSON can hold it, exactly."""
        exact = {name: str(getattr(self, name)) for name in ("last_duration", "origin")}
        return {**vars(self), **exact, "times": [str(time) for time in self.times]}


def read_spelled(told: Mapping[str, Any]) -> FirstPass | None:
    """Return the first pass that was `spelled`, None if `told` is no such thing."""
    try:
        times = [Fraction(time) for time in told["times"]]
        exact = {name: Fraction(told[name]) for name in ("last_duration", "origin")}
        return FirstPass(**{**told, **exact, "times": times})
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def first_pass(
    info: VideoInfo,
    cuts: str = "auto",
    *,
    deinterlace: bool = True,
    progress: Callable[[int], None] | None = None,
    most: int | None = None,
) -> FirstPass:
    """Read the film of `info`, or its first `most` pictures (at least two).

    `cuts` and `progress` are those of `scenes.survey`. Raises what that and decoding raise.
    """
    with closing(thumbnails(info, deinterlace=deinterlace)) as pictures:
        found = survey(islice(pictures, most), cuts, progress)
    origin = _first_time(info) if info.span and info.span.start > 0 else found.times[0]
    # The first picture of all is the foot of the grid, so that a span is shown as in the film.
    skipped = origin < found.times[0]
    steadied = steady([origin, *found.times] if skipped else found.times, info.time_base, info.rate)
    times = steadied[skipped:]
    whole = most is None or len(times) < most
    is_cut = not whole or (info.span and info.span.end and times[-1] >= info.span.end)
    return FirstPass(
        times=times,
        last_duration=times[-1] - times[-2] if is_cut and times[1:] else last_duration(info, times),
        cuts=list(found.cuts),
        # Three digits, so that a first pass that was written down is the same when it is read.
        motion=[round(change, 3) for change in found.motion.tolist()],
        origin=origin,
        doubt=found.doubt(),
        whole=whole,
    )


def _first_time(info: VideoInfo) -> Fraction:
    with closing(thumbnails(replace(info, span=None))) as pictures:
        return next(pictures).time
