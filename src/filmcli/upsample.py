"""The main path: a file becomes a smoother file.

    probe -> survey -> timeline -> segments -> decode, render, encode -> join -> verify -> rename

Everything that can fail cheaply fails in `_prepare`, before a frame is decoded. Memory is what lies
between two pulls of the encoder and does not grow with the film.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction

from torch import Tensor

from filmcli import __version__
from filmcli.adaptation.film import FilmAdapter, adaptable, recipe_of
from filmcli.adaptation.scene import Scene, SceneAdaptation, scenes_of
from filmcli.adaptation.store import adapted_path, find, key_facts
from filmcli.frames import Planes, VideoInfo
from filmcli.job import Job, check_output, fingerprint, open_job, output_path, unfinished
from filmcli.network.interpolator import Interpolator
from filmcli.network.weights import Weights, load
from filmcli.prefetch import prefetch
from filmcli.render import Reel, render
from filmcli.scenes import survey
from filmcli.timing import (
    Rate,
    Segment,
    Timeline,
    parse_rate,
    segments,
    source_rate,
    source_span,
    spell_rate,
    steady,
)
from filmcli.video.decode import decode, last_duration, thumbnails
from filmcli.video.encode import (
    SEGMENT_SUFFIX,
    Encoding,
    SegmentWriter,
    StreamWriter,
    check_encoding,
    default_encoding,
    output_pix_fmt,
)
from filmcli.video.mux import join, read_tag, verify
from filmcli.video.probe import probe
from filmcli.video.process import ffmpeg_version
from filmcli.video.streams import StreamPlan, plan_streams

_DECODED_AHEAD = 4  # frames; the decoder's own threads keep more inside ffmpeg


@dataclass(frozen=True)
class Settings:
    """What a user may ask for; the defaults are right for most films.

    `fps` is a rate or a multiple ("60", "59.94", "2x"); None means 2x, or the source's own rate
    when `slow` stretches time. `cuts` is "auto", "off", a threshold in (0, 1] or a file of cuts.
    `codec` None chooses by the source, and so do `crf`, `preset` and `pix_fmt` by the codec.
    `steps` says how far the network is adapted to every scene, 0 that it is not.
    """

    fps: str | None = None
    slow: Fraction | None = None
    output: str | None = None
    weights: str | None = None
    cuts: str = "auto"
    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    ffmpeg_args: tuple[str, ...] = ()
    audio: bool = True
    steps: int = 0
    deinterlace: bool = True
    device: str = "auto"
    precision: str = "auto"
    tile: int | str | None = "auto"
    overwrite: bool = False
    fresh: bool = False
    work_dir: str | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Surveying:
    """Some frames of the first pass are read."""

    source: str
    done: int


@dataclass(frozen=True)
class Plan:
    """What is going to happen, told before the first frame is made."""

    source: str
    output: str
    info: VideoInfo
    timeline: Timeline
    segments: Sequence[Segment]
    kinds: Counter[str]
    encoding: Encoding
    device: str
    notices: Sequence[str]
    scenes: Sequence[Scene]
    steps: int


@dataclass(frozen=True)
class Adapted:
    """The network was adapted to one of `scenes` scenes, or that was given up."""

    source: str
    scene: SceneAdaptation
    scenes: int


@dataclass(frozen=True)
class Progress:
    """`done` of `total` output frames stand on disk or in the encoder."""

    source: str
    done: int
    total: int
    segment: int
    segments: int


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


Event = Surveying | Plan | Adapted | Progress | Result
Report = Callable[[Event], None]
ParamsOf = Callable[[int], Mapping[str, Tensor] | None]


def upsample(path: str, settings: Settings | None = None, report: Report | None = None) -> Result:
    """Make the smoother film of `path` and return where it is.

    `report` hears of every step. Raises a `FilmcliError` for whatever a user can cause; then
    nothing stands under the output's name that was not there before.
    """
    started = time.monotonic()
    settings, report = settings or Settings(), report or (lambda _: None)
    request = _prepare(path, settings)
    if request.finished:
        return Result(path, request.output, skipped=True)
    plan = _plan(request, report)
    report(plan)
    if not settings.dry_run:
        make = _stream if request.output == "-" else _make
        make(request, plan, report)
    timeline = plan.timeline
    duration = timeline.count / timeline.rate
    scenes = len(timeline.cuts) + 1
    seconds = time.monotonic() - started
    return Result(path, plan.output, timeline.count, duration, scenes, plan.kinds, seconds)


@dataclass(frozen=True)
class _Request:
    """What the cheap checks found out, and nothing that a frame had to be decoded for."""

    settings: Settings
    info: VideoInfo
    rate: Rate
    output: str
    encoding: Encoding
    streams: StreamPlan | None
    weights: Weights
    interpolator: Interpolator
    key: str
    finished: bool


def _prepare(path: str, settings: Settings) -> _Request:
    """Check everything that is cheap to check; nothing is written, no frame is decoded."""
    rate = (
        parse_rate(settings.fps)
        if settings.fps
        else Rate(Fraction(1 if settings.slow else 2), True)
    )
    info = probe(path)
    encoding = _encoding(info, settings)
    weights = load(settings.weights)
    interpolator = _interpolator(info, weights, settings)
    key = fingerprint(path, _settings_of_key(settings, encoding, weights))
    request = _Request(settings, info, rate, "-", encoding, None, weights, interpolator, key, False)
    if settings.output == "-":
        return request
    output = output_path(path, _label(rate, settings), settings.output)
    request = replace(request, output=output)
    if os.path.isfile(output) and not settings.overwrite and read_tag(output) == key:
        return replace(request, finished=True)
    check_output(path, output, settings.overwrite)
    streams = plan_streams(info, output, stretch=settings.slow or Fraction(1), audio=settings.audio)
    check_encoding(info, encoding, rate.of(info.rate or Fraction(25)), output)
    return replace(request, streams=streams)


def _encoding(info: VideoInfo, settings: Settings) -> Encoding:
    """The source's best encoding, but for the words that the user gave."""
    words = ("codec", "crf", "preset", "pix_fmt", "ffmpeg_args")
    given = {word: getattr(settings, word) for word in words}
    return replace(
        default_encoding(info), **{word: v for word, v in given.items() if v not in (None, ())}
    )


