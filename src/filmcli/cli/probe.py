"""`filmcli probe`: what is in a film, and where its scenes change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from filmcli.cli import options
from filmcli.cli.console import clock, library_warnings, printable, show_error, show_warning
from filmcli.cli.inputs import films
from filmcli.errors import FilmcliError
from filmcli.timing import spell_rate

if TYPE_CHECKING:
    from filmcli.frames import StreamInfo, VideoInfo

_SAMPLE = 240  # pictures that are decoded to tell the rate if the scenes are not asked for


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path())
@click.option("--scenes", is_flag=True, help="Read the whole film: exact counts, and the scenes.")
@click.option(
    "--cuts",
    default="auto",
    metavar="auto|NUMBER",
    help="How scenes are found. A number in 0..1: lower finds more.",
)
@options.in_fps
@options.video
@click.option("--json", "as_json", is_flag=True, help="One JSON object a film.")
def probe(
    inputs: tuple[str, ...],
    scenes: bool,
    cuts: str,
    in_fps: str | None,
    video: int | None,
    as_json: bool,
) -> int:
    """Show rate, size, colour, streams and scenes of films.

    \b
    filmcli probe in.mp4                           a look at the header and the first pictures
    filmcli probe in.mp4 --scenes                  where the scenes change, everything counted
    filmcli probe in.mp4 --scenes --json > cuts    edit it; filmcli upsample in.mp4 --cuts cuts
    """
    from filmcli.video.probe import probe as read_header
    from filmcli.video.spool import as_film, rate_of_stream, shown_rate

    paths = [path for path, _ in films(inputs, None)]
    code = 0
    with library_warnings():
        for path in paths:
            try:
                rate = shown_rate(in_fps)
                with as_film(path, rate) as film:
                    info = read_header(film, rate_of_stream(path, rate), video)
                    found = _examine(info, cuts if scenes else None)
            except FilmcliError as failure:
                code = failure.exit_code if len(paths) == 1 else 1
                if as_json:
                    error = {"text": str(failure), "exit_code": failure.exit_code}
                    click.echo(json.dumps({"v": 1, "source": path, "error": error}))
                show_error(failure)
                continue
            if as_json:
                click.echo(json.dumps({**_facts(found), "source": path}))
            else:
                _show(path, found)
            if found.doubt:
                show_warning(found.doubt)
    return code


@dataclass(frozen=True)
class _Found:
    """What one film holds; `frames` is None and `starts` empty if only its beginning was read."""

    info: VideoInfo
    rate: Fraction
    slowest: Fraction
    fastest: Fraction
    duration: Fraction | None
    frames: int | None
    repeats: int
    starts: tuple[Fraction, ...]
    firsts: tuple[int, ...]
    doubt: str | None

    @property
    def is_variable(self) -> bool:
        """Intervals differ, and not only by missing pictures."""
        steps = self.fastest / self.slowest
        return steps.denominator != 1 or self.rate != self.fastest

    @property
    def has_gaps(self) -> bool:
        """Pictures are missing from an otherwise even grid."""
        return not self.is_variable and self.fastest != self.slowest


def _examine(info: VideoInfo, cuts: str | None) -> _Found:
    """Read the head of the film, or all of it where `cuts` says how to find scenes."""
    from filmcli.survey.firstpass import first_pass

    found = first_pass(info, cuts or "off", dedupe=True, most=None if cuts else _SAMPLE + 1)
    times, last = found.times, found.last_duration
    firsts = (0, *found.cuts) if cuts else ()
    steps = [b - a for a, b in pairwise(times)] or [last]
    return _Found(
        info=found.film(info),
        rate=found.rate,
        slowest=1 / max(steps),
        fastest=1 / min(steps),
        duration=times[-1] + last - times[0] if found.whole else info.duration,
        frames=len(times) if found.whole else None,
        repeats=len(found.repeats),
        starts=tuple(times[first] for first in firsts),
        firsts=firsts,
        doubt=found.doubt,
    )


def _facts(found: _Found) -> dict[str, Any]:
    """What `--json` says; times are seconds on the film's clock, rates exact as fractions."""
    info, color = found.info, found.info.color
    facts: dict[str, Any] = {
        "v": 1,
        "container": info.container,
        "width": info.width,
        "height": info.height,
        "pix_fmt": info.source_pix_fmt,
        "bits": info.layout.depth,
        "sample_aspect_ratio": str(info.sample_aspect_ratio),
        "rotation": info.rotation,
        "mirrored": info.mirrored,
        "color": {
            name: getattr(color, name) for name in ("matrix", "primaries", "transfer", "range")
        },
        "hdr": color.is_hdr,
        "interlaced": info.interlaced,
        "rate": str(found.rate),
        "fps": round(float(found.rate), 6),
        "variable": found.is_variable,
        "gaps": found.has_gaps,
        "counted": found.frames is not None,
        "frames": found.frames,
        "repeats": found.repeats,
        "duration": None if found.duration is None else round(float(found.duration), 6),
        "programmes": [programme._asdict() for programme in info.programmes],
        "streams": [vars(stream) for stream in info.streams],
        "notices": list(info.notices),
    }
    if found.firsts:
        facts["scenes"] = list(_scenes(found))
    return facts


