"""Where the clock of a film was set anew: joined recordings, a live stream that began again.

Such a film is pieces, each with a clock of its own; they are shown one after the other. All streams
of a piece are moved by the same time, so that sound stays with its picture: the first picture of a
piece follows the last one of the piece before it by one interval.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import lcm
from types import MappingProxyType
from typing import Any, NamedTuple

from filmcli.errors import RenderError
from filmcli.frames import Turn
from filmcli.video.source import listed

_MANY_CLOCKS = ("mpegts", "mpeg", "flv", "live_flv", "kux")

_BACK = Fraction(1, 2)
"""A stream that falls back by more than these seconds has a new clock; by less, it is disorder."""
_AHEAD = 10
"""So many seconds are no gap any more, if no other stream fills them (ffmpeg's own limit)."""
_STILL = Fraction(1, 25)
_MOST_PIECES = 1000


# Where pieces meet, sound may lie over the end of the sound before it.
NOT_TWICE = "noise=drop='if(gt(n,0)*lt(pts,ld(0)-duration/2),1,0*st(0,pts+duration))'"
"""The bit-stream filter that leaves such sound out, behind that of `packet_clock`."""


class Packet(NamedTuple):
    """What a packet says of itself: its stream's index, its times there in ticks, and its place.

    That is the number of its first byte in the file.
    """

    stream: int
    pts: int | None
    dts: int | None
    place: int | None = None


class Pieces(NamedTuple):
    """The number of a film's pieces, the `turns` of all streams, and how long its pictures last.

    `places` are those of each stream's first and last packet in the file.
    """

    number: int = 1
    turns: tuple[Turn, ...] = ()
    duration: Fraction | None = None
    places: Mapping[int, tuple[int, int]] = MappingProxyType({})

    @property
    def notice(self) -> tuple[str, ...]:
        """What to say of it, if there is anything."""
        if self.number == 1:
            return ()
        return (f"its clock is set anew in mid-film: {self.number} pieces are put end to end",)


def read_pieces(path: str, report: Mapping[str, Any], film: int) -> Pieces:
    """Find the pieces of the film in stream `film` of the file at `path`, of which ffprobe said
    `report`. All of it is read if its container lets a clock be set anew.
    """
    container = report["format"]["format_name"]
    if container not in _MANY_CLOCKS:
        return Pieces()
    timed = [raw for raw in report["streams"] if raw.get("codec_type") != "attachment"]
    ticks = {raw["index"]: Fraction(raw["time_base"]) for raw in timed}
    sparse = {raw["index"] for raw in timed if raw.get("codec_type") not in ("video", "audio")}
    is_mpeg = container.startswith("mpeg")
    try:
        return find_pieces(read_clock(path), ticks, film, sparse, leaps_ahead=is_mpeg)
    except RenderError:  # what is broken so far ends early, which decoding will tell
        return Pieces()


def read_clock(path: str) -> Iterator[Packet]:
    """All packets of all streams as they lie in the file; RenderError if it cannot be read."""
    for index, *told in listed(path, "-show_entries", "packet=stream_index,pts,dts,pos"):
        yield Packet(int(index), *(None if word == b"N/A" else int(word) for word in told[:3]))


def find_pieces(
    packets: Iterable[Packet],
    ticks: Mapping[int, Fraction],
    film: int,
    sparse: Collection[int] = (),
    *,
    leaps_ahead: bool = True,
) -> Pieces:
    """Find out where the clock of a film was set anew, from all its packets as they lie there.

    `ticks` are the time bases of the streams, `film` is the index of the one with the pictures;
    `sparse` streams (subtitles) may be silent for long. Without `leaps_ahead` only a clock that was
    set back is new, and a gap a gap however long. A clock that is set anew more than 1000 times is
    none, and nothing is said of it.
    """
    second = lcm(*(tick.denominator for tick in ticks.values()))
    found = _Finder(second, film, leaps_ahead)
    for stream, tick in ticks.items():
        found.tracks[stream] = _Track(int(tick * second), stream in sparse)
    places: dict[int, tuple[int, int]] = {}
    for packet in packets:
        if packet.place is not None:
            first, last = places.get(packet.stream, (packet.place, packet.place))
            places[packet.stream] = min(first, packet.place), max(last, packet.place)
        if packet.stream in found.tracks:
            found.take(packet)
        if len(found.pieces) > _MOST_PIECES:
            return Pieces()
    pieces = found.told() if len(found.pieces) > 1 else Pieces()
    return pieces._replace(places=places)


@dataclass
class _Run:
    """Packets of one stream in one piece, from its packet `number` on, in units of time.

    `gap` is the interval before the last of them, `delay` how long after its place in the coding
    the first is shown.
    """

    number: int
    piece: int
    low: int
    high: int
    gap: int
    delay: int

    def take(self, time: int) -> None:
        self.low = min(self.low, time)
        if time > self.high:
            self.high, self.gap = time, time - self.high
        elif time < self.high:  # coded later, shown earlier
            self.gap = min(self.gap, self.high - time)


@dataclass
class _Track:
    """One stream on its way through the pieces: `unit` units make a tick of it."""

    unit: int
    is_sparse: bool
    count: int = 0
    last: int = 0
    runs: list[_Run] = field(default_factory=list)


@dataclass
class _Piece:
    """What lies on one clock: how far it has come, and after what it is shown.

    Its run `run` begins where piece `before` has come to `end`; `is_sure` if by the pictures.
    """

    latest: int
    before: int = 0
    end: int = 0
    run: _Run | None = None
    is_sure: bool = False


@dataclass
class _Finder:
    """The pieces found so far; times are integers, `second` of them to a second."""

    second: int
    film: int
    leaps_ahead: bool
    tracks: dict[int, _Track] = field(default_factory=dict)
    pieces: list[_Piece] = field(default_factory=list)

    def take(self, packet: Packet) -> None:
        """Take in the next packet of the file."""
        track = self.tracks[packet.stream]
        stamp = packet.pts if packet.dts is None else packet.dts
        if stamp is not None:
            time = stamp * track.unit
            at = self._piece_of(time, track)
            self._enter(packet.stream, at, time, packet.pts)
            track.last = time
            self.pieces[at].latest = max(self.pieces[at].latest, time)
        track.count += 1

    def _piece_of(self, time: int, track: _Track) -> int:
        """The piece that a packet at `time` belongs to: mostly that of the packet before it."""
        if not self.pieces:
            self.pieces.append(_Piece(time, is_sure=True))
        if not track.runs:
            return len(self.pieces) - 1
        own, step = track.runs[-1].piece, time - track.last
        near = _AHEAD * self.second
        if -_BACK * self.second <= step and (step <= near or not self.leaps_ahead):
            return own
        # It has a new clock, or was silent: others may be there already, or have gone on.
        there = {other.runs[-1].piece for other in self.tracks.values() if other.runs}
        there -= {own} if step < 0 else set()
        away, at = min(
            ((abs(time - self.pieces[at].latest), at) for at in there), default=(near, 0)
        )
        if away < near:
            return at
        if track.is_sparse:
            return own
        self.pieces.append(_Piece(time))
        return len(self.pieces) - 1

    def _enter(self, stream: int, at: int, time: int, pts: int | None) -> None:
        """Let a packet at `time`, shown at `pts` if that is told, be one of piece `at`."""
        track, piece = self.tracks[stream], self.pieces[at]
        shown = None if pts is None else pts * track.unit
        old = track.runs[-1] if track.runs else None
        if old is None or old.piece != at:
            first = time if shown is None else shown
            still = int(_STILL * self.second)
            run = _Run(track.count, at, first, first, still, first - time)
            track.runs.append(run)
            # The pictures say where a piece belongs; where it has none, whatever came first does.
            if (
                old
                and old.piece < at
                and not piece.is_sure
                and (not piece.run or stream == self.film)
            ):
                piece.before, piece.end, piece.run = old.piece, old.high + old.gap, run
                piece.is_sure = stream == self.film
        run = track.runs[-1]
        run.take(time + run.delay if shown is None else shown)

    def told(self) -> Pieces:
        """What was found, in seconds."""
        shifts: list[int] = []
        for piece in self.pieces:
            shift = shifts[piece.before] + piece.end - piece.run.low if piece.run else 0
            shifts.append(shift)
        turns = tuple(turn for stream in self.tracks for turn in self._turns(stream, shifts))
        shown = [(run, shifts[run.piece]) for run in self.tracks[self.film].runs]
        until = max((run.high + run.gap + shift for run, shift in shown), default=0)
        since = min((run.low + shift for run, shift in shown), default=0)
        return Pieces(len(self.pieces), turns, Fraction(until - since, self.second) or None)

    def _turns(self, stream: int, shifts: Sequence[int]) -> Iterator[Turn]:
        """Where a stream goes over from piece to piece."""
        runs = self.tracks[stream].runs
        tick = Fraction(self.tracks[stream].unit, self.second)
        if runs and shifts[runs[0].piece]:  # it is not there from the beginning
            late = Fraction(shifts[runs[0].piece], self.second)
            yield Turn(stream, tick, 0, Fraction(0), late)
        for old, new in pairwise(runs):
            leap = Fraction(new.low - old.high, self.second)
            moved = Fraction(shifts[new.piece] - shifts[old.piece], self.second)
            yield Turn(stream, tick, new.number, leap, moved)


def frame_clock(turns: Sequence[Turn]) -> str:
    """The time of a decoded frame for ffmpeg's setpts or asetpts, by the `turns` of its stream.

    A turn shows by its leap: the time from frame to frame is more than half of it.
    """
    later = [turn for turn in turns if turn.number > 0]
    leap = "+".join(f"({turn.leap})*eq(ld(0),{k})" for k, turn in enumerate(later)) or "0"
    moved = [f"({late_start(turns)})"]
    moved += [f"({turn.shift})*gt(ld(0),{k})" for k, turn in enumerate(later)]
    turned = f"st(0,ld(0)+gte((PTS-PREV_INPTS)*TB/({leap}),0.5))"
    return f"PTS+0*{turned}+round(({'+'.join(moved)})/TB)"


def packet_clock(turns: Sequence[Turn]) -> str:
    """The times of copied packets for ffmpeg's setts, by the `turns` of their stream.

    It knows no ticks (ffmpeg 5 takes the input's for the output's), so steps are measured by the
    leap, of which both are known. What a stream needs from its beginning on is `late_start`.
    """
    later = [turn for turn in turns if turn.number > 0 and turn.leap]
    turned = "+".join(f"eq(N,{turn.number})" for turn in later) or "0"
    share = "+".join(f"({1 + turn.shift / turn.leap})*eq(N,{turn.number})" for turn in later) or "1"
    dts = f"if(eq(N,0),DTS,PREV_OUTDTS+round((DTS-PREV_INDTS)*if({turned},{share},1)))"
    return f"setts=pts='PTS-DTS+{dts}':dts='{dts}'"


def packet_numbers(
    packets: Iterable[Packet], turns: Sequence[Turn], since: Fraction, until: Fraction | None
) -> tuple[int, int]:
    """The half-open range of packets from `since` to before `until`, by the `turns` of a stream."""
    moved, first, last = Fraction(0), 0, 0
    stream, tick = turns[0].stream, turns[0].tick
    shifts = {turn.number: turn.shift for turn in turns}
    own = (packet for packet in packets if packet.stream == stream)
    for number, packet in enumerate(own):
        moved += shifts.get(number, 0)
        stamp = packet.pts if packet.dts is None else packet.dts
        time = (stamp or 0) * tick + moved
        first += stamp is None or time < since
        last += until is None or stamp is None or time < until
    return first, last


def late_start(turns: Sequence[Turn]) -> Fraction:
    """By how many seconds a stream is moved that only begins after the first piece, else 0."""
    return sum((turn.shift for turn in turns if turn.number == 0), Fraction(0))
