"""Which of the films in a file is meant: the default one, or one that is asked for by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from filmcli.errors import UsageError
from filmcli.frames import Programme, StreamInfo
from filmcli.video.source import no_film


def read_programmes(report: Mapping[str, Any]) -> tuple[Programme, ...]:
    """The programmes of an MPEG-TS in ffprobe's `report`; none of another file."""
    return tuple(
        Programme(
            raw["program_id"],
            raw.get("tags", {}).get("service_name"),
            tuple(stream["index"] for stream in raw.get("streams", ())),
        )
        for raw in report.get("programs", ())
    )


def choose_film(
    path: str,
    streams: Sequence[StreamInfo],
    programmes: Sequence[Programme],
    wanted: int | None = None,
) -> tuple[StreamInfo, tuple[StreamInfo, ...], tuple[str, ...]]:
    """The stream of the film, all streams that belong to it, and a notice if others are left out.

    `wanted` is the index of a video stream or the number of a programme; without it the default
    stream is taken, or the first. Raises InputError if there is no film, UsageError if there is
    none of that number.
    """
    films = [s for s in streams if s.kind == "video" and not s.is_attached_picture]
    if not films:
        kinds = ", ".join(sorted({_kind(s) for s in streams})) or "nothing"
        raise no_film(path, f"It holds no video stream (it holds: {kinds}).")
    if wanted is None:
        film = next((s for s in films if s.is_default), films[0])
    else:
        film = _numbered(path, films, programmes, wanted)
    mine = [p for p in programmes if film.index in p.streams]
    if not mine:
        return film, tuple(streams), ()
    inside = {index for programme in mine for index in programme.streams}
    left = [p for p in programmes if inside.isdisjoint(p.streams) and p.streams]
    outside = {index for programme in left for index in programme.streams}
    kept = tuple(s for s in streams if s.index not in outside)
    if not left:
        return film, kept, ()
    others = ", ".join(str(programme.number) for programme in left)
    notice = (
        f"programme {mine[0].number} is made; others are left out: {others} (--video takes one)"
    )
    return film, kept, (notice,)


def without_neighbours(
    film: StreamInfo, streams: Sequence[StreamInfo], places: Mapping[int, tuple[int, int]]
) -> tuple[tuple[StreamInfo, ...], tuple[str, ...]]:
    """The streams without those of other films that end before this one in the file, or follow it.

    So lie recordings in a file that was joined of some with streams of other numbers. `places` say
    where each stream begins and ends. A notice says what is left out.
    """
    first, last = places.get(film.index, (0, 0))

    def is_apart(stream: StreamInfo) -> bool:
        begin, end = places.get(stream.index, (first, last))
        return begin > last or end < first

    others = [s for s in streams if s.kind == "video" and is_apart(s)]
    if not others:
        return tuple(streams), ()
    numbers = ", ".join(str(stream.index) for stream in others)
    notice = f"another film comes before or after this one and is left out (--video {numbers})"
    return tuple(s for s in streams if not is_apart(s)), (notice,)


def _numbered(
    path: str, films: Sequence[StreamInfo], programmes: Sequence[Programme], wanted: int
) -> StreamInfo:
    of_programme = [
        s for p in programmes if p.number == wanted for s in films if s.index in p.streams
    ]
    for film in (*(s for s in films if s.index == wanted), *of_programme):
        return film
    indexes = ", ".join(str(s.index) for s in films)
    numbers = ", ".join(str(p.number) for p in programmes)
    raise UsageError(
        f"{path} holds no film of the number {wanted}",
        f"its video streams are {indexes}" + (f", its programmes {numbers}" if numbers else ""),
        "give --video one of these numbers",
    )


def _kind(stream: StreamInfo) -> str:
    return "a cover picture" if stream.is_attached_picture else stream.kind
