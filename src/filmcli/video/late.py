"""AVI tells the order in which pictures were coded, and no times: a decoder that waits is guessed.

Decoders of MPEG-1 and MPEG-4 hold a picture back, in case a later one must be shown first. Where
none must, ffmpeg takes all pictures but the first for one interval later than they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from filmcli.video.source import read_report


def late_by(
    path: str, container: str, raw: Mapping[str, Any], frames: Sequence[Mapping[str, Any]]
) -> Fraction:
    """Seconds by which all pictures but the first seem to be late, mostly 0.

    `raw` is what ffprobe says of the stream, `frames` of its first pictures.
    """
    times = [frame.get("best_effort_timestamp") for frame in frames[:3]]
    if container != "avi" or len(times) < 3 or None in times:
        return Fraction(0)
    first, second, third = (int(time) for time in times if time is not None)
    step = third - second
    if step <= 0 or second - first != 2 * step:
        return Fraction(0)
    where = ("-select_streams", str(raw["index"]), "-read_intervals", "%+#4")
    packets = read_report(path, *where, "-show_entries", "packet=dts").get("packets", [])
    coded = [int(packet["dts"]) for packet in packets[:4] if "dts" in packet]
    is_even = len(coded) > 2 and {after - before for before, after in pairwise(coded)} == {step}
    return step * Fraction(raw["time_base"]) if is_even else Fraction(0)
