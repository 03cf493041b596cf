"""A film made anew without a network: each output picture is the source picture of its time."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from pathlib import Path

from filmcli.frames import VideoInfo
from filmcli.video.codecs import Encoding
from filmcli.video.decode import decode, last_duration
from filmcli.video.encode import SEGMENT_SUFFIX, SegmentWriter
from filmcli.video.mux import join, verify
from filmcli.video.probe import probe
from filmcli.video.streams import StreamPlan, plan_streams

FAST = Encoding("x264", preset="ultrafast")
LOSSLESS = Encoding("ffv1")


def remake(
    source: str,
    output: Path,
    rate: Fraction,
    encoding: Encoding = FAST,
    lengths: tuple[int, ...] = (1, 7),
    stretch: Fraction = Fraction(1),
) -> tuple[VideoInfo, StreamPlan]:
    """Write `output` at `rate` in segments of `lengths` (the last takes the rest); verify it."""
    info = probe(source)
    frames = list(decode(info))
    times = [frame.time for frame in frames]
    times = [times[0] + (time - times[0]) * stretch for time in times]
    duration = times[-1] - times[0] + last_duration(info, [f.time for f in frames]) * stretch
    count = max(1, (duration * rate + Fraction(1, 2)).__floor__())
    shown = [frames[bisect_right(times, times[0] + k / rate) - 1].planes for k in range(count)]
    work = output.parent / f"{output.name}.work"
    work.mkdir()
    segments, first = [], 0
    while first < count:
        at = len(segments)
        length = min(lengths[at] if at < len(lengths) else count, count - first)
        path = str(work / f"{at:06d}{SEGMENT_SUFFIX}")
        with SegmentWriter(path, info, encoding, rate) as writer:
            for planes in shown[first : first + length]:
                writer.write(planes)
        segments.append((path, length))
        first += length
    plan = plan_streams(info, str(output), stretch=stretch)
    tags = {"comment": "filmcli 0123abcd"}
    join(segments, info, encoding, rate, times[0], plan, str(output), tags)
    verify(str(output), count, rate, duration, plan)
    return info, plan