def _settings_of_key(settings: Settings, encoding: Encoding, weights: Weights) -> dict[str, str]:
    """Everything that changes the pictures or the sound, and nothing that does not."""
    asked = ("fps", "slow", "cuts", "deinterlace", "audio")
    adaptation = recipe_of(weights, settings.steps).spelled() if settings.steps else ""
    return {
        "version": __version__,
        "ffmpeg": ffmpeg_version(),
        "weights": weights.sha256,
        "encoding": repr(encoding),
        "adaptation": adaptation,
        **{name: str(getattr(settings, name)) for name in asked},
    }


def _label(rate: Rate, settings: Settings) -> str:
    """Say in the output's name what was asked: 60fps, 59.94fps, 2x, slow4x."""
    speed = f"slow{spell_rate(settings.slow)}x" if settings.slow else ""
    if settings.slow and not settings.fps:
        return speed
    asked = f"{spell_rate(rate.value)}x" if rate.relative else f"{spell_rate(rate.value)}fps"
    return ".".join(part for part in (speed, asked) if part)


def _plan(request: _Request, report: Report) -> Plan:
    """Read the whole film once, small: exact times, cuts; lay the new grid over it."""
    info, settings = request.info, request.settings
    found = survey(
        thumbnails(info),
        settings.cuts,
        progress=lambda done: report(Surveying(info.path, done)),
    )
    times = steady(found.times, info.time_base)
    last = last_duration(info, times)
    rate = request.rate.of(source_rate(times, last))
    slow = settings.slow or Fraction(1)
    stretched = [times[0] + (at - times[0]) * slow for at in times]
    timeline = Timeline(stretched, last * slow, rate, frozenset(found.cuts))
    notices = [*info.notices, *_notices(request)]
    return Plan(
        source=info.path,
        output=request.output,
        info=info,
        timeline=timeline,
        segments=segments(timeline),
        kinds=Counter(slot.kind for slot in timeline.slots(0, timeline.count)),
        encoding=request.encoding,
        device=request.interpolator.describe(),
        notices=notices,
        scenes=scenes_of(times, found.cuts, found.motion.tolist()),
        steps=settings.steps,
    )


def _notices(request: _Request) -> Iterator[str]:
    """What will not be carried over as it is, one sentence each."""
    if request.streams:
        yield from request.streams.notices
        for folder in unfinished(request.output, request.key, request.settings.work_dir):
            yield f"unfinished work with other settings is kept in {folder}"
    _, notice = output_pix_fmt(request.info, request.encoding)
    if notice:
        yield notice
    if request.info.interlaced and request.settings.deinterlace:
        yield "the film is interlaced: it is deinterlaced first (--deinterlace off does not)"


