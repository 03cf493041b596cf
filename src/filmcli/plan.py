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

from filmcli import __version__
from filmcli.adaptation.film import FilmSettings, recipe_of
from filmcli.adaptation.scene import Scene, scenes_of
from filmcli.firstpass import FirstPass, first_pass, read_spelled
from filmcli.frames import VideoInfo
from filmcli.job import check_output, fingerprint, output_path, recall, unfinished
from filmcli.network.interpolator import Interpolator
from filmcli.network.weights import Weights, load
from filmcli.timing import (
    Rate,
    Segment,
    Timeline,
    parse_rate,
    segments,
    spell_rate,
)
from filmcli.video.encode import Encoding, check_encoding, default_encoding, output_pix_fmt
from filmcli.video.mux import read_tag
from filmcli.video.probe import probe
from filmcli.video.process import ffmpeg_version
from filmcli.video.streams import StreamPlan, plan_streams


@dataclass(frozen=True)
class Settings(FilmSettings):
    """What a user may ask for; the defaults are right for most films.

    `fps` is a rate or a multiple ("60", "59.94", "2x"); None means 2x, or the source's own rate
    when `slow` stretches time. `codec` None chooses by the source, and so do `crf`, `preset` and
    `pix_fmt` by the codec.
    """

    fps: str | None = None
    slow: Fraction | None = None
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
    found: FirstPass
    scenes: Sequence[Scene]
    steps: int


@dataclass(frozen=True)
class Request:
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


def prepare(path: str, settings: Settings) -> Request:
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
    request = Request(settings, info, rate, "-", encoding, None, weights, interpolator, key, False)
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
    asked = ("fps", "slow", "deinterlace", "audio")
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
        info, settings.cuts, deinterlace=settings.deinterlace, progress=progress
    )
    times, slow = found.times, settings.slow or Fraction(1)
    stretched = [times[0] + (at - times[0]) * slow for at in times]
    last, rate = found.last_duration * slow, request.rate.of(found.rate)
    timeline = Timeline(stretched, last, rate, frozenset(found.cuts))
    notices = [*info.notices, *_notices(request), *([found.doubt] if found.doubt else [])]
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
        found=found,
        scenes=scenes_of(times, found.cuts, found.motion),
        steps=settings.steps,
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
