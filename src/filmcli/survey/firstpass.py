"""The first pass: a film is read once, small, and everything that is planned rests on it.

`upsample`, `adapt` and `probe` see a film through `first_pass` and nothing else, so what one of
them says of its times and scenes is what the others work with.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Any

from filmcli.frames import Frame, Shape, VideoInfo
from filmcli.survey.duplicates import even_repeats, find_repeats
from filmcli.survey.pulldown import even_pulldown
from filmcli.survey.scenes import survey
from filmcli.survey.steady import steady
from filmcli.timing import source_rate
from filmcli.video.decode import decode, decode_near, last_duration, thumbnails
from filmcli.video.seen import Seen


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
    from picture i-1 in grey levels; `repeats` are the pictures that stand in for a missing one,
    where these were sought; `looks` is every scene as a small picture, in hex digits; `doubt` says
    in words why the cuts look wrong; `evened` tells that `even_pulldown` moved pictures. `shapes`
    are those of the coded pictures, each as width, height, its pixels' width in heights and how
    many pictures have it, the most frequent first; `beside` names what is stored beside them, in
    the words of `video.seen`. `whole` is False if only the beginning was read. Of a film with a
    span these are the pictures shown in it and the first one behind it; `origin` is where the first
    picture of all the film stands.
    """

    times: Sequence[Fraction]
    last_duration: Fraction
    cuts: Sequence[int]
    motion: Sequence[float]
    origin: Fraction
    repeats: Sequence[int] = ()
    looks: Sequence[str] = ()
    doubt: str | None = None
    evened: bool = False
    shapes: Sequence[tuple[int, int, str, int]] = ()
    beside: Sequence[str] = ()
    whole: bool = True

    @property
    def rate(self) -> Fraction:
        """Pictures per second: exact for an even film, else the average."""
        return source_rate(self.times, self.last_duration)

    def film(self, info: VideoInfo) -> VideoInfo:
        """Return the film of `info` in the size that most of its pictures have."""
        for width, height, pixel, _ in self.shapes[:1]:
            shaped = info.shaped(Shape(width, height, Fraction(pixel)))
            if (shaped.width, shaped.height) != (info.width, info.height):
                return shaped
        return info

    def distinct(self) -> FirstPass:
        """Return the film without its repeats: each lengthens the showing of the one before.

        What is left gets its even times back where the repeats stood for a higher rate.
        """
        if not self.repeats:
            return self
        kept = sorted(set(range(len(self.times))).difference(self.repeats))
        times = even_repeats([self.times[index] for index in kept], self.rate)
        return replace(
            self,
            times=times,
            last_duration=self.times[-1] + self.last_duration - times[-1],
            cuts=[bisect_left(kept, cut) for cut in self.cuts],
            motion=[self.motion[index] for index in kept],
            repeats=(),
        )

    def spelled(self) -> dict[str, Any]:
        """Return it as JSON can hold it, exactly."""
        exact = {name: str(getattr(self, name)) for name in ("last_duration", "origin")}
        shapes = [list(shape) for shape in self.shapes]
        times = [str(time) for time in self.times]
        return {**vars(self), **exact, "times": times, "shapes": shapes}


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
    dedupe: bool = False,
    progress: Callable[[int], None] | None = None,
    most: int | None = None,
) -> FirstPass:
    """Read the film of `info`, or its first `most` pictures (at least two).

    `cuts` and `progress` are those of `scenes.survey`; `dedupe` reads the film once more, in full
    size, for its repeats. Raises what the survey and decoding raise.
    """
    seen = Seen()
    with closing(thumbnails(info, deinterlace=deinterlace, seen=seen)) as pictures:
        found = survey(islice(pictures, most), cuts, progress)
    origin = _first_time(info) if info.span and info.span.start > 0 else found.times[0]
    # The first picture of all is the foot of the grid, so that a span is shown as in the film.
    skipped = origin < found.times[0]
    told = [origin, *found.times] if skipped else found.times
    told = steady(told, info.time_base, info.rate)
    even = even_pulldown(told, info.time_base)
    steadied = told if even == told else steady(even, info.time_base)
    times = steadied[skipped:]
    whole = most is None or len(times) < most
    end = told[-1] + last_duration(info, told[skipped:])
    is_cut = not whole or (info.span and info.span.end and times[-1] >= info.span.end)
    repeats: list[int] = []
    if dedupe:
        frames = islice(decode(info, deinterlace=deinterlace), len(times))
        again = (frame.planes for frame in frames)
        repeats = find_repeats(again, info.layout.depth, times, found.cuts)
    return FirstPass(
        times=times,
        last_duration=times[-1] - times[-2] if is_cut and times[1:] else end - times[-1],
        cuts=list(found.cuts),
        # Three digits, so that a first pass that was written down is the same when it is read.
        motion=[round(change, 3) for change in found.motion.tolist()],
        origin=origin,
        repeats=repeats,
        looks=[look.hex() for look in found.looks],
        doubt=found.doubt(),
        evened=even != told,
        shapes=[(at.width, at.height, str(at.pixel), n) for at, n in seen.shapes.most_common()],
        beside=sorted(seen.beside),
        whole=whole,
    )


def distinct_frames(
    info: VideoInfo, found: FirstPass, first: int = 0, *, deinterlace: bool = True
) -> Iterator[Frame]:
    """Frames of the film without the repeats that were `found`, from index `first` among these."""
    repeats = set(found.repeats)
    kept = (index for index in range(len(found.times)) if index not in repeats)
    start = next(islice(kept, first, None), len(found.times))
    frames = enumerate(decode_near(info, found.times, start, deinterlace=deinterlace), start)
    return (frame for index, frame in frames if index not in repeats)


def _first_time(info: VideoInfo) -> Fraction:
    with closing(thumbnails(replace(info, span=None))) as pictures:
        return next(pictures).time
