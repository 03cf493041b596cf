"""Which packets of the other streams come along, and when: by ffmpeg's bit-stream filters."""

from __future__ import annotations

from collections.abc import Iterator

from filmcli.frames import Span, VideoInfo
from filmcli.video.clock import NOT_TWICE, packet_clock, packet_numbers, read_clock
from filmcli.video.streams import Carried

_EARLIER = "lt(pts,0)"
# A subtitle on screen at the cut begins there. One that is converted is left out: ffmpeg 5 loses
# the last packet of a converted stream in setts.
_GONE = "lte(pts+duration,0)"
_CUT_SHORT = "setts=pts='max(PTS,0)':dts='max(DTS,0)':duration='DURATION+min(PTS,0)'"


def packet_words(at: int, info: VideoInfo, item: Carried, cut: Span | None) -> dict[str, str]:
    """ffmpeg's words for the packets of output stream `at`, of which a `cut` leaves that span."""
    if item.stream.is_attached_picture:
        return {}
    if info.turns_of(item.stream) and item.coder == "copy":
        return {f"bsf:{at}": ",".join(_unbroken(info, item, cut))}
    if filters := list(_filters(item, cut)):
        return {f"bsf:{at}": ",".join(filters)}
    return {f"copypriorss:{at}": "0"} if cut else {}


def _filters(item: Carried, cut: Span | None) -> Iterator[str]:
    """Filters that leave out what an edit list hides, and what lies before the new film's zero."""
    is_subtitle, is_copied = item.stream.kind == "subtitle", item.coder == "copy"
    away = []
    if item.hidden.packets and is_copied:
        away.append(item.hidden.by_number())
    elif item.hidden.packets and is_subtitle:  # other decoders go by the marks
        away.append(item.hidden.by_time())
    if cut and (is_subtitle or away):
        away.append(_GONE if is_subtitle and is_copied else _EARLIER)
    if away:
        yield f"noise=drop='{'+'.join(away)}'"
    if cut and is_subtitle and is_copied:
        yield _CUT_SHORT


def _unbroken(info: VideoInfo, item: Carried, cut: Span | None) -> Iterator[str]:
    """Filters that put a copied stream on one clock, and cut it there."""
    turns = info.turns_of(item.stream)
    yield packet_clock(turns)
    if cut:
        start = info.start_time
        end = None if cut.end is None else start + cut.end
        first, last = packet_numbers(read_clock(info.path), turns, start + cut.start, end)
        yield f"noise=drop='lt(n,{first})+gte(n,{last})'"
    if item.stream.kind == "audio":
        yield NOT_TWICE
