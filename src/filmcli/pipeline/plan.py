"""What will be done with a film: its times, its cuts, and the new grid over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from filmcli.adaptation.scene import Scene, scenes_of
from filmcli.adaptation.worth import steps_for
from filmcli.errors import UsageError
from filmcli.frames import Span, VideoInfo
from filmcli.network.machine import choose_device
from filmcli.pipeline.job import recall, unfinished
from filmcli.pipeline.request import Request, as_seen, asked_span, check_writing
from filmcli.pipeline.segments import Segment, segments
from filmcli.survey.firstpass import FirstPass, first_pass, read_spelled
from filmcli.timing import Timeline, spell_rate
from filmcli.video.captions import can_caption
from filmcli.video.codecs import output_pix_fmt, words_of
from filmcli.video.marks import NO_MARKS, Marks, can_mark, read_marks
from filmcli.video.seen import CAPTIONS, SPHERICAL, STEREO, lost_beside
from filmcli.video.stereo import says_stereo
from filmcli.video.stills import is_stills, kind_of

_LATE_SECONDS = Fraction(1, 2)


@dataclass(frozen=True)
class Plan:
    """What is going to happen, told before the first frame is made.

    `cut` is the span of the source's clock that the other streams are cut to, None for all of it;
    `begin` is where the first picture stands on the new film's clock, which starts with the cut.
    `written_as` says in words what the user gets: the encoder with what was asked of it, GIF, y4m.
    `request` is what was asked, of the film in the size that most of its pictures have. `steps` are
    those of adaptation to each of the `scenes`.
    """

    source: str
    output: str
    request: Request
    timeline: Timeline
    cut: Span | None
    begin: Fraction
    segments: Sequence[Segment]
    kinds: Counter[str]
    written_as: str
    device: str
    notices: Sequence[str]
    found: FirstPass
    scenes: Sequence[Scene]
    steps: Sequence[int]
    dedupe: bool
    captions: bool
    marks: Marks

    @property
    def info(self) -> VideoInfo:
        """The film as it is made."""
        return self.request.info


def make_plan(request: Request, progress: Callable[[int], None]) -> Plan:
    """Read the whole film once, small: exact times, cuts; lay the new grid over it."""
    settings, output = request.settings, request.output
    found = _look_up(request) or first_pass(
        request.info,
        settings.cuts,
        deinterlace=settings.deinterlace,
        dedupe=settings.dedupe,
        progress=progress,
    )
    request = as_seen(request, found)
    info, film = request.info, found.distinct()
    # "2x" is twice the frames, of which two fields are one.
    source_rate = found.rate / 2 if info.both_fields else found.rate
    slow = settings.slow or Fraction(1)
    timeline, cut = _lay_grid(film, request.rate.of(source_rate), slow, asked_span(settings))
    # Headers lie: now the rate is known for sure.
    untagged = check_writing(info, request.encoding, timeline.rate, output, settings)
    captions = _carries_captions(request, found)
    carried = [CAPTIONS] * captions
    if says_stereo(info, request.encoding, output):
        carried.append(STEREO)
    has_marks = bool({SPHERICAL, STEREO} & set(found.beside))
    takes_marks = has_marks and can_mark(info, request.encoding, output)
    marks = read_marks(info) if takes_marks else NO_MARKS
    carried += marks.kinds
    beside = lost_beside(found.beside, request.encoding, carried)
    lost = [f"{what} cannot be carried over" for what in beside]
    findings = _findings(info, found, film)
    notices = [*info.notices, *_notices(request), *lost, *untagged, *findings]
    kinds, made = _counted(timeline)
    card = choose_device(settings.device).type != "cpu"
    return Plan(
        source=request.source,
        output=request.output,
        request=request,
        timeline=timeline,
        cut=cut,
        begin=max(found.origin - cut.start, Fraction(0)) * slow if cut else timeline.time(0),
        segments=segments(timeline),
        kinds=kinds,
        written_as=kind_of(output) if is_stills(output) else words_of(request.encoding),
        device=request.interpolator.describe(),
        notices=notices,
        found=found,
        scenes=scenes_of(film.times, film.cuts, film.motion, film.looks),
        steps=steps_for(settings.steps, made, info.height, info.width, card),
        dedupe=settings.dedupe,
        captions=captions,
        marks=marks,
    )


def _counted(timeline: Timeline) -> tuple[Counter[str], list[int]]:
    """How many pictures there are of each kind, and how many are made in each scene."""
    starts, scene = [*sorted(timeline.cuts), len(timeline.times)], 0
    kinds, made = Counter[str](), [0] * len(starts)
    for slot in timeline.slots(0, timeline.count):
        kinds[slot.kind] += 1
        while slot.left >= starts[scene]:
            scene += 1
        made[scene] += slot.kind == "make"
    return kinds, made


def _carries_captions(request: Request, found: FirstPass) -> bool:
    """Whether there are captions inside the pictures, and room for them in the new ones."""
    if CAPTIONS not in found.beside or request.output == "-" or is_stills(request.output):
        return False
    return can_caption(request.info, request.encoding)


def _lay_grid(
    found: FirstPass, rate: Fraction, slow: Fraction, span: Span | None
) -> tuple[Timeline, Span | None]:
    """Lay the grid over the film, or the whole film's grid over a span of it.

    The second result says to what the other streams are cut: zero is the first picture's place.
    """
    foot = found.origin
    times = [foot + (at - foot) * slow for at in found.times]
    last, cuts = found.last_duration * slow, frozenset(found.cuts)
    if span is None:
        return Timeline(times, last, rate, cuts), None
    skipped = max(0, ceil((span.start - foot) * slow * rate))
    start = foot + skipped / rate
    end = None if span.end is None else foot + (span.end - foot) * slow
    film_end = times[-1] + last
    if start >= min(film_end, end or film_end):
        raise _nothing_there(span, found, rate)
    zero = foot + (start - foot) / slow if skipped else span.start
    return Timeline(times, last, rate, cuts, start, end), Span(zero, span.end)


def _nothing_there(span: Span, found: FirstPass, rate: Fraction) -> UsageError:
    end = found.times[-1] + found.last_duration
    until = "its end" if span.end is None else f"{float(span.end):.3f} s"
    return UsageError(
        f"nothing is shown from {float(span.start):.3f} s to {until}",
        f"the film runs from {float(found.origin):.3f} s to {float(end):.3f} s"
        if span.start >= end or (span.end or end) <= found.origin
        else f"that is shorter than a picture at {spell_rate(rate)} fps",
        "give another --start or --end",
    )


def _look_up(request: Request) -> FirstPass | None:
    """What an interrupted run of the same command found, so that it need not look again."""
    settings = request.settings
    if request.output == "-" or settings.fresh:
        return None
    told = recall(request.output, request.key, settings.work_dir)
    return read_spelled(told) if told else None


def _findings(info: VideoInfo, found: FirstPass, film: FirstPass) -> Iterator[str]:
    late = Fraction(0) if info.begins is None else found.origin - info.begins
    if late > _LATE_SECONDS:
        yield f"its first {float(late):.1f} s cannot be decoded: the film begins after them"
    repeats = set(found.repeats)
    kept = (time for index, time in enumerate(found.times) if index not in repeats)
    moved = max(abs(new - old) for new, old in zip(film.times, kept, strict=True))
    if moved:
        off = f"{1000 * float(moved):.1f} ms off at most"
        yield f"its repeats made a higher rate of a lower: pictures get even times, {off}"
    if found.evened:
        yield "film flagged for 3:2 pulldown: its pictures get even times, 8.4 ms off at most"
    sizes = [f"{width}x{height} ({count})" for width, height, _, count in found.shapes]
    if len(sizes) > 1:
        size = sizes[0].partition(" ")[0]
        yield f"its pictures are of several sizes, {', '.join(sizes)}: all are made {size}"
    if found.doubt:
        yield found.doubt


def _notices(request: Request) -> Iterator[str]:
    """What will not be carried over as it is, one sentence each."""
    if request.streams:
        yield from request.streams.notices
        for folder in unfinished(request.output, request.key, request.settings.work_dir):
            yield f"unfinished work with other settings is kept in {folder}"
    _, notice = output_pix_fmt(request.info, request.encoding)
    if notice:
        yield notice
    if request.info.interlaced and request.settings.deinterlace:
        yield f"the film is {_deinterlaced_words(request.info)} (--deinterlace off does not)"


def _deinterlaced_words(info: VideoInfo) -> str:
    if info.telecine_start is not None:
        return "cinema film on video (telecine): its own 23.976 fps are put together again"
    each = "every field becomes a picture" if info.both_fields else "two fields become a picture"
    kept = f"; 3:2 pulldown is not undone: {info.pulldown_kept}" if info.pulldown_kept else ""
    return f"interlaced: it is deinterlaced first, {each}{kept}"
