"""The main path: a file becomes a smoother file.

    probe -> survey -> timeline -> segments -> decode, render, encode -> join -> verify -> rename

Everything that can fail cheaply fails in `plan.prepare`, before a frame is decoded. Memory is what
lies between two pulls of the encoder and does not grow with the film.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from statistics import fmean
from typing import Protocol

from filmcli.adaptation.film import Adapted
from filmcli.adaptation.scene import SceneAdaptation
from filmcli.network.machine import share_one_arena
from filmcli.pipeline.estimate import Estimate
from filmcli.pipeline.job import Job, clear_up, open_job
from filmcli.pipeline.making import Here, Maker, Progress, Told, known_scenes, progress_at
from filmcli.pipeline.plan import Plan, make_plan
from filmcli.pipeline.preview import previewed
from filmcli.pipeline.request import Request, Settings, check_asked, check_sample, prepare
from filmcli.survey.firstpass import Surveying
from filmcli.video.encode import SEGMENT_SUFFIX, StreamWriter
from filmcli.video.mux import join, verify
from filmcli.video.sequence import is_pattern, present
from filmcli.video.spool import as_film, shown_rate
from filmcli.video.stills import (
    final_names,
    is_stills,
    mark,
    verify_animation,
    write_animation,
    write_numbered,
)


@dataclass(frozen=True)
class Result:
    """A finished film; `seconds` is what this run took, `skipped` that it was finished before.

    This run tried to adapt to `tried` scenes; for `adapted` of them held-out frames gained so many
    decibels on the mean, `gained`.
    """

    source: str
    output: str
    frames: int = 0
    duration: Fraction = Fraction(0)
    scenes: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    skipped: bool = False
    tried: int = 0
    adapted: int = 0
    gained: float | None = None


class Makers(Protocol):
    """Whoever makes a film's segments."""

    def describe(self, plan: Plan) -> str:
        """Who makes the pictures, in words."""

    def foretell(self, plan: Plan, todo: Sequence[int], report: Told) -> None:
        """Say how long these segments will take, if somebody knows."""

    def make(self, plan: Plan, job: Job, report: Told) -> None:
        """Make every segment of the film that no earlier run finished."""


Event = Surveying | Plan | Estimate | Adapted | Progress | Result
Report = Callable[[Event], None]


def upsample(
    path: str,
    settings: Settings | None = None,
    report: Report | None = None,
    makers: Makers | None = None,
) -> Result:
    """Make the smoother film of `path` and return where it is.

    `report` hears of every step; `makers` make the segments, by default this process. Raises a
    `FilmcliError` for whatever a user can cause; then nothing stands under the output's name that
    was not there before.
    """
    settings, report = settings or Settings(), report or (lambda _: None)
    share_one_arena()
    rate = shown_rate(settings.in_fps)
    if not os.path.isfile(path):  # reading a pipe or a folder takes long: what can fail comes first
        check_asked(path, settings)

    def check(sample: str) -> None:
        check_sample(sample, path, settings)

    with as_film(path, rate, settings.work_dir, check) as film:
        return _upsample(path, film, settings, report, makers or Here())


def _upsample(path: str, film: str, settings: Settings, report: Report, makers: Makers) -> Result:
    started = time.monotonic()
    request = prepare(film, settings, path)
    if request.finished:
        clear_up(request.output, request.key, SEGMENT_SUFFIX, settings.work_dir)
        return Result(path, request.output, skipped=True)

    def reading(done: int) -> None:
        report(Surveying(path, done))

    plan = make_plan(previewed(request, reading), reading)
    makers = Here() if plan.output == "-" else makers
    heard: dict[int, SceneAdaptation] = {}

    def hear(event: Event) -> None:
        if isinstance(event, Adapted):
            heard[event.scene.scene] = event.scene
        report(event)

    plan = replace(plan, device=makers.describe(plan))
    report(plan)
    if settings.dry_run:
        makers.foretell(plan, range(len(plan.segments)), report)
    elif plan.output == "-":
        _stream(plan, hear)
    else:
        _make(plan, makers, hear)
    timeline = plan.timeline
    gains = [gain for scene in heard.values() if (gain := scene.gain) is not None]
    return Result(
        path,
        plan.output,
        timeline.count,
        timeline.count / timeline.rate,
        timeline.scenes,
        plan.kinds,
        time.monotonic() - started,
        tried=len(heard),
        adapted=len(gains),
        gained=fmean(gains) if gains else None,
    )


def _make(plan: Plan, makers: Makers, report: Report) -> None:
    """Let what is left be made, segment by segment; join, verify, rename."""
    request, settings, timeline = plan.request, plan.request.settings, plan.timeline
    assert request.streams is not None  # a file, not a pipe
    with open_job(
        plan.output, request.key, SEGMENT_SUFFIX, settings.work_dir, settings.fresh
    ) as job:
        if not settings.overwrite:
            job.check_name_is_free()
        facts = {"source": os.path.abspath(plan.source), "output": job.output, "key": job.key}
        job.record(facts, plan.segments, plan.found.spelled())
        makers.make(plan, job, report)
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


def _stream(plan: Plan, report: Report) -> None:
    """Send the pictures to standard output as they are made, as y4m if no codec was asked for."""
    request = plan.request
    Here().foretell(plan, range(len(plan.segments)), report)
    with (
        Maker(plan, known_scenes(plan), report) as maker,
        StreamWriter(request.info, request.encoding, plan.timeline.rate) as writer,
    ):
        for index, segment in enumerate(plan.segments):
            for done, planes in enumerate(maker.pictures(index), segment.first + 1):
                writer.write(planes)
                report(progress_at(plan, index, done))
