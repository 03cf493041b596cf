"""Times that a container does not tell, or tells wrong, put right.

AVI and GXF tell the order in which pictures were coded, and no times. ffmpeg takes the time at
which a picture is coded, and adds what the decoder waits for a later one that must be shown before
it. Such pictures are shown from the first coded one on, though, at even times: so those are late by
the wait, while sound is not. Decoders of MPEG-1 wait after the first. The last one of a GXF seems
to follow after one field.

A fragmented mp4 without edit lists moves all by what a codec of sound puts before the first sample,
and its first picture fills that time: it is early, and all others would be off its even grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from filmcli.frames import IN_TIME, Late
from filmcli.video.source import read_report

_ORDERED = ("avi", "gxf")
_SEEN = 4  # even intervals are enough to call one odd
_LONGEST_WAIT = 16  # pictures that a decoder may hold back, by the rules of H.264


def late_by(
    path: str, container: str, raw: Mapping[str, Any], frames: Sequence[Mapping[str, Any]]
) -> Late:
    """How late the film's pictures seem to be, mostly not at all.

    `raw` is what ffprobe says of the stream, `frames` of its first pictures.
    """
    looked_at = frames[:3] if container in _ORDERED else frames
    told = [frame.get("best_effort_timestamp") for frame in looked_at]
    shown = [int(time) for time in told if time is not None]
    if len(shown) < max(3, len(told)):
        return IN_TIME
    if "mp4" in container:
        return Late(first=-_early(shown) * Fraction(raw["time_base"]))
    if container not in _ORDERED:
        return IN_TIME
    first, second, third = shown
    step = third - second
    where = ("-select_streams", str(raw["index"]), "-read_intervals", "%+#4")
    packets = read_report(path, *where, "-show_entries", "packet=dts,flags").get("packets", [])
    coded = [int(packet["dts"]) for packet in packets[:4] if "dts" in packet]
    is_even = len(coded) > 2 and {after - before for before, after in pairwise(coded)} == {step}
    if not is_even or "K" not in packets[0]["flags"]:
        return IN_TIME
    first_wait, wait = first - coded[0], second - coded[0] - step
    if not all(0 <= late <= _LONGEST_WAIT * step for late in (first_wait, wait)):
        return IN_TIME
    tick = Fraction(raw["time_base"])
    return Late(first_wait * tick, wait * tick, step * tick * (container == "gxf"))


def _early(shown: Sequence[int]) -> int:
    """By how many ticks the first picture is shown too early, all others being even."""
    first, *steps = (after - before for before, after in pairwise(shown))
    is_even = len(steps) >= _SEEN and max(steps) - min(steps) <= 1
    early = first - min(steps)
    return early if is_even and 1 < early < min(steps) - 1 else 0
