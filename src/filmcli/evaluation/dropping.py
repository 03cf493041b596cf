"""Frames of a film are dropped and made again: the truth about films that nobody drew.

Of every `drop` frames the first is kept. A dropped frame is made from the kept ones around it, at
its own time, unless a cut lies between them. Everyone sees the kept frames alone, adaptation
included; where the cuts are is known from the whole film, because no score should depend on it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, islice
from typing import NamedTuple

from filmcli.adaptation.film import FilmAdapter, adaptable, recipe_of
from filmcli.adaptation.scene import Scene, scenes_of
from filmcli.errors import InputError
from filmcli.evaluation.board import Result
from filmcli.evaluation.entries import Entry
from filmcli.evaluation.makers import Maker, Network, Run
from filmcli.evaluation.metrics import SMALLEST_PX, Picture, Scorer
from filmcli.evaluation.rebuilt import Rebuilt, Watch, judged, unseen
from filmcli.frames import Frame, VideoInfo
from filmcli.survey.firstpass import first_pass
from filmcli.survey.scenes import survey
from filmcli.video.decode import decode, pictures, thumbnails
from filmcli.video.probe import probe

_RUN_PIXELS = 1 << 25
"""Kept pixels of one run: 145 frames of 640x360, 16 of 1920x1080. With everybody's frames beside
them, well under 2 GiB."""
_AROUND = 8
"""Frames read beyond the last one asked for, so that cuts near it are judged as in the film."""


@dataclass(frozen=True)
class Dropped:
    """A film with frames dropped: `times` and `cuts` are of all its frames."""

    info: VideoInfo
    times: Sequence[Fraction]
    cuts: Sequence[int]
    drop: int

    @property
    def intervals(self) -> int:
        """Pairs of neighbouring kept frames."""
        return (len(self.times) - 1) // self.drop

    @property
    def scored(self) -> int:
        """Dropped frames that can be made again."""
        return sum(map(self.is_whole, range(self.intervals))) * (self.drop - 1)

    def is_whole(self, interval: int) -> bool:
        """True if no cut lies between the kept frame of this number and the next."""
        first, last = interval * self.drop, (interval + 1) * self.drop
        return bisect_right(self.cuts, first) == bisect_right(self.cuts, last)

    def scene(self, interval: int) -> int:
        """The scene, from 0, in which an interval begins."""
        return bisect_right(self.cuts, interval * self.drop)

    def phases(self, interval: int) -> tuple[Fraction, ...]:
        """Where the dropped frames of an interval stand in it, by their times."""
        first = interval * self.drop
        start, *between, end = self.times[first : first + self.drop + 1]
        return tuple((time - start) / (end - start) for time in between)

    def kept_from(self, number: int) -> Generator[Frame, None, None]:
        """Yield the kept frames from that of this number on, as the film's own planes."""
        with closing(decode(self.info, number * self.drop)) as frames:
            yield from islice(frames, 0, None, self.drop)

    def kept_scenes(self) -> list[Scene]:
        """The scenes as whoever sees only the kept frames would find them, in those frames."""
        kept = self.times[:: self.drop]
        cuts = [-(-cut // self.drop) for cut in self.cuts]
        inside = sorted({cut for cut in cuts if cut < len(kept)})
        with closing(thumbnails(self.info)) as small:
            seen = survey(islice(small, 0, len(self.times), self.drop), inside)
        looks = [seen.looks[bisect_right(inside, first)].hex() for first in (0, *cuts)]
        return scenes_of(kept, cuts, seen.motion.tolist(), looks)


def phases_of(drop: int) -> tuple[Fraction, ...]:
    """Where the dropped frames of an even film stand between the kept ones."""
    return tuple(Fraction(step, drop) for step in range(1, drop))


def dropping_words(drop: int) -> str:
    """Say in a sentence what was dropped and made again."""
    dropped = "Every second frame was" if drop == 2 else f"{drop - 1} of {drop} frames were"
    return f"{dropped} dropped and made again from the kept ones, never across a cut."


def open_film(path: str, drop: int, cuts: str = "auto", limit: int | None = None) -> Dropped:
    """Read the film at `path` once, small; of a `limit` on intervals, no more than that.

    Raises InputError for a film in which no frame can be dropped and made again.
    """
    info = probe(path)
    if min(info.width, info.height) < SMALLEST_PX:
        raise InputError(
            f"{path} is too small to score",
            f"it has {info.width}x{info.height} pixels, SSIM looks at {SMALLEST_PX}x{SMALLEST_PX}",
        )
    most = None if limit is None else limit * drop + 1
    found = first_pass(info, cuts, most=None if most is None else most + _AROUND)
    times = found.times[:most]
    film = Dropped(found.film(info), times, [cut for cut in found.cuts if cut < len(times)], drop)
    if not film.scored:
        raise InputError(
            f"{path} is too short to score",
            f"no scene of its {len(times)} frames holds {drop + 1} that begin with a kept one",
            "give a longer film",
        )
    return film


@contextmanager
def makers_for(film: Dropped, entries: Sequence[Entry]) -> Iterator[dict[str, Maker]]:
    """Everyone who makes the frames of `film`, by name; adaptation ends with the `with`."""
    with ExitStack() as stack:
        scenes = film.kept_scenes() if any(entry.steps for entry in entries) else []
        makers: dict[str, Maker] = {}
        for entry in entries:
            if not entry.steps or entry.weights is None:
                makers[entry.name] = entry.maker
                continue
            adapter = FilmAdapter(
                adaptable(entry.weights, entry.device),
                film.info,
                scenes,
                recipe_of(entry.weights, entry.steps),
                film.kept_from,
            )
            params_of = stack.enter_context(adapter).params
            makers[entry.name] = Network(entry.weights, entry.device, entry.precision, params_of)
        yield makers


def score_film(
    film: Dropped, name: str, entries: Sequence[Entry], scorer: Scorer, watch: Watch = unseen
) -> Result:
    """Rebuild and score every dropped frame of `film` that no cut parts from its neighbours."""
    frames = []
    with makers_for(film, entries) as makers:
        for rebuilt in rebuild(film, makers, scorer):
            watch(rebuilt)
            frames.append(rebuilt.without_pictures)
    return Result(name, frames)


def rebuild(film: Dropped, makers: Mapping[str, Maker], scorer: Scorer) -> Iterator[Rebuilt]:
    """Yield the dropped frames of `film`, in order, as `makers` make them and `scorer` scores."""
    for first, run, truths in _runs(film):
        yield from judged(makers, run, truths, first * film.drop, scorer)


class _Interval(NamedTuple):
    """A kept frame of this number, the dropped ones behind it, and the next kept one."""

    number: int
    left: Picture
    dropped: list[Picture]
    right: Picture


def _intervals(film: Dropped) -> Iterator[_Interval]:
    """Yield the intervals of `film` that no cut lies in."""
    with closing(pictures(film.info)) as frames:
        left, dropped = None, list[Picture]()
        for index, frame in enumerate(islice(frames, film.intervals * film.drop + 1)):
            if index % film.drop:
                dropped.append(frame)
                continue
            number = index // film.drop - 1
            if left is not None and film.is_whole(number):
                yield _Interval(number, left, dropped, frame)
            left, dropped = frame, []


def _runs(film: Dropped) -> Iterator[tuple[int, Run, list[list[Picture]]]]:
    """Yield the number of a run's first interval, the run, and its dropped frames."""
    for _, scene in groupby(_intervals(film), key=lambda interval: film.scene(interval.number)):
        yield from _runs_of(film, scene)


def _runs_of(
    film: Dropped, scene: Iterator[_Interval]
) -> Iterator[tuple[int, Run, list[list[Picture]]]]:
    """Cut one scene into runs; each is told of the kept frames beside it."""
    most = max(1, _RUN_PIXELS // (film.info.width * film.info.height))
    before, ahead = None, next(scene, None)
    while ahead is not None:
        intervals = [ahead, *islice(scene, most - 1)]
        ahead = next(scene, None)
        run = _run(film, intervals, before, None if ahead is None else ahead.right)
        yield intervals[0].number, run, [interval.dropped for interval in intervals]
        before = intervals[-1].left


def _run(
    film: Dropped, intervals: Sequence[_Interval], before: Picture | None, after: Picture | None
) -> Run:
    numbers = [interval.number for interval in intervals]
    first = numbers[0] - (before is not None)
    last = numbers[-1] + 1 + (after is not None)
    return Run(
        kept=[intervals[0].left, *(interval.right for interval in intervals)],
        phases=[film.phases(number) for number in numbers],
        scene=film.scene(numbers[0]),
        before=before,
        after=after,
        times=[film.times[number * film.drop] for number in range(first, last + 1)],
    )
