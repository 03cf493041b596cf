"""What the edit list of an mp4 or mov hides, which is not to come back in another container.

ffmpeg hands hidden packets out with a mark that decoders go by. A copy loses it: mp4 and mov then
hide only what lies before the film's start, other containers nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from filmcli.frames import StreamInfo, VideoInfo
from filmcli.video.boxes import edits
from filmcli.video.source import listed
from filmcli.video.tags import MP4


class _Packet(NamedTuple):
    time: Fraction
    is_key: bool
    is_hidden: bool


@dataclass(frozen=True)
class Hidden:
    """Packets of a stream that must stay away: their numbers, from 0 on, and times.

    Times are seconds from the container's start. `is_needed` if what is shown is coded after them.
    """

    packets: tuple[tuple[int, Fraction], ...] = ()
    is_needed: bool = False

    def since(self, start: Fraction) -> Hidden:
        """Those of them from `start` on, which is zero then."""
        later = ((number, time - start) for number, time in self.packets if time >= start)
        return Hidden(tuple(later), self.is_needed)

    def by_number(self) -> str:
        """An expression of ffmpeg's that is true for these packets of a copied stream."""
        return "+".join(f"between(n,{low},{high})" for low, high in _runs(self.packets))

    def by_time(self) -> str:
        """One for text subtitles that are recoded: by their times, in whole milliseconds."""
        return "+".join(f"lt(abs(pts*tb-{float(time):.4f}),0.001)" for _, time in self.packets)


NOTHING_HIDDEN = Hidden()


def find_hidden(info: VideoInfo, stream: StreamInfo, output: str) -> Hidden:
    """Packets of a `stream` beside the film that must stay away from a file like `output`.

    All of them are listed where there is an edit list that such a file does not have.
    RenderError if ffprobe fails.
    """
    if "mp4" not in info.container or stream.kind == "attachment" or stream.is_attached_picture:
        return NOTHING_HIDDEN
    hides_itself = output.lower().endswith(MP4)
    counts = edits(info.path)
    if stream.index < len(counts) and counts[stream.index] <= hides_itself:
        return NOTHING_HIDDEN
    packets = list(_packets(info, stream))
    hidden = [number for number, packet in enumerate(packets) if packet.is_hidden]
    shown = next((number for number, packet in enumerate(packets) if not packet.is_hidden), 0)
    if hides_itself:
        hidden = [at for at in hidden if at > shown or packets[at].time >= 0]
    # A decoder of sound needs the packet before the first that is heard.
    away = [at for at in hidden if stream.kind != "audio" or at != shown - 1]
    is_needed = stream.kind == "video" and _is_needed(packets, away)
    return Hidden(tuple((number, packets[number].time) for number in away), is_needed)


def _packets(info: VideoInfo, stream: StreamInfo) -> Iterator[_Packet]:
    wanted = ("-select_streams", str(stream.index), "-show_entries", "packet=pts_time,flags")
    for time, flags, *_ in listed(info.path, *wanted):
        since = Fraction(0) if time == b"N/A" else Fraction(time.decode()) - info.start_time
        yield _Packet(since, b"K" in flags, b"D" in flags)


def _is_needed(packets: Sequence[_Packet], away: Sequence[int]) -> bool:
    """Whether shown pictures follow one that is left out, before the next key picture."""
    missing, is_torn = set(away), False
    for number, packet in enumerate(packets):
        is_torn = number in missing or (is_torn and not packet.is_key)
        if is_torn and not packet.is_hidden:
            return True
    return False


def _runs(packets: Sequence[tuple[int, Fraction]]) -> Iterator[tuple[int, int]]:
    """First and last numbers of packets that follow each other."""
    for _, run in groupby(enumerate(packets), lambda at: at[1][0] - at[0]):
        numbers = [number for _, (number, _) in run]
        yield numbers[0], numbers[-1]
