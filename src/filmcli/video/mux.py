"""Segments and the source's other streams become one film, which is then verified.

The segments are read through ffmpeg's concat demuxer with their exact lengths, so that picture k
stands at start + k/rate whatever the codec's order of coding; everything else is copied from the
source on the same clock (`-copyts`, the container's start taken off).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import ffmpeg

from filmcli.errors import InputError, RenderError, VerifyError
from filmcli.frames import Span, Turn, VideoInfo
from filmcli.video.clock import frame_clock, late_start
from filmcli.video.codecs import Encoding, output_pix_fmt
from filmcli.video.decode import seek_args
from filmcli.video.marks import NO_MARKS, Marks, holder, write_marks
from filmcli.video.packets import packet_words
from filmcli.video.pixels import coded_color, color_words
from filmcli.video.probe import probe, read_ticks
from filmcli.video.process import Child, FileName, ask, command
from filmcli.video.restated import stated_once
from filmcli.video.source import read_report, source_args
from filmcli.video.stereo import stereo_tag
from filmcli.video.streams import EXPERIMENTAL, Carried, StreamPlan
from filmcli.video.tags import MP4, TRANSPORT, by_name, new_time_code

_FINE_TICKS = 10_000
"""Ticks a second that a track has at least, so that starts are exact to 0.1 ms."""
_PICTURES = {"png": "png", "mjpeg": "jpeg", "bmp": "bmp"}
_LATE_SECONDS = 5
_CONCAT = {"format": "concat", "safe": 0, "protocol_whitelist": "file,pipe"}
_TRIMS = {"audio": "atrim", "video": "trim"}
# ffmpeg 5 takes an MPEG-TS whose offset is exactly its start for one that should start at its
# first *mapped* stream, and drops the sound's delay; a microsecond is far below its tick.
_NUDGE = (Fraction(0), Fraction(1, 10**6))
_MARK = re.compile(r"\s*\[?filmcli ([0-9a-f]+)\]?\s*$")


def join(
    segments: Sequence[tuple[str, int]],
    info: VideoInfo,
    encoding: Encoding,
    rate: Fraction,
    start: Fraction,
    plan: StreamPlan,
    output: str,
    tags: Mapping[str, str],
    cut: Span | None = None,
    marks: Marks = NO_MARKS,
) -> None:
    """Write the film `output` from `segments`, pairs of a NUT file and its number of pictures.

    The segments lie in one folder under plain names. Picture k is shown at `start` + k / `rate`
    on the source's clock (as `decode` counts it). `tags` become metadata of the file; a comment
    of the source's own is kept before ours. Of a `cut` only that span of the other streams is
    carried, and its start is the new film's zero, from which `start` is counted: whole packets of
    what is copied, subtitles and chapters cut to it. `marks` say that the film is spherical.
    RenderError if ffmpeg fails.
    """
    is_mp4 = output.lower().endswith(MP4)
    if marks.kinds and not is_mp4:
        segments = [_marked(segments, encoding, rate, marks)]
    folder = os.path.dirname(os.path.abspath(segments[0][0]))
    plan = plan.since(cut.start) if cut else plan
    new = ffmpeg.input("pipe:0", itsoffset=_seconds(start), **_CONCAT)
    covers = _covers(info, plan, output, folder)
    if covers:
        mapped = tuple(item for item in plan.carried if not item.stream.is_attached_picture)
        plan = replace(plan, carried=mapped)
    film = _output(
        new, *stated_once(info, plan, output, folder), encoding, output, rate, start, cut
    )
    own = _own_words(info, plan, output, rate, cut)
    words = [*EXPERIMENTAL, *covers, *own, *_tag_words(info, output, tags)]
    args = command(film, "-loglevel", "warning", "-copyts", *words)
    with Child(args, stdin=True, cwd=folder, writes=output) as child:
        child.write(concat_script(segments, rate).encode())
        child.finish(f"could not write {output}")
    if marks.kinds and is_mp4:
        write_marks(output, marks)


def _marked(
    segments: Sequence[tuple[str, int]], encoding: Encoding, rate: Fraction, marks: Marks
) -> tuple[str, int]:
    """The segments as one, from which ffmpeg copies the `marks` with the pictures."""
    folder = os.path.dirname(os.path.abspath(segments[0][0]))
    path = os.path.join(folder, f"marked{holder(encoding)}")
    words = {"c": "copy", "video_track_timescale": _ticks(rate), "movflags": "+faststart"}
    film = ffmpeg.input("pipe:0", **_CONCAT)["v:0"].output(FileName(path), **words)
    args = command(film, "-loglevel", "warning", *EXPERIMENTAL)
    with Child(args, stdin=True, cwd=folder, writes=path) as child:
        child.write(concat_script(segments, rate).encode())
        child.finish(f"could not write {path}")
    write_marks(path, marks)
    return path, sum(frames for _, frames in segments)


def _ticks(rate: Fraction) -> int:
    """Ticks a second of a track that holds every picture's time exactly, and starts finely."""
    return rate.numerator * max(1, -(-_FINE_TICKS // rate.numerator))


def concat_script(segments: Sequence[tuple[str, int]], rate: Fraction) -> str:
    """A concat script; lengths are differences of rounded sums, so that no error adds up."""
    lines, count, ended = ["ffconcat version 1.0"], 0, 0
    for path, frames in segments:
        name = os.path.basename(path)
        if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
            raise RenderError(f"{name!r} is no plain name for a segment.")
        count += frames
        end = round(count * 10**6 / rate)
        lines += [f"file 'file:{name}'", f"duration {_seconds(Fraction(end - ended, 10**6))}"]
        ended = end
    return "\n".join(lines) + "\n"


def _seconds(value: Fraction) -> str:
    """Decimal seconds, to the microsecond in which ffmpeg counts."""
    micros = round(value * 10**6)
    return f"{'-' if micros < 0 else ''}{abs(micros) // 10**6}.{abs(micros) % 10**6:06d}"


def _old(info: VideoInfo, cut: Span | None, item: Carried | None = None) -> Any:
    """The source on the new film's clock, moved as its stream `item` must be."""
    zero = info.start_time + (cut.start if cut else 0)
    later = late_start(info.turns_of(item.stream)) if item else Fraction(0)
    has_hidden = item is not None and bool(item.hidden.packets)  # by their numbers in the file
    return ffmpeg.input(
        FileName(os.path.abspath(info.path)),
        itsoffset=_seconds(_NUDGE[info.container.startswith("mpeg")] - zero + later),
        **(seek_args(info, cut.start) if cut and not has_hidden else {}),
        **source_args(),
    )


def _output(
    new: Any, info: VideoInfo, plan: StreamPlan, encoding: Encoding, output: str,
    rate: Fraction, start: Fraction, cut: Span | None,
) -> Any:  # fmt: skip
    # Metadata comes from the source even if no stream does: an optional stream that is not there.
    others = [_old(info, cut, item)[str(item.stream.index)] for item in plan.carried]
    others = others or [_old(info, cut)["d:999?"]]
    maps = [new["v:0"], *others]
    # Matroska's muxer draws random numbers for the names of tracks unless it is told not to.
    words: dict[str, Any] = {"c": "copy", "map_metadata": 1, "fflags": "+bitexact"}
    words["map_chapters"] = 1 if plan.stretch == 1 else -1
    for at, item in enumerate(plan.carried, start=1):
        words |= _coder_words(at, item, plan.stretch, start, cut, info.turns_of(item.stream))
        words |= packet_words(at, info, item, cut)
    # Segments keep no colour tags but those in the coded pictures, where FFV1 has none.
    color = coded_color(info, output_pix_fmt(info, encoding)[0])
    words |= {f"{key}:v:0": value for key, value in color_words(color).items()}
    # Only a statement: it makes Matroska's default duration exact, its ticks are milliseconds.
    if cut and cut.end is not None and not info.turns:  # ffmpeg goes by the file's clocks
        words["t"] = _seconds((cut.end - cut.start) * plan.stretch)
    words["r:v:0"] = f"{rate.numerator}/{rate.denominator}"
    words["disposition:v:0"] = "default" if info.stream.is_default else "0"
    if output.lower().endswith(MP4):
        words |= {"video_track_timescale": _ticks(rate), "movie_timescale": _ticks(rate)}
        words["movflags"] = "+faststart" + "+use_metadata_tags" * by_name(info, output)
        words["write_tmcd"] = int(plan.time_code is not None)
        words["metadata"] = "timecode="  # the file's own, of pictures at the old rate
        if encoding.encoder == "libx265" or encoding.encoder.startswith("hevc"):
            words["tag:v:0"] = "hvc1"
    if start > _LATE_SECONDS:
        # ffmpeg waits 10 s for the first picture; beyond that it would write the sound unsorted.
        words["max_interleave_delta"] = 0
    return ffmpeg.output(*maps, FileName(os.path.abspath(output)), **words)


def _covers(info: VideoInfo, plan: StreamPlan, output: str, folder: str) -> list[str]:
    """Words that attach cover pictures to a Matroska file, which would make films of them."""
    words: list[str] = []
    if not output.lower().endswith(".mkv"):
        return words
    at = plan.expected["attachment"]
    for item in plan.carried:
        kind = _PICTURES.get(item.stream.codec)
        if not item.stream.is_attached_picture or kind is None:
            continue
        name = f"cover-{item.stream.index}.{kind}"
        source = ffmpeg.input(FileName(os.path.abspath(info.path)), **source_args())
        picture = source[str(item.stream.index)].output(
            FileName(os.path.join(folder, name)), c="copy", format="image2pipe", vframes=1
        )
        if ask(command(picture)).code != 0:
            raise RenderError(f"The cover picture of {info.path} could not be read.")
        about = {"filename": f"cover.{kind}", "mimetype": f"image/{kind}"}
        words += ["-attach", name]
        for key, value in about.items():
            words += [f"-metadata:s:t:{at}", f"{key}={value}"]
        at += 1
    return words


def _coder_words(
    at: int, item: Carried, stretch: Fraction, start: Fraction, cut: Span | None,
    turns: Sequence[Turn],
) -> dict[str, str]:  # fmt: skip
    words, steps = {}, []
    if item.coder != "copy":
        words[f"c:{at}"] = item.coder
        if item.stream.kind == "audio" and turns:
            steps.append(f"asetpts='{frame_clock(turns)}'")
        if item.stream.kind in _TRIMS and cut:
            until = "" if cut.end is None else f":{_seconds(cut.end - cut.start)}"
            steps.append(f"{_TRIMS[item.stream.kind]}=0{until}")
    if item.stream.kind == "audio" and stretch != 1:
        # Where the film is cut, its zero is what stays in place; else its first picture is.
        begin = max(item.start - cut.start, Fraction(0)) if cut else item.start - start
        fixed = Fraction(0) if cut else start
        steps += _stretched(stretch, fixed + begin * stretch)
    if steps:
        words[f"filter:{at}"] = ",".join(steps)
    if item.coder in ("aac", "libmp3lame", "libopus"):
        words[f"b:{at}"] = "256k"
    if item.coder != "copy" and item.stream.kind == "video":
        words |= {f"crf:{at}": "18", f"b:{at}": "0", f"fps_mode:{at}": "passthrough"}
    return words


def _stretched(stretch: Fraction, start: Fraction) -> list[str]:
    """Audio filters that draw time out by `stretch` and let the sound begin at `start` seconds."""
    tempo, steps = 1 / stretch, ["aresample=async=1000"]  # gaps become silence
    while tempo < Fraction(1, 2):  # the slowest that one atempo filter goes
        steps.append("atempo=0.5")
        tempo *= 2
    steps.append(f"atempo={float(tempo):.9f}")
    # atempo leaves the time of the first sample as it was.
    return [*steps, f"asetpts=({_seconds(start)}+NB_CONSUMED_SAMPLES/SR)/TB"]


def _own_words(
    info: VideoInfo, plan: StreamPlan, output: str, rate: Fraction, cut: Span | None
) -> list[str]:
    """Words for the tags of the first video, and for titles that ffmpeg does not read.

    -map_metadata would unname all others.
    """
    own = {"language": info.stream.language, "title": info.stream.title}
    own["stereo_mode"] = stereo_tag(info, output)
    if plan.time_code and info.rate:
        later = cut.start if cut else Fraction(0)
        own["timecode"] = new_time_code(plan.time_code, info.rate, rate, later)
    told = [f"{key}={value}" for key, value in own.items() if value]
    words = [word for tag in told for word in ("-metadata:s:v:0", tag)]
    for at, item in enumerate(plan.carried, start=1):
        if item.stream.title:
            words += [f"-metadata:s:{at}", f"title={item.stream.title}"]
    return words


def _tag_words(info: VideoInfo, output: str, tags: Mapping[str, str]) -> list[str]:
    if output.lower().endswith(TRANSPORT):
        # No room for a comment, but for who sends the film; ffmpeg would name itself there.
        return ["-metadata", f"service_provider={tags['comment']}"] if "comment" in tags else []
    comment = next((value for key, value in info.tags if key.lower() == "comment"), "")
    words = []
    for key, value in tags.items():
        kept = _MARK.sub("", comment) if key == "comment" else ""
        words += ["-metadata", f"{key}={kept} [{value}]" if kept else f"{key}={value}"]
    return words


def read_tag(path: str) -> str | None:
    """The fingerprint in the metadata of a film that filmcli made; None if there is none."""
    entries = "format_tags=comment:program_tags=service_provider"
    try:
        report = read_report(path, "-show_entries", entries)
    except InputError:
        return None
    holders = (report.get("format", {}), *report.get("programs", ()))
    told = [value for holder in holders for value in holder.get("tags", {}).values()]
    return next((match[1] for value in told if (match := _MARK.search(value))), None)


def verify(
    output: str,
    frames: int,
    rate: Fraction,
    duration: Fraction,
    plan: StreamPlan,
) -> None:
    """Check the finished file, packet by packet of its video, against what was promised.

    `frames` pictures, evenly spaced at 1/`rate` within a tick of the container, together within
    half a picture of `duration` seconds; the streams of `plan` and no others; nothing that a reader
    complains of. Raises VerifyError.
    """
    complaints: list[str] = []
    try:
        info = probe(output)
        ticks = sorted(read_ticks(info, complaints.append))
    except (InputError, RenderError) as error:
        raise _broken(output, error.why) from error
    # Those of its demuxer: a decoder may complain of sound that was cut where it was copied.
    said = [words for words in complaints if words.startswith(f"[{info.container} @")]
    if said:
        raise _broken(output, f"ffprobe says: {said[0].partition('] ')[2]}")
    _check_count(output, len(ticks), frames)
    tick, step = info.time_base, 1 / rate
    unit = tick.denominator * step.denominator  # units to a second: no fraction for each picture
    long, short = step.numerator * tick.denominator, tick.numerator * step.denominator
    off = max(abs((at - ticks[0]) * short - k * long) for k, at in enumerate(ticks))
    worst = Fraction(off, unit)
    if worst > info.time_base:
        raise _broken(output, f"A picture is {float(worst):.6f} s out of its place.")
    # A part shorter than half a picture is one.
    if frames > 1 and abs(frames / rate - duration) * rate * 2 > 1:
        seconds = f"{float(frames / rate):.6f} s instead of {float(duration):.6f} s"
        raise _broken(output, f"Its pictures last {seconds}.")
    found: Counter[str] = Counter(s.kind for s in info.streams if s.index != info.stream.index)
    for kind in {*plan.expected, "video", "audio", "subtitle"}:
        count = plan.expected[kind]
        # Chapters of an mp4 are data of their own.
        if found[kind] < count or (found[kind] > count and kind != "data"):
            raise _broken(output, f"It holds {found[kind]} {kind} streams instead of {count}.")


def verify_count(output: str, frames: int) -> None:
    """Check that an animated picture holds `frames` pictures; VerifyError if it does not."""
    _check_count(output, len(read_ticks(probe(output))), frames)


def _check_count(output: str, found: int, frames: int) -> None:
    if found != frames:
        raise _broken(output, f"It holds {found} pictures instead of {frames}.")


def _broken(output: str, why: str) -> VerifyError:
    return VerifyError(
        f"The finished file {output} is not what was promised.",
        why,
        "Run the command again; if it fails again, try another container (.mkv) or codec.",
    )
