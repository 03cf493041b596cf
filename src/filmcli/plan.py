"""What is asked and what will be done: settings, the cheap checks, the plan of a film.

Everything that can fail cheaply fails in `prepare`, before a frame is decoded. `make_plan` then
reads the film once, small, and lays the new grid of times over it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from filmcli import __version__
from filmcli.adaptation.film import FilmSettings, recipe_of
from filmcli.adaptation.scene import Scene, scenes_of
from filmcli.errors import OutputExistsError, UsageError
from filmcli.firstpass import FirstPass, first_pass, read_spelled
from filmcli.frames import Span, VideoInfo
from filmcli.job import check_output, check_place, fingerprint, output_path, recall, unfinished
from filmcli.network.interpolator import Interpolator
from filmcli.network.machine import choose_device, choose_precision
from filmcli.network.weights import Weights, load
from filmcli.timing import (
    Rate,
    Segment,
    Timeline,
    parse_rate,
    segments,
    spell_rate,
)
from filmcli.video.codecs import (
    Encoding,
    alpha_kept,
    default_encoding,
    encoder_help,
    output_pix_fmt,
)
from filmcli.video.mux import read_tag
from filmcli.video.probe import probe
from filmcli.video.process import ffmpeg_version
from filmcli.video.sequence import film_name, is_pattern, present
from filmcli.video.stills import is_marked, is_stills, plan_stills
from filmcli.video.streams import StreamPlan, check_container, plan_streams
from filmcli.video.trial import check_encoding

_AROUND_SECONDS = 2


@dataclass(frozen=True)
class Settings(FilmSettings):
    """What a user may ask for; the defaults are right for most films.

    `fps` is a rate or a multiple ("60", "59.94", "2x"); None means 2x, or the source's own rate
    when `slow` stretches time. `codec` None chooses by the source, and so do `crf`, `preset` and
    `pix_fmt` by the codec. Of the film, only what is shown from `start` to before `end` (seconds on
    its own clock) is made. Pictures in files of their own are shown at the rate `in_fps`.
    """

    fps: str | None = None
    slow: Fraction | None = None
    start: Fraction | None = None
    end: Fraction | None = None
    in_fps: str = "24"
    output: str | None = None
    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    ffmpeg_args: tuple[str, ...] = ()
    audio: bool = True
    steps: int = 0
    precision: str = "auto"
    tile: int | str | None = "auto"
    overwrite: bool = False
    fresh: bool = False
    work_dir: str | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Plan:
    """What is going to happen, told before the first frame is made.

    `cut` is the span of the source's clock that the other streams are cut to, None for all of it;
    `begin` is where the first picture stands on the new film's clock, which starts with the cut.
    """

    source: str
    output: str
    info: VideoInfo
    timeline: Timeline
    cut: Span | None
    begin: Fraction
    segments: Sequence[Segment]
    kinds: Counter[str]
    encoding: Encoding
    device: str
    notices: Sequence[str]
    found: FirstPass
    scenes: Sequence[Scene]
    steps: int
    dedupe: bool


@dataclass(frozen=True)
class Request:
    """What the cheap checks found out, and nothing that a frame had to be decoded for."""

    source: str
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


def check_asked(source: str, settings: Settings) -> None:
    """Check what can be before anything is known of the film but its name; raises what fits."""
    rate = _rate(settings)
    _span(settings)
    load(settings.weights)
    choose_precision(settings.precision, choose_device(settings.device))
    if settings.codec:
        encoder_help(Encoding(settings.codec).encoder)
    if settings.output == "-":
        return
    output = output_path(film_name(source), _label(rate, settings), settings.output)
    check_place(output)
    if not is_stills(output):
        check_container(os.path.splitext(output)[1])


def _rate(settings: Settings) -> Rate:
    if settings.fps:
        return parse_rate(settings.fps)
    return Rate(Fraction(1 if settings.slow else 2), True)


def prepare(path: str, settings: Settings, source: str | None = None) -> Request:
    """Check everything that is cheap to check; nothing is written, no frame is decoded.

    `source` is what the user named if that is not the film file `path` itself.
    """
    source = source or path
    rate = _rate(settings)
    info = replace(_both_fields(probe(path), rate, settings), span=_span_read(settings))
    # Pictures are cut out of segments that lose nothing.
    stills = settings.output is not None and is_stills(settings.output)
    encoding = Encoding("ffv1") if stills else _encoding(info, settings)
    info = alpha_kept(info, encoding)
    weights = load(settings.weights)
    interpolator = _interpolator(info, weights, settings)
    key = fingerprint(path, _settings_of_key(settings, encoding, weights))
    request = Request(
        source, settings, info, rate, "-", encoding, None, weights, interpolator, key, False
    )
    if settings.output == "-":
        return request
    output = output_path(film_name(source), _label(rate, settings), settings.output)
    request = replace(request, output=output)
    if not settings.overwrite and _is_made(output, key):
        return replace(request, finished=True)
    check_output(path, output, settings.overwrite)
    if is_stills(output):
        return replace(request, streams=_plan_stills(request))
    streams = plan_streams(info, output, stretch=settings.slow or Fraction(1), audio=settings.audio)
    check_encoding(info, encoding, rate.of(info.rate or Fraction(25)), output)
    return replace(request, streams=streams)


def _is_made(output: str, key: str) -> bool:
    """True if what stands there was made by this command, whole."""
    if is_stills(output):
        return is_marked(output, key)
    return os.path.isfile(output) and read_tag(output) == key


def _both_fields(info: VideoInfo, rate: Rate, settings: Settings) -> VideoInfo:
    """Take every field for a picture, unless the grid is too coarse to show them all."""
    if not info.interlaced or info.telecine_start is not None or info.rate is None:
        return info
    slow = settings.slow or Fraction(1)
    fine = rate.of(info.rate) * slow >= 2 * info.rate
    return replace(info, both_fields=settings.deinterlace and fine)


def _plan_stills(request: Request) -> StreamPlan:
    """Check what is asked of pictures; those that are there already are refused, but for ours."""
    settings, output = request.settings, request.output
    if any((settings.codec, settings.crf, settings.preset, settings.pix_fmt, settings.ffmpeg_args)):
        raise UsageError(
            f"{output} takes no words for an encoder",
            "pictures are written without loss, a GIF by its palette",
            "leave out --codec, --crf, --preset, --pix-fmt and --ffmpeg-args",
        )
    taken = present(output) if is_pattern(output) else []
    struck_down = recall(output, request.key, settings.work_dir)
    if taken and not settings.overwrite and not struck_down:
        raise OutputExistsError(
            f"{taken[0]} exists already",
            f"{len(taken)} files fit {os.path.basename(output)}",
            "replace them all with -y, or name another folder with -o",
        )
    rate = request.rate.of(request.info.rate or Fraction(25))
    return plan_stills(request.info, output, rate)


def _span(settings: Settings) -> Span | None:
    """The part of the film that is asked for; times within 1 ms are one, as on the timeline."""
    start, end = settings.start or Fraction(0), settings.end
    if end is not None and start >= end:
        raise UsageError(
            f"no film lies from {float(start):g} s to {float(end):g} s",
            "--end is not behind --start",
            "give an --end that is later",
        )
    if settings.start is None and end is None:
        return None
    return Span(max(start - Fraction(1, 1000), Fraction(0)), end)


def _span_read(settings: Settings) -> Span | None:
    """A little more than is asked for: what is a cut or a still shows in what lies around it."""
    span = _span(settings)
    if span is None:
        return None
    start = max(span.start - _AROUND_SECONDS, Fraction(0))
    return Span(start, None if span.end is None else span.end + _AROUND_SECONDS)


def _encoding(info: VideoInfo, settings: Settings) -> Encoding:
    """The source's best encoding, but for the words that the user gave."""
    words = ("codec", "crf", "preset", "pix_fmt", "ffmpeg_args")
    given = {word: getattr(settings, word) for word in words}
    return replace(
        default_encoding(info), **{word: v for word, v in given.items() if v not in (None, ())}
    )


