"""The main path: a file becomes a smoother file.

    probe -> survey -> timeline -> segments -> decode, render, encode -> join -> verify -> rename

Everything that can fail cheaply fails in `plan.prepare`, before a frame is decoded. Memory is what
lies between two pulls of the encoder and does not grow with the film.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

from torch import Tensor

from filmcli.adaptation.film import Adapted, FilmAdapter, adaptable, recipe_of
from filmcli.adaptation.store import adapted_path, find, key_facts
from filmcli.frames import Frame, Planes
from filmcli.pipeline.estimate import Estimate, estimate
from filmcli.pipeline.job import Job, clear_up, fingerprint, open_job
from filmcli.pipeline.plan import Plan, make_plan
from filmcli.pipeline.preview import previewed
from filmcli.pipeline.render import Reel, render
from filmcli.pipeline.request import Request, Settings, check_asked, check_sample, prepare
from filmcli.pipeline.segments import source_span
from filmcli.survey.firstpass import Surveying, distinct_frames
from filmcli.video.captions import captions_of, read_captions
from filmcli.video.encode import SEGMENT_SUFFIX, SegmentWriter, StreamWriter
from filmcli.video.mux import join, verify
from filmcli.video.prefetch import prefetch
from filmcli.video.sequence import film_name, is_pattern, present
from filmcli.video.spool import as_film, shown_rate
from filmcli.video.stills import (
    final_names,
    is_stills,
    mark,
    verify_animation,
    write_animation,
    write_numbered,
)

_DECODED_AHEAD = 4  # frames; the decoder's own threads keep more inside ffmpeg


@dataclass(frozen=True)
class Progress:
    """`done` of `total` output frames stand on disk or in the encoder, `written` as bytes.

    None are counted on the way to standard output.
    """

    source: str
    done: int
    total: int
    scene: int
    scenes: int
    segment: int
    segments: int
    written: int | None = None


@dataclass(frozen=True)
class Result:
    """A finished film; `seconds` is what this run took, `skipped` that it was finished before."""

    source: str
    output: str
    frames: int = 0
    duration: Fraction = Fraction(0)
    scenes: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    skipped: bool = False


Event = Surveying | Plan | Estimate | Adapted | Progress | Result
Report = Callable[[Event], None]
ParamsOf = Callable[[int], Mapping[str, Tensor] | None]


def upsample(path: str, settings: Settings | None = None, report: Report | None = None) -> Result:
    """Make the smoother film of `path` and return where it is.

    `report` hears of every step. Raises a `FilmcliError` for whatever a user can cause; then
    nothing stands under the output's name that was not there before.
    """
    settings, report = settings or Settings(), report or (lambda _: None)
    rate = shown_rate(settings.in_fps)
    if not os.path.isfile(path):  # reading a pipe or a folder takes long: what can fail comes first
        check_asked(path, settings)

    def check(sample: str) -> None:
        check_sample(sample, path, settings)

    with as_film(path, rate, settings.work_dir, check) as film:
        return _upsample(path, film, settings, report)


def _upsample(path: str, film: str, settings: Settings, report: Report) -> Result:
    started = time.monotonic()
    request = prepare(film, settings, path)
    if request.finished:
        clear_up(request.output, request.key, SEGMENT_SUFFIX, settings.work_dir)
        return Result(path, request.output, skipped=True)

    def reading(done: int) -> None:
        report(Surveying(path, done))

    plan = make_plan(previewed(request, reading), reading)
    request = plan.request
    report(plan)
    if settings.dry_run:
        _tell_estimate(plan, range(len(plan.segments)), report)
    else:
        make = _stream if request.output == "-" else _make
        make(request, plan, report)
    timeline = plan.timeline
    duration = timeline.count / timeline.rate
    scenes = timeline.scenes
    seconds = time.monotonic() - started
    return Result(path, plan.output, timeline.count, duration, scenes, plan.kinds, seconds)


def _make(request: Request, plan: Plan, report: Report) -> None:
    """Render what is left, segment by segment; join, verify, rename."""
    settings, timeline = request.settings, plan.timeline
    assert request.streams is not None  # a file, not a pipe
    with open_job(
        plan.output, request.key, SEGMENT_SUFFIX, settings.work_dir, settings.fresh
    ) as job:
        if not settings.overwrite:
            job.check_name_is_free()
        facts = {"source": os.path.abspath(plan.source), "output": job.output, "key": job.key}
        job.record(facts, plan.segments, plan.found.spelled())
        _render_segments(request, plan, job, report)
        lengths = [segment.last - segment.first for segment in plan.segments]
        parts = [(job.path(index), length) for index, length in enumerate(lengths)]
        if is_stills(job.output):
            _make_stills(request, plan, job, parts)
            return
        join(
            parts,
            request.info,
            request.encoding,
            timeline.rate,
            plan.begin,
            request.streams,
            job.temporary,
            tags={"comment": f"filmcli {request.key}"},
            cut=plan.cut,
            marks=plan.marks,
        )
        verify(job.temporary, timeline.count, timeline.rate, timeline.duration, request.streams)
        job.publish(settings.overwrite)


def _make_stills(request: Request, plan: Plan, job: Job, parts: list[tuple[str, int]]) -> None:
    """Let the segments become pictures by number, or one animated picture."""
    rate, count = plan.timeline.rate, plan.timeline.count
    if is_pattern(job.output):
        made = write_numbered(parts, request.info, rate, job.folder)
        mark(made[0], job.key, count)
        names = final_names(job.output, count)
        job.publish_pictures(made, names)
        for older in set(present(job.output)).difference(names):  # replacing them was asked for
            os.unlink(older)
        return
    write_animation(parts, request.info, rate, job.temporary)
    mark(job.temporary, job.key, count)
    verify_animation(job.temporary, count, rate)
    job.publish(request.settings.overwrite)


def _render_segments(request: Request, plan: Plan, job: Job, report: Report) -> None:
    """Make every segment that no earlier run finished; one decode runs through all of them."""
    todo = [index for index in range(len(plan.segments)) if not job.is_finished(index)]
    if not todo:
        return
    _tell_estimate(plan, todo, report)
    first, _ = source_span(plan.timeline, plan.segments[todo[0]])
    said = _captions(request, plan)
    frames = _frames(request, plan, first)
    with (
        prefetch(frames, _DECODED_AHEAD) as ahead,
        _adaptation(request, plan, report) as params_of,
    ):
        reel = Reel(ahead, first)
        for index in todo:
            part, rate = job.part(index), plan.timeline.rate
            mine = said[plan.segments[index].first : plan.segments[index].last]
            with SegmentWriter(part, request.info, request.encoding, rate, mine) as writer:
                written = partial(job.written, index)
                for planes in _pictures(request, plan, index, reel, params_of, report, written):
                    writer.write(planes)
            job.finish(index)


def _tell_estimate(plan: Plan, todo: Sequence[int], report: Report) -> None:
    if (expected := estimate(plan, todo)) is not None:
        report(expected)


def _captions(request: Request, plan: Plan) -> list[bytes]:
    """What each new picture says, nothing if no captions are carried."""
    if not plan.captions:
        return []
    foot, slow = plan.found.origin, request.settings.slow or Fraction(1)
    told = ((foot + (time - foot) * slow, said) for time, said in read_captions(request.info))
    timeline = plan.timeline
    return captions_of(told, timeline.time(0), timeline.rate, timeline.count)


def _stream(request: Request, plan: Plan, report: Report) -> None:
    """Send the pictures to standard output as they are made, as y4m if no codec was asked for."""
    _tell_estimate(plan, range(len(plan.segments)), report)
    frames = _frames(request, plan)
    with (
        prefetch(frames, _DECODED_AHEAD) as ahead,
        _adaptation(request, plan, report) as params_of,
        StreamWriter(request.info, request.encoding, plan.timeline.rate) as writer,
    ):
        reel = Reel(ahead, 0)
        for index in range(len(plan.segments)):
            for planes in _pictures(request, plan, index, reel, params_of, report):
                writer.write(planes)


def _frames(request: Request, plan: Plan, first: int = 0) -> Iterator[Frame]:
    """The frames that the timeline speaks of, from index `first` on."""
    deinterlace = request.settings.deinterlace
    return distinct_frames(request.info, plan.found, first, deinterlace=deinterlace)


@contextmanager
def _adaptation(request: Request, plan: Plan, report: Report) -> Iterator[ParamsOf]:
    """Give the parameters to render each scene with, in rising order; None for the weights' own."""
    settings = request.settings
    if not settings.steps:
        yield lambda _: None
        return
    cuts = [scene.first for scene in plan.scenes[1:]]
    recipe = recipe_of(request.weights, settings.steps)
    facts = key_facts(request.weights.sha256, recipe, cuts, settings.deinterlace, settings.dedupe)
    if request.info.both_fields:
        facts = {**facts, "fields": "both"}
    if request.info.span:
        facts = {**facts, "span": str(request.info.span)}
    with FilmAdapter(
        adaptable(request.weights, settings.device),
        request.info,
        plan.scenes,
        recipe,
        partial(_frames, request, plan),
        stored=find(adapted_path(film_name(plan.source)), fingerprint(request.info.path, facts)),
        on_scene=lambda scene: report(Adapted(plan.source, scene, len(plan.scenes))),
    ) as adapter:
        yield adapter.params


def _pictures(
    request: Request,
    plan: Plan,
    index: int,
    reel: Reel,
    params_of: ParamsOf,
    report: Report,
    written: Callable[[], int | None] = lambda: None,
) -> Iterator[Planes]:
    """The pictures of one segment, telling after each how far the film is."""
    segment, timeline = plan.segments[index], plan.timeline
    scene = segment.scene - plan.segments[0].scene + 1
    place = scene, timeline.scenes, index + 1, len(plan.segments)
    slots = timeline.slots(segment.first, segment.last)
    params = params_of(segment.scene)
    made = render(reel, slots, timeline.outer, request.interpolator, params)
    for done, planes in enumerate(made, segment.first + 1):
        yield planes
        report(Progress(plan.source, done, timeline.count, *place, written()))