def _scenes(found: _Found) -> Iterator[dict[str, Any]]:
    assert found.frames is not None and found.duration is not None  # scenes mean all was read
    ends = [*found.starts[1:], found.starts[0] + found.duration]
    counts = [b - a for a, b in pairwise((*found.firsts, found.frames))]
    for first, frames, start, end in zip(found.firsts, counts, found.starts, ends, strict=True):
        start_end = {"start": round(float(start), 6), "end": round(float(end), 6)}
        yield {"first": first, "frames": frames, **start_end}


def _show(path: str, found: _Found) -> None:
    """A table on a terminal, plain lines elsewhere."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    rows = list(_rows(found))
    if not console.is_terminal:
        for name, words in [("film", printable(path)), *rows]:
            click.echo(f"{name:10} {words}")
        return
    table = Table(show_header=False, title=printable(path), title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, words in rows:
        table.add_row(name, words)
    console.print(table, markup=False)


def _rows(found: _Found) -> Iterator[tuple[str, str]]:
    info = found.info
    yield "rate", _rate_words(found)
    yield "length", _length_words(found)
    if found.repeats:
        yield "repeats", _repeats_words(found)
    yield "picture", _picture_words(info)
    yield "colour", _color_words(info)
    several = sum(stream.kind == "video" for stream in info.streams) > 1
    for stream in info.streams:
        words = _stream_words(stream, is_film=stream.index == info.stream.index)
        yield stream.kind, f"{stream.index}: {words}" if several else words
    for programme in info.programmes:
        indexes = ", ".join(map(str, programme.streams))
        name = f" ({programme.name})" if programme.name else ""
        yield "programme", printable(f"{programme.number}{name}: streams {indexes}")
    yield from (("notice", printable(notice)) for notice in info.notices)
    for number, scene in enumerate(_scenes(found) if found.firsts else (), 1):
        yield (
            f"scene {number}",
            f"from {scene['start']:.3f} s, picture {scene['first']}: {scene['frames']} frames, "
            f"{scene['end'] - scene['start']:.3f} s",
        )


def _rate_words(found: _Found) -> str:
    exact = f" ({found.rate})" if found.rate.denominator > 1 else ""
    words = f"{spell_rate(found.rate)} fps{exact}"
    if found.is_variable:
        between = f"{spell_rate(found.slowest)} to {spell_rate(found.fastest)}"
        words = f"variable, {between} fps, {spell_rate(found.rate)} on average"
    elif found.has_gaps:
        words += ", with missing frames"
    return words if found.frames is not None else f"{words}, by the first {_SAMPLE} frames"


def _length_words(found: _Found) -> str:
    if found.duration is None:
        return "unknown"
    seconds = float(found.duration)
    words = clock(seconds) if seconds >= 60 else f"{seconds:.3f} s"
    return f"about {words}" if found.frames is None else f"{words}, {found.frames} frames"


def _repeats_words(found: _Found) -> str:
    read = found.frames or _SAMPLE
    words = f"{found.repeats} of {read} frames repeat the one before"
    # Film on video repeats every fifth frame, animation on twos every second.
    return f"{words}: try --dedupe" if found.repeats * 6 >= read else words


def _stream_words(stream: StreamInfo, is_film: bool) -> str:
    words = [stream.codec]
    if stream.language not in (None, "und"):
        words.append(f"{stream.language}")
    if stream.title:
        words.append(f"'{stream.title}'")
    if stream.is_attached_picture:
        words.append("(cover)")
    return printable(" ".join([*words, "(the film)"] if is_film else words))


def _picture_words(info: VideoInfo) -> str:
    words = [f"{info.width}x{info.height}", info.source_pix_fmt]
    if info.sample_aspect_ratio != 1:
        words.append(f"pixels {info.sample_aspect_ratio} wide")
    if info.rotation:
        words.append(f"turned by {info.rotation} degrees")
    if info.mirrored:
        words.append("mirrored")
    if info.interlaced:
        words.append("interlaced")
    return ", ".join(words)


def _color_words(info: VideoInfo) -> str:
    color = info.color
    tags: Sequence[str | None] = (color.matrix, color.primaries, color.transfer, color.range)
    said = list(dict.fromkeys(tag for tag in tags if tag)) or ["untagged"]
    return ", ".join(said + ["HDR"] * color.is_hdr)