def _interpolator(info: VideoInfo, weights: Weights, settings: Settings) -> Interpolator:
    return Interpolator(
        weights,
        info.layout,
        info.color,
        info.width,
        info.height,
        device=settings.device,
        precision=settings.precision,
        tile=settings.tile,
    )


def _make(request: _Request, plan: Plan, report: Report) -> None:
    """Render what is left, segment by segment; join, verify, rename."""
    settings, timeline = request.settings, plan.timeline
    assert request.streams is not None  # a file, not a pipe
    with open_job(
        plan.output, request.key, SEGMENT_SUFFIX, settings.work_dir, settings.fresh
    ) as job:
        facts = {"source": os.path.abspath(plan.source), "output": job.output, "key": job.key}
        job.record(facts, plan.segments)
        _render_segments(request, plan, job, report)
        lengths = [segment.last - segment.first for segment in plan.segments]
        join(
            [(job.path(index), length) for index, length in enumerate(lengths)],
            request.info,
            request.encoding,
            timeline.rate,
            timeline.times[0],
            request.streams,
            job.temporary,
            tags={"comment": f"filmcli {request.key}"},
        )
        verify(job.temporary, timeline.count, timeline.rate, timeline.duration, request.streams)
        job.publish(settings.overwrite)


def _render_segments(request: _Request, plan: Plan, job: Job, report: Report) -> None:
    """Make every segment that no earlier run finished; one decode runs through all of them."""
    todo = [index for index in range(len(plan.segments)) if not job.is_finished(index)]
    if not todo:
        return
    first, _ = source_span(plan.timeline, plan.segments[todo[0]])
    frames = decode(request.info, first, deinterlace=request.settings.deinterlace)
    with (
        prefetch(frames, _DECODED_AHEAD) as ahead,
        _adaptation(request, plan, report) as params_of,
    ):
        reel = Reel(ahead, first)
        for index in todo:
            part, rate = job.part(index), plan.timeline.rate
            with SegmentWriter(part, request.info, request.encoding, rate) as writer:
                for planes in _pictures(request, plan, index, reel, params_of, report):
                    writer.write(planes)
            job.finish(index)


def _stream(request: _Request, plan: Plan, report: Report) -> None:
    """Send the pictures to standard output as they are made, as y4m if no codec was asked for."""
    encoding = request.encoding if request.settings.codec else None
    frames = decode(request.info, deinterlace=request.settings.deinterlace)
    with (
        prefetch(frames, _DECODED_AHEAD) as ahead,
        _adaptation(request, plan, report) as params_of,
        StreamWriter(request.info, encoding, plan.timeline.rate) as writer,
    ):
        reel = Reel(ahead, 0)
        for index in range(len(plan.segments)):
            for planes in _pictures(request, plan, index, reel, params_of, report):
                writer.write(planes)


@contextmanager
def _adaptation(request: _Request, plan: Plan, report: Report) -> Iterator[ParamsOf]:
    """Give the parameters to render each scene with, in rising order; None for the weights' own."""
    settings = request.settings
    if not settings.steps:
        yield lambda _: None
        return
    cuts = [scene.first for scene in plan.scenes[1:]]
    recipe = recipe_of(request.weights, settings.steps)
    facts = key_facts(request.weights.sha256, recipe, cuts, settings.deinterlace)
    with FilmAdapter(
        adaptable(request.weights, settings.device),
        request.info,
        plan.scenes,
        recipe,
        deinterlace=settings.deinterlace,
        stored=find(adapted_path(plan.source), fingerprint(plan.source, facts)),
        on_scene=lambda scene: report(Adapted(plan.source, scene, len(plan.scenes))),
    ) as adapter:
        yield adapter.params


def _pictures(
    request: _Request, plan: Plan, index: int, reel: Reel, params_of: ParamsOf, report: Report
) -> Iterator[Planes]:
    """The pictures of one segment, telling after each how far the film is."""
    segment, total = plan.segments[index], plan.timeline.count
    slots = plan.timeline.slots(segment.first, segment.last)
    made = render(reel, slots, request.interpolator, params_of(segment.scene))
    for done, planes in enumerate(made, segment.first + 1):
        yield planes
        report(Progress(plan.source, done, total, index + 1, len(plan.segments)))
