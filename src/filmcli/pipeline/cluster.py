"""A film's segments made by a crew of workers, on this machine or many.

The job, its folder and its joining stay here: as each segment comes back it is written and named
just as one that was made here. What workers get is the plan, once, and for each segment what is
particular to it; the film they read where it lies, if they see it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO, NamedTuple

from filmcli.adaptation.film import Adapted, Scenes
from filmcli.adaptation.scene import SceneAdaptation
from filmcli.cluster.crew import Crew
from filmcli.cluster.film import Film, film_here, seen
from filmcli.cluster.nodes import cores_here
from filmcli.errors import RenderError
from filmcli.pipeline.job import Job
from filmcli.pipeline.making import Maker, Told, captions_told, known_scenes, progress_at
from filmcli.pipeline.plan import Plan
from filmcli.video.decode import seek_args
from filmcli.video.encode import SEGMENT_SUFFIX, as_coded_on
from filmcli.video.mux import verify_count

_CHUNK_BYTES = 1 << 22
_MOST_TOLD = 100
_LEAPS_SECONDS = 60


@dataclass(frozen=True)
class Errand:
    """One segment to make: the captions of its pictures, and its scene's adaptation if known.

    The worker says how far it is every so many seconds: all of them together 100 times a second.
    """

    index: int
    tells_seconds: float
    said: Sequence[bytes]
    adaptation: SceneAdaptation | None


class Sent(NamedTuple):
    """Told after the last bytes of a segment: how many they were, and their SHA-256."""

    size: int
    sha256: str


class Far:
    """A crew makes the segments; a `Makers` of the main path."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def describe(self, plan: Plan) -> str:  # noqa: ARG002
        """Who makes the pictures, in words."""
        return self._crew.describe()

    def foretell(self, plan: Plan, todo: Sequence[int], report: Told) -> None:
        """Nothing: no worker was timed."""

    def make(self, plan: Plan, job: Job, report: Told) -> None:
        """Make every segment of the film that no earlier run finished."""
        order = _Segments(plan, job, report, self._crew)
        with contextlib.closing(order):
            self._crew.work(order)


@dataclass(frozen=True)
class SegmentCraft:
    """Making segments of a planned film, as if on the machine with `cores` that planned it."""

    plan: Plan
    film: Film
    cores: int
    knows_scenes: bool

    @contextmanager
    def opened(self, folder: str) -> Iterator[Callable[[Errand], Iterator[Any]]]:
        """A maker of the film's segments, which sends each when it is coded."""
        told: list[Adapted] = []
        known = _Known() if self.knows_scenes else None
        with seen(self.film) as path:
            request = self.plan.request
            info = replace(request.info, path=path)
            encoding = as_coded_on(self.cores, request.encoding, info)
            plan = replace(self.plan, request=replace(request, info=info, encoding=encoding))
            with Maker(plan, known, told.append) as maker:
                yield partial(_made, maker, plan, folder, told, known)


class _Known:
    """The adaptation of the scene that is in hand."""

    adaptation: SceneAdaptation

    def scene(self, number: int) -> SceneAdaptation:
        assert self.adaptation.scene == number
        return self.adaptation


def _made(
    maker: Maker, plan: Plan, folder: str, told: list[Adapted], known: _Known | None, errand: Errand
) -> Iterator[Any]:
    """Make a segment; say now and then which output is done, then send its bytes."""
    if known is not None and errand.adaptation is not None:
        known.adaptation = errand.adaptation
    path = os.path.join(folder, f"{errand.index:06d}{SEGMENT_SUFFIX}")
    segment, last = plan.segments[errand.index], 0.0
    for done in maker.segment(errand.index, path, errand.said):
        while told:
            yield told.pop()
        if time.monotonic() - last > errand.tells_seconds:
            last = time.monotonic()
            yield done
    try:
        verify_count(path, segment.last - segment.first)
        yield from _sent(path)
    finally:
        os.unlink(path)


def _sent(path: str) -> Iterator[bytes | Sent]:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            yield chunk
        yield Sent(file.tell(), digest.hexdigest())