def _settings_of_key(settings: Settings, encoding: Encoding, weights: Weights) -> dict[str, str]:
    """Everything that changes the pictures or the sound, and nothing that does not."""
    asked = ("fps", "slow", "start", "end", "dedupe", "deinterlace", "audio")
    adaptation = recipe_of(weights, settings.steps).spelled() if settings.steps else ""
    return {
        "version": __version__,
        "ffmpeg": ffmpeg_version(),
        "weights": weights.sha256,
        "encoding": repr(encoding),
        "adaptation": adaptation,
        **{name: str(getattr(settings, name)) for name in asked},
        "cuts": fingerprint(settings.cuts, {}) if os.path.isfile(settings.cuts) else settings.cuts,
    }


def _label(rate: Rate, settings: Settings) -> str:
    """Say in the output's name what was asked: 60fps, 59.94fps, 2x, slow4x."""
    speed = f"slow{spell_rate(settings.slow)}x" if settings.slow else ""
    if settings.slow and not settings.fps:
        return speed
    asked = f"{spell_rate(rate.value)}x" if rate.relative else f"{spell_rate(rate.value)}fps"
    return ".".join(part for part in (speed, asked) if part)


def make_plan(request: Request, progress: Callable[[int], None]) -> Plan:
    """Read the whole film once, small: exact times, cuts; lay the new grid over it."""
    info, settings = request.info, request.settings
    found = _look_up(request) or first_pass(
        info,
        settings.cuts,
        deinterlace=settings.deinterlace,
        dedupe=settings.dedupe,
        progress=progress,
    )
    film = found.distinct()
    # "2x" is twice the frames, of which two fields are one.
    source_rate = found.rate / 2 if info.both_fields else found.rate
    slow = settings.slow or Fraction(1)
    timeline, cut = _lay_grid(film, request.rate.of(source_rate), slow, _span(settings))
    notices = [*info.notices, *_notices(request), *([found.doubt] if found.doubt else [])]
    return Plan(
        source=request.source,
        output=request.output,
        info=info,
        timeline=timeline,
        cut=cut,
        begin=max(found.origin - cut.start, Fraction(0)) * slow if cut else timeline.time(0),
        segments=segments(timeline),
        kinds=Counter(slot.kind for slot in timeline.slots(0, timeline.count)),
        encoding=request.encoding,
        device=request.interpolator.describe(),
        notices=notices,
        found=found,
        scenes=scenes_of(film.times, film.cuts, film.motion, film.looks),
        steps=settings.steps,
        dedupe=settings.dedupe,
    )


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
