"""The segments of a planned film, made one by one: decode, render, encode.

`Maker` makes any segment, at best in rising order: one decode runs through neighbours. `Here` lets
one make all that are left, in this process; a cluster lets many, in many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from types import TracebackType

from torch import Tensor

from filmcli.adaptation.film import Adapted, FilmAdapter, Scenes, adaptable, recipe_of
from filmcli.adaptation.store import adapted_path, find, key_facts
from filmcli.frames import Frame, Planes
from filmcli.pipeline.estimate import Estimate, estimate
from filmcli.pipeline.job import Job
from filmcli.pipeline.plan import Plan
from filmcli.pipeline.render import Reel, render
from filmcli.pipeline.segments import source_span
from filmcli.survey.firstpass import distinct_frames
from filmcli.video.captions import captions_of, read_captions
from filmcli.video.encode import SegmentWriter
from filmcli.video.fingerprint import fingerprint
from filmcli.video.prefetch import prefetch
from filmcli.video.sequence import film_name

_DECODED_AHEAD = 4  # frames; the decoder's own threads keep more inside ffmpeg


@dataclass(frozen=True)
class Progress:
    """`done` of `total` output frames stand on disk or in an encoder, `written` as bytes.

    None are counted on the way to standard output. In a cluster `nodes` are at work, and this is
    heard of one of them, `node`; without one it is empty, and `nodes` 0.
    """

    source: str
    done: int
    total: int
    scene: int
    scenes: int
    segment: int
    segments: int
    written: int | None = None
    node: str = ""
    nodes: int = 0


Told = Callable[[Estimate | Adapted | Progress], None]
"""Hears what is told while segments are made."""


def progress_at(
    plan: Plan, index: int, done: int, written: int | None = None, node: str = "", nodes: int = 0
) -> Progress:
    """How far the film is while segment `index` is made."""
    first, here = plan.segments[0].scene, plan.segments[index].scene
    place = here - first + 1, plan.timeline.scenes, index + 1, len(plan.segments)
    return Progress(plan.source, done, plan.timeline.count, *place, written, node, nodes)


class Maker:
    """Makes the pictures and the segments of one film; a context manager.

    It holds a decoder, which only goes forwards and is begun anew for what lies behind it or far
    ahead, and the adaptation of one scene. `stored` are adaptations that are known, `on_scene`
    hears of every scene that was adapted to.
    """

    def __init__(
        self, plan: Plan, stored: Scenes | None, on_scene: Callable[[Adapted], None]
    ) -> None:
        self._plan = plan
        self._stored, self._on_scene = stored, on_scene
        self._decoding, self._adapting, self._making = ExitStack(), ExitStack(), ExitStack()
        self._reel: Reel | None = None
        self._adapter: FilmAdapter | None = None

    def __enter__(self) -> Maker:
        self._making.enter_context(self._plan.request.interpolator.abreast())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._decoding, self._adapting, self._making:
            pass

    def segment(self, index: int, path: str, said: Sequence[bytes] = ()) -> Iterator[int]:
        """Code one segment into the file `path`; yield after each picture which output is done.

        `said` are the captions of its pictures. Leaving off in the middle leaves no file behind.
        """
        request, rate = self._plan.request, self._plan.timeline.rate
        with SegmentWriter(path, request.info, request.encoding, rate, said) as writer:
            for done, planes in enumerate(self.pictures(index), self._plan.segments[index].first):
                writer.write(planes)
                yield done + 1

    def pictures(self, index: int) -> Iterator[Planes]:
        """The pictures of one segment."""
        plan, segment = self._plan, self._plan.segments[index]
        slots = plan.timeline.slots(segment.first, segment.last)
        params = self._params(segment.scene)
        reel = self._reel_at(source_span(plan.timeline, segment)[0])
        return render(reel, slots, plan.timeline.outer, plan.request.interpolator, params)

    def _reel_at(self, first: int) -> Reel:
        """A reel that holds source frame `first`, or comes to it before long."""
        if self._reel is None or not self._reel.is_near(first):
            self._decoding.close()
            frames = prefetch(frames_from(self._plan, first), _DECODED_AHEAD)
            self._reel = Reel(self._decoding.enter_context(frames), first)
        return self._reel

    def _params(self, scene: int) -> Mapping[str, Tensor] | None:
        """The parameters to render a scene with; None for the weights' own."""
        if not self._plan.steps[scene]:
            return None
        if self._adapter is None or not self._adapter.can_go_on_to(scene):
            self._adapting.close()
            self._adapter = self._adapting.enter_context(self._new_adapter())
        return self._adapter.params(scene)

    def _new_adapter(self) -> FilmAdapter:
        plan, request = self._plan, self._plan.request
        return FilmAdapter(
            adaptable(request.weights, request.settings.device),
            request.info,
            plan.scenes,
            recipe_of(request.weights, request.settings.steps),
            partial(frames_from, plan),
            steps=plan.steps,
            stored=self._stored,
            on_scene=lambda scene: self._on_scene(Adapted(plan.source, scene, len(plan.scenes))),
        )


class Here:
    """This process makes the segments, on its own device."""

    def describe(self, plan: Plan) -> str:
        """Who makes the pictures, in words."""
        return plan.request.interpolator.describe()

    def foretell(self, plan: Plan, todo: Sequence[int], report: Told) -> None:
        """Say how long these segments will take, if that is long enough to be said."""
        if (expected := estimate(plan, todo)) is not None:
            report(expected)

    def make(self, plan: Plan, job: Job, report: Told) -> None:
        """Make every segment of the film that no earlier run finished."""
        todo = [index for index in range(len(plan.segments)) if not job.is_finished(index)]
        if not todo:
            return
        self.foretell(plan, todo, report)
        said = captions_told(plan)
        with Maker(plan, known_scenes(plan), report) as maker:
            for index in todo:
                mine = said[plan.segments[index].first : plan.segments[index].last]
                for done in maker.segment(index, job.part(index), mine):
                    report(progress_at(plan, index, done, job.written(index)))
                job.finish(index)


def frames_from(plan: Plan, first: int) -> Iterator[Frame]:
    """The frames that the timeline speaks of, from index `first` on."""
    deinterlace = plan.request.settings.deinterlace
    return distinct_frames(plan.info, plan.found, first, deinterlace=deinterlace)


def captions_told(plan: Plan) -> list[bytes]:
    """What each new picture says, nothing if no captions are carried."""
    if not plan.captions:
        return []
    foot, slow = plan.found.origin, plan.request.settings.slow or Fraction(1)
    told = ((foot + (time - foot) * slow, said) for time, said in read_captions(plan.info))
    timeline = plan.timeline
    return captions_of(told, timeline.time(0), timeline.rate, timeline.count)


def known_scenes(plan: Plan) -> Scenes | None:
    """The adaptations that `filmcli adapt` left beside the film, if it did and they are wanted."""
    if not any(plan.steps):
        return None
    request, settings = plan.request, plan.request.settings
    cuts = [scene.first for scene in plan.scenes[1:]]
    recipe = recipe_of(request.weights, settings.steps)
    facts = key_facts(
        request.weights.sha256, recipe, plan.steps, cuts, settings.deinterlace, settings.dedupe
    )
    if request.info.both_fields:
        facts = {**facts, "fields": "both"}
    if request.info.span:
        facts = {**facts, "span": str(request.info.span)}
    beside = adapted_path(film_name(plan.source))
    if not os.path.exists(beside):
        return None
    return find(beside, fingerprint(request.info.path, facts))
