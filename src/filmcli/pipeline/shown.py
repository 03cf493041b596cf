"""A finished film beside its source, on a page: what the plan knew is marked on the time line."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction

from filmcli.comparison import Shown
from filmcli.errors import InputError
from filmcli.frames import Span, VideoInfo
from filmcli.page.films import Played
from filmcli.page.marks import PLANNED, Clock, Marks
from filmcli.page.pair import Written, page_files, write_pair
from filmcli.pipeline.job import check_output
from filmcli.pipeline.plan import Plan, make_plan
from filmcli.pipeline.preview import previewed
from filmcli.pipeline.request import Settings, asked_span, page_name, prepare
from filmcli.video.probe import probe
from filmcli.video.spool import as_film, rate_of_stream, shown_rate

_AROUND_SECONDS = Fraction(1, 2)
"""So much of the source before a part is shown too: the frame on screen when it begins."""


def plan_again(path: str, settings: Settings) -> Plan:
    """The plan of a film that was made before; raises what planning it raises."""

    def unheard(done: int) -> None:
        pass

    with as_film(path, shown_rate(settings.in_fps), settings.work_dir) as film:
        return make_plan(previewed(prepare(film, settings, path), unheard), unheard)


def show(plan: Plan) -> Written:
    """Write the page of a film that was made as planned, beside it.

    Raises a `FilmcliError` for what a user can cause, OSError where nothing can be written.
    """
    settings, page = plan.request.settings, page_name(plan.output)
    for name in page_files(page):
        check_output(plan.request.info.path, name, settings.overwrite)
    rate = shown_rate(settings.in_fps)
    with ExitStack() as stack:
        source = stack.enter_context(as_film(plan.source, rate, settings.work_dir))
        made = stack.enter_context(as_film(plan.output, plan.timeline.rate, settings.work_dir))
        info = probe(source, rate_of_stream(plan.source, rate), settings.video)
        return write_pair(
            Shown(_as_seen(info, plan), plan.source),
            Shown(probe(made), plan.output),
            page,
            lambda _, result: _marks(plan, result),
            part=_part(settings),
        )


def _as_seen(info: VideoInfo, plan: Plan) -> VideoInfo:
    """The source with its fields taken as they were."""
    woven = info.interlaced and plan.request.settings.deinterlace
    return replace(info, interlaced=woven, both_fields=plan.info.both_fields)


def _part(settings: Settings) -> Span | None:
    asked = asked_span(settings)
    return asked and asked._replace(start=max(asked.start - _AROUND_SECONDS, Fraction(0)))


def _marks(plan: Plan, result: Played) -> Marks:
    """What the plan says of each frame, where the film has as many."""
    timeline, foot = plan.timeline, plan.found.origin
    if len(result.shown) != timeline.count:
        raise InputError(
            f"{plan.output} holds {len(result.shown)} frames",
            f"{timeline.count} were planned: another program has changed it",
            "make it again with -y",
        )
    kinds = "".join(slot.kind[0] for slot in timeline.slots(0, timeline.count))
    firsts = {timeline.first_showing(cut) for cut in timeline.cuts}
    slow = plan.request.settings.slow or Fraction(1)
    start = foot + (timeline.time(0) - foot) / slow
    clock = Clock(result.shown[0], start, slow)
    return Marks(kinds, PLANNED, sorted(firsts - {0, timeline.count}), clock)
