"""What is asked of one film, checked: everything that can fail cheaply fails here.

`check_asked` needs nothing but the words; `check_sample` one picture of what is still to come from
a pipe or a folder; `prepare` the film file itself, of which no frame is decoded, but for the first
ones where there is a video engine to try.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from fractions import Fraction

from filmcli import __version__
from filmcli.adaptation.film import FilmSettings, recipe_of
from filmcli.adaptation.worth import Steps
from filmcli.errors import OutputExistsError, UsageError
from filmcli.frames import Span, VideoInfo
from filmcli.network.interpolator import Interpolator
from filmcli.network.machine import choose_device, choose_precision
from filmcli.network.weights import Weights, load
from filmcli.page.pair import page_files
from filmcli.pipeline.job import check_output, check_place, output_path, recall
from filmcli.survey.firstpass import FirstPass
from filmcli.timing import Rate, parse_rate, spell_rate
from filmcli.video.codecs import (
    RAW,
    Encoding,
    alpha_kept,
    default_encoding,
    encoder_help,
    fitted,
)
from filmcli.video.engines import decoded_by
from filmcli.video.fingerprint import fingerprint
from filmcli.video.mux import read_tag
from filmcli.video.probe import probe
from filmcli.video.process import ffmpeg_version
from filmcli.video.sequence import check_apart, film_name, is_pattern, present
from filmcli.video.spool import rate_of_stream, shown_rate
from filmcli.video.stills import check_stills, is_marked, is_stills, plan_stills
from filmcli.video.streams import StreamPlan, check_container, plan_streams
from filmcli.video.trial import check_encoding

_AROUND_SECONDS = 2


@dataclass(frozen=True)
class Settings(FilmSettings):
    """What a user may ask for; the defaults are right for most films.

    `fps` is a rate or a multiple ("60", "59.94", "2x"); None means 2x, or the source's own rate
    when `slow` stretches time. `codec` None chooses by the source, and so do `crf`, `preset` and
    `pix_fmt` by the codec. Of the film, only what is shown from `start` to before `end` (seconds on
    its own clock) is made, and of that only the liveliest `preview` seconds. Pictures without times
    are shown at the rate `in_fps`: those in files of their own, 24 a second unless it says
    otherwise, and those of raw streams. With `page` a page to look at gets its name beside the
    film's, for `pipeline.shown`.
    """

    fps: str | None = None
    slow: Fraction | None = None
    start: Fraction | None = None
    end: Fraction | None = None
    preview: int | None = None
    in_fps: str | None = None
    output: str | None = None
    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    ffmpeg_args: tuple[str, ...] = ()
    hwaccel: str = "off"
    audio: bool = True
    steps: Steps = "auto"
    precision: str = "auto"
    tile: int | str | None = "auto"
    overwrite: bool = False
    fresh: bool = False
    work_dir: str | None = None
    dry_run: bool = False
    page: bool = False


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
    rate = asked_rate(settings)
    asked_span(settings)
    load(settings.weights)
    choose_precision(settings.precision, choose_device(settings.device))
    if settings.codec:
        encoder_help(Encoding(settings.codec).encoder)
    output = _output(source, rate, settings)
    _check_words(output, settings)
    if output == "-":
        return
    check_place(output)
    if is_stills(output):
        check_apart(source, output)
    else:
        check_container(os.path.splitext(output)[1])


def check_sample(film: str, source: str, settings: Settings) -> None:
    """Check whether what `source` names can be written, by `film`, which is like its beginning."""
    rate = asked_rate(settings)
    info, encoding = _film(film, source, rate, settings)
    check_writing(
        info, encoding, _first_rate(info, rate), _output(source, rate, settings), settings
    )


def asked_rate(settings: Settings) -> Rate:
    """The rate, or multiple of one, that is asked for; UsageError if the words make none."""
    if settings.fps is not None:
        return parse_rate(settings.fps)
    return Rate(Fraction(1 if settings.slow else 2), True)


def prepare(path: str, settings: Settings, source: str | None = None) -> Request:
    """Check everything that is cheap to check; nothing is written.

    `source` is what the user named if that is not the film file `path` itself.
    """
    source = source or path
    rate = asked_rate(settings)
    info, encoding = _film(path, source, rate, settings)
    weights = load(settings.weights)
    interpolator = _interpolator(info, weights, settings)
    key = fingerprint(path, _settings_of_key(settings, info, encoding, weights))
    output = _output(source, rate, settings)
    request = Request(
        source, settings, info, rate, output, encoding, None, weights, interpolator, key, False
    )
    if output != "-":
        if not settings.overwrite and _is_made(output, key):
            return replace(request, finished=True)
        check_output(path, output, settings.overwrite)
        for name in page_files(page_name(output)) if settings.page else ():
            check_output(path, name, settings.overwrite)
        request = replace(request, streams=_streams(request))
    check_writing(info, encoding, _first_rate(info, rate), output, settings)
    return request


def page_name(output: str) -> str:
    """Where the page of the film `output` is: beside it."""
    return os.path.splitext(film_name(output))[0] + ".html"


def as_seen(request: Request, found: FirstPass) -> Request:
    """The same request for the film in the size that most of its pictures have."""
    info = found.film(request.info)
    if info is request.info:
        return request
    interpolator = _interpolator(info, request.weights, request.settings)
    return replace(request, info=info, interpolator=interpolator)


def narrowed(request: Request, span: Span) -> Request:
    """The same request for a part of what it asked for; the name of its work stays."""
    settings = replace(request.settings, start=span.start, end=span.end)
    info = replace(request.info, span=_span_read(settings))
    return replace(request, settings=settings, info=info)


def check_writing(
    info: VideoInfo, encoding: Encoding, rate: Fraction, output: str, settings: Settings
) -> tuple[str, ...]:
    """Try out whether the film can be written at `rate` to `output`; raises what says why not.

    Returns a sentence for each colour tag that is lost.
    """
    _check_words(output, settings)
    if is_stills(output):
        check_stills(info, output, rate)
        return ()
    if output == "-" and encoding.codec == RAW:
        color = info.color
        tagged = any((color.matrix, color.primaries, color.transfer)) and info.layout.model == "yuv"
        return ("y4m has no colour tags: whoever reads it must know them",) * tagged
    name = "standard output.mkv" if output == "-" else output
    return check_encoding(info, encoding, rate, name)


def _film(path: str, source: str, rate: Rate, settings: Settings) -> tuple[VideoInfo, Encoding]:
    """The film at `path`, with what is asked of it, and how it will be coded."""
    info = probe(path, rate_of_stream(source, shown_rate(settings.in_fps)), settings.video)
    info = decoded_by(_both_fields(info, rate, settings), settings.hwaccel)
    info = replace(info, span=_span_read(settings))
    # Pictures are cut out of segments that lose nothing.
    stills = settings.output is not None and is_stills(settings.output)
    encoding = Encoding("ffv1") if stills else _encoding(info, settings)
    return alpha_kept(info, encoding), encoding


def _first_rate(info: VideoInfo, rate: Rate) -> Fraction:
    """The new rate by what the header claims of the old one."""
    return rate.of(info.rate or Fraction(25))


def _output(source: str, rate: Rate, settings: Settings) -> str:
    if settings.output == "-":
        return "-"
    return output_path(film_name(source), _label(rate, settings), settings.output)


def _check_words(output: str, settings: Settings) -> None:
    """UsageError for words to an encoder, or of a page, where there is none."""
    if output == "-" and settings.page:
        raise UsageError(
            "a page of what goes to standard output cannot be made",
            "it plays the film from a file",
            "name a file with -o, or leave out --page",
        )
    if output == "-" and not settings.codec and _words_for_encoder(settings):
        raise UsageError(
            "standard output takes no words for an encoder",
            "it is y4m, which is not coded, unless --codec says otherwise",
            "add --codec x264, or leave out --crf, --preset, --pix-fmt and --ffmpeg-args",
        )
    if is_stills(output) and _words_for_encoder(settings):
        raise UsageError(
            f"{output} takes no words for an encoder",
            "pictures are written without loss, a GIF by its palette",
            "leave out --codec, --crf, --preset, --pix-fmt and --ffmpeg-args",
        )


def _words_for_encoder(settings: Settings) -> bool:
    words = (settings.codec, settings.preset, settings.pix_fmt, settings.ffmpeg_args)
    return any(words) or settings.crf is not None


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


def _streams(request: Request) -> StreamPlan:
    """What else of the source goes into the film; pictures there already are refused, but ours."""
    settings, output, info = request.settings, request.output, request.info
    if not is_stills(output):
        stretch = settings.slow or Fraction(1)
        rate = _first_rate(info, request.rate)
        return plan_streams(info, output, stretch=stretch, audio=settings.audio, rate=rate)
    taken = present(output) if is_pattern(output) else []
    struck_down = recall(output, request.key, settings.work_dir)
    if taken and not settings.overwrite and not struck_down:
        raise OutputExistsError(
            f"{taken[0]} exists already",
            f"{len(taken)} files fit {os.path.basename(output)}",
            "replace them all with -y, or name another folder with -o",
        )
    return plan_stills(info, output)


def asked_span(settings: Settings) -> Span | None:
    """The part of the film that is asked for; times within 1 ms are one, as on the timeline."""
    start, end = settings.start or Fraction(0), settings.end
    if end is not None and start >= end:
        raise UsageError(
            f"there is nothing from {float(start):g} s to {float(end):g} s",
            "the end is not after the start",
            "give an --end (-to) later than the --start (-ss)",
        )
    if settings.start is None and end is None:
        return None
    return Span(max(start - Fraction(1, 1000), Fraction(0)), end)


def _span_read(settings: Settings) -> Span | None:
    """A little more than is asked for: what is a cut or a still shows in what lies around it."""
    span = asked_span(settings)
    if span is None:
        return None
    start = max(span.start - _AROUND_SECONDS, Fraction(0))
    return Span(start, None if span.end is None else span.end + _AROUND_SECONDS)


def _encoding(info: VideoInfo, settings: Settings) -> Encoding:
    """The source's best encoding, but for the words that the user gave."""
    words = ("codec", "crf", "preset", "pix_fmt", "ffmpeg_args")
    given = {word: getattr(settings, word) for word in words}
    default = Encoding(RAW) if settings.output == "-" else default_encoding(info)
    asked = replace(default, **{word: v for word, v in given.items() if v not in (None, ())})
    return fitted(asked, info)