class _Segments:
    """The order for what is left of a film: writes each segment as it arrives, and names it."""

    def __init__(self, plan: Plan, job: Job, report: Told, crew: Crew) -> None:
        known = known_scenes(plan)
        self.name = os.path.basename(plan.source)
        self.todo = [index for index in range(len(plan.segments)) if not job.is_finished(index)]
        film = film_here(plan.info.path)
        self.craft = SegmentCraft(to_send(plan), film, cores_here(), known is not None)
        self.slowness = _slowness(plan)
        self._plan, self._job, self._report, self._crew = plan, job, report, crew
        self._known: Scenes | None = known
        self._captions = captions_told(plan)
        self._coming: dict[int, _Coming] = {}
        self._adapted: set[int] = set()
        left = sum(plan.segments[index].last - plan.segments[index].first for index in self.todo)
        self._finished = plan.timeline.count - left

    def errand(self, index: int) -> Errand:
        """What is particular to a segment."""
        segment = self._plan.segments[index]
        adaptation = None if self._known is None else self._known.scene(segment.scene)
        tells = max(1.0, self._crew.workers / _MOST_TOLD)
        return Errand(index, tells, self._captions[segment.first : segment.last], adaptation)

    def hear(self, index: int, said: Any, node: str) -> None:
        """Some pictures are done, a scene was adapted to, or bytes of the segment come."""
        match said:
            case Adapted():
                if said.scene.scene not in self._adapted:
                    self._adapted.add(said.scene.scene)
                    self._report(said)
                return
            case bytes():
                self._of(index).write(said)
            case Sent():
                self._of(index).sent = said
            case int():
                self._of(index).pictures = said - self._plan.segments[index].first
        self._tell(index, node)

    def done(self, index: int) -> None:
        """All of a segment is here: it gets its name, if it is what was sent."""
        coming = self._coming.pop(index, None)
        if coming is None or not coming.is_whole():
            raise RenderError("A segment is not what was sent.", "Some of its bytes are others.")
        self._job.finish(index)
        segment = self._plan.segments[index]
        self._finished += segment.last - segment.first
        self._tell(index, coming.node)

    def lost(self, index: int) -> None:
        """Nothing of what came of a segment counts."""
        if coming := self._coming.pop(index, None):
            coming.close()

    def close(self) -> None:
        """Nothing more comes."""
        for coming in self._coming.values():
            coming.close()

    def _of(self, index: int) -> _Coming:
        if index not in self._coming:
            self._coming[index] = _Coming(self._job.part(index))
        return self._coming[index]

    def _tell(self, index: int, node: str) -> None:
        if coming := self._coming.get(index):
            coming.node = node
        done = self._finished + sum(coming.pictures for coming in self._coming.values())
        written = self._job.written(index)
        self._report(progress_at(self._plan, index, done, written, node, self._crew.nodes))


class _Coming:
    """A segment on its way: its file is made with the first bytes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self.pictures, self.node = 0, ""
        self.sent: Sent | None = None

    def write(self, chunk: bytes) -> None:
        if self._file is None:
            self._file = open(self._path, "wb")  # noqa: SIM115 (closed when all has come)
        self._file.write(chunk)
        self._digest.update(chunk)

    def is_whole(self) -> bool:
        """Close the file, and say if it is what was sent."""
        size = self._file.tell() if self._file else 0
        self.close()
        return self.sent == Sent(size, self._digest.hexdigest())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def to_send(plan: Plan) -> Plan:
    """The plan without what is read here only."""
    return replace(plan, request=replace(plan.request, streams=None))


def _slowness(plan: Plan) -> float:
    """How long a worker may say nothing: it adapts to a scene, or reads to where a segment is.

    Only where nobody can leap is the film read from its beginning, at 30 pictures a second or more.
    """
    times = plan.found.times
    reading = 1.0 if seek_args(plan.info, times[-1] + _LEAPS_SECONDS) else len(times) / (30 * 60)
    return max(reading, 10.0 if any(plan.steps) else 1.0)
