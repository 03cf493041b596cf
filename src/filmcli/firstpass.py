"""The first pass: a film is read once, small, and everything that is planned rests on it.

`upsample`, `adapt` and `probe` see a film through `first_pass` and nothing else, so what one of
them says of its times and scenes is what the others work with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
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
    False if only the beginning was read.
    """

    times: Sequence[Fraction]
    last_duration: Fraction
    cuts: Sequence[int]
    motion: Sequence[float]
    doubt: str | None = None
    whole: bool = True

    @property
    def rate(self) -> Fraction:
        """Pictures per second: exact for an even film, else the average."""
        return source_rate(self.times, self.last_duration)

    def spelled(self) -> dict[str, Any]:
        """Return it as JSON can hold it, exactly."""
        times = [str(time) for time in self.times]
        return {**vars(self), "times": times, "last_duration": str(self.last_duration)}


def read_spelled(told: Mapping[str, Any]) -> FirstPass | None:
    """Return the first pass that was `spelled`, None if `told` is no such thing."""
    try:
        times = [Fraction(time) for time in told["times"]]
        last = Fraction(told["last_duration"])
        return FirstPass(**{**told, "times": times, "last_duration": last})
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
    times = steady(found.times, info.time_base, info.rate)
    whole = most is None or len(times) < most
    return FirstPass(
        times=times,
        last_duration=last_duration(info, times) if whole else times[-1] - times[-2],
        cuts=list(found.cuts),
        # Three digits, so that a first pass that was written down is the same when it is read.
        motion=[round(change, 3) for change in found.motion.tolist()],
        doubt=found.doubt(),
        whole=whole,
    )