def _settings_of_key(
    settings: Settings, info: VideoInfo, encoding: Encoding, weights: Weights
) -> dict[str, str]:
    """Everything that changes the pictures or the sound, and nothing that does not."""
    asked = ("fps", "slow", "start", "end", "preview", "dedupe", "deinterlace", "audio", "video")
    steps = settings.steps
    adaptation = f"{steps} {recipe_of(weights, steps).spelled()}" if steps else ""
    return {
        "version": __version__,
        "ffmpeg": ffmpeg_version(),
        "weights": weights.sha256,
        "encoding": repr(encoding),
        "adaptation": adaptation,
        "counted": str(info.counted and info.rate),
        **{name: str(getattr(settings, name)) for name in asked},
        "cuts": fingerprint(settings.cuts, {}) if os.path.isfile(settings.cuts) else settings.cuts,
    }


def _label(rate: Rate, settings: Settings) -> str:
    """Say in the output's name what was asked: 60fps, 59.94fps, 2x, slow4x, 60fps.preview."""
    speed = f"slow{spell_rate(settings.slow)}x" if settings.slow else ""
    asked = f"{spell_rate(rate.value)}x" if rate.relative else f"{spell_rate(rate.value)}fps"
    if settings.slow and not settings.fps:
        asked = ""
    return ".".join(part for part in (speed, asked, "preview" * bool(settings.preview)) if part)


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
