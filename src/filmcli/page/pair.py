"""Two films on one page, in step.

The page is one file that holds both films if they are small. Else they lie beside it, and a film
that browsers play as it is stays where it is.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from filmcli.comparison import Shown, title, workshop
from filmcli.frames import Span
from filmcli.page.films import Played, Progress, played
from filmcli.page.marks import Marks, timed_marks
from filmcli.page.sheet import data, filled, sheet, text
from filmcli.survey.firstpass import first_pass

INSIDE_BYTES = 48 << 20
"""Films that are no larger together lie inside the page, which they make a third larger."""

View = Literal["split", "side", "stack", "diff", "flip"]
GENERATOR = "filmcli compare"

_STYLES = ("look.css", "player.css")
_SCRIPTS = ("frames.js", "ahead.js", "pair.js", "stage.js", "timeline.js", "controls.js", "main.js")


@dataclass(frozen=True)
class Opening:
    """How the page shows itself at first: the view, and how many times as fast as life."""

    view: View = "split"
    speed: float = 1.0


@dataclass(frozen=True)
class Written:
    """The page at `path`, if its films lie inside it, and bytes of all that was made for it."""

    path: str
    is_inside: bool
    size: int


def page_files(output: str) -> list[str]:
    """Names that a page may take: its own, and those of films that are made to lie beside it."""
    stem = os.path.splitext(output)[0]
    return [output, f"{stem}.source.mp4", f"{stem}.result.mp4"]


def write_pair(
    source: Shown,
    result: Shown,
    output: str,
    mark: Callable[[Played, Played], Marks],
    *,
    part: Span | None = None,
    opening: Opening | None = None,
    progress: Progress = lambda done: None,  # noqa: ARG005
) -> Written:
    """Write a page of both films to `output`, whole or not at all.

    `mark` says what is known of the result's frames, once both films are there. Of the source only
    a `part` is shown, if one is given. `progress` hears how many of the result's frames are done,
    if it has to be made. Files of the names `page_files` are replaced. Raises RenderError if a film
    cannot be made, OSError where nothing can be written.
    """
    page, *beside = page_files(output)
    with workshop(output) as folder:
        left, right = (os.path.join(folder, os.path.basename(name)) for name in beside)
        first = played(source.info, left, part=part)
        second = played(result.info, right, with_sound=True, progress=progress)
        films, marks = {"source": first, "result": second}, mark(first, second)
        is_inside = first.size + second.size <= INSIDE_BYTES
        addresses = {} if is_inside else _addresses(films, output)
        facts = _facts(films, addresses, marks, (opening or Opening()).speed)
        words = _words(source, result, films, opening or Opening())
        body = filled("player.html", **words, data=data("data", facts))
        if is_inside:
            body += "".join(_embedded(name, film) for name, film in films.items())
        draft = os.path.join(folder, "page")
        with open(draft, "w", encoding="utf-8") as file:
            file.write(sheet(_name(result), GENERATOR, _STYLES, body, _SCRIPTS))
        size = os.path.getsize(draft)
        for film, name in zip(films.values(), beside, strict=True):
            if film.is_made and not is_inside:
                size += film.size
                os.replace(film.path, name)
        os.replace(draft, page)
    return Written(page, is_inside, size)


def write_timed(
    source: Shown, result: Shown, output: str, opening: Opening, progress: Progress
) -> Written:
    """Write a page of two films of which nothing is known but what can be seen in them.

    The source's cuts are found, and the result's frames are told apart by their times. Arguments
    and errors are those of `write_pair`.
    """
    found = first_pass(source.info)
    cuts = [found.times[cut] for cut in found.cuts]

    def mark(left: Played, right: Played) -> Marks:
        return timed_marks(left.shown, right.shown, cuts)

    return write_pair(source, result, output, mark, opening=opening, progress=progress)


def _facts(
    films: Mapping[str, Played], addresses: Mapping[str, str], marks: Marks, speed: float
) -> dict[str, Any]:
    """What the page's scripts work with."""
    source, result = films["source"], films["result"]
    return {
        "films": {
            name: {
                "href": addresses.get(name),
                "type": film.media_type,
                "frames": film.frames(),
                "about": film.about,
            }
            for name, film in films.items()
        },
        "kinds": marks.kinds,
        "legend": [kind._asdict() for kind in marks.legend],
        "cuts": list(marks.cuts),
        "clock": {
            "result": float(marks.clock.result - result.origin),
            "source": float(marks.clock.source - source.origin),
            "slow": float(marks.clock.slow),
        },
        "sound": result.has_sound,
        "speed": speed,
    }


def _words(
    source: Shown, result: Shown, films: Mapping[str, Played], opening: Opening
) -> dict[str, str]:
    """What stands in the page's places, as HTML."""
    info = result.info
    told = [
        f"<p>{text(title(shown))}: {film.about}.</p>"
        for shown, film in zip((source, result), films.values(), strict=True)
    ]
    return {
        "title": text(f"{_name(source)} and {_name(result)}"),
        "view": opening.view,
        "ratio": f"{float(info.width * info.sample_aspect_ratio / info.height):.6f}",
        "source": text(title(source)),
        "result": text(title(result)),
        "about": "\n".join(told),
    }


def _name(film: Shown) -> str:
    return os.path.basename(os.path.normpath(film.name))


def _embedded(name: str, film: Played) -> str:
    """The film as a part of the page."""
    with open(film.path, "rb") as file:
        coded = base64.b64encode(file.read()).decode()
    return f'<script type="text/plain" id="film-{name}">{coded}</script>\n'


def _addresses(films: Mapping[str, Played], output: str) -> dict[str, str]:
    """Where the films are, seen from the page."""
    home = os.path.dirname(os.path.abspath(output))

    def place(film: Played) -> str:
        here = os.path.basename(film.path)
        return here if film.is_made else os.path.relpath(film.path, home)

    return {name: quote(os.fsencode(place(film))) for name, film in films.items()}
