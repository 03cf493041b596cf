"""Which films a command line means: files as given, a folder's films, never our own outputs.

A folder of pictures is one film.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from filmcli.errors import InputError, UsageError
from filmcli.pipeline.job import is_folder_name, output_path
from filmcli.video.sequence import film_name, is_picture, natural

FILM_EXTENSIONS = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".ts", ".m2ts"),
    *(".mts", ".vob", ".wmv", ".flv", ".3gp", ".ogv", ".mxf", ".y4m", ".gif", ".dv"),
)
_OURS = re.compile(
    r"\.(\d+(\.\d+)?fps|\d+(\.\d+)?x|slow\d+(\.\d+)?x)(\.preview)?\.[^.]+$|\.compare\.[^.]+$"
)


def films(inputs: Sequence[str], output: str | None) -> Iterator[tuple[str, str | None]]:
    """Yield each film with the `output` to ask for it.

    A folder stands for the films in it, at any depth, in natural order; with `output` a folder, its
    tree is mirrored there. A folder with pictures in it is itself one film. Raises InputError for a
    folder without films, UsageError for one with both kinds, and if one output file is named for
    several films.
    """
    pairs = [pair for given in inputs for pair in _expand(given, output)]
    if len(pairs) > 1 and output == "-":
        raise UsageError("standard output holds one film", f"{len(pairs)} were given", "give one")
    if len(pairs) > 1 and output is not None and not _is_folder(output):
        raise UsageError(
            f"{output} cannot hold {len(pairs)} films",
            "it is not a folder",
            f"name a folder: -o {output}/",
        )
    yield from pairs


def refuse_collisions(pairs: Sequence[tuple[str, str | None]]) -> None:
    """UsageError if two films would be written under one name."""
    sources: dict[str, str] = {}
    for source, output in pairs:
        target = os.path.abspath(output_path(film_name(source), "", output))
        if output != "-" and sources.setdefault(target, source) != source:
            raise UsageError(
                f"{sources[target]} and {source} would have one output",
                "their names differ only in folder or ending",
                "give them in two commands, with another -o",
            )


def films_here() -> list[str]:
    """Return the films that lie in the current folder itself, in natural order."""
    return sorted(
        (name for name in os.listdir() if _is_film(name) and os.path.isfile(name)), key=natural
    )


def _is_folder(output: str) -> bool:
    return is_folder_name(output) or os.path.isdir(output)


def _expand(given: str, output: str | None) -> Iterator[tuple[str, str | None]]:
    if not os.path.isdir(given):
        yield given, output
        return
    found = sorted(_films_below(given), key=natural)
    pictures = [name for name in os.listdir(given) if is_picture(name)]
    if pictures and not found:
        yield given, output
        return
    # One picture beside films is a cover; several are a sequence.
    if len(pictures) > 1:
        raise UsageError(
            f"{given} holds both films and pictures",
            f"{os.path.relpath(found[0], given)} and {len(pictures)} pictures",
            f"name the films themselves, or the pictures by a pattern: {_pattern(given, pictures)}",
        )
    if not found:
        raise InputError(f"{given} holds no film", "", "name a file, or a folder with films in it")
    for path in found:
        if output is None or output == "-":
            yield path, output
        else:
            inside = os.path.dirname(os.path.relpath(path, given))
            yield path, os.path.join(output, inside, "")


def _films_below(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (os.path.join(parent, name) for name in names if _is_film(name))


def _is_film(name: str) -> bool:
    """True for a name that films have, but neither hidden nor one of our own outputs."""
    is_film = os.path.splitext(name)[1].lower() in FILM_EXTENSIONS
    return is_film and not name.startswith(".") and not _OURS.search(name)


def _pattern(folder: str, pictures: Sequence[str]) -> str:
    ending = os.path.splitext(min(pictures, key=natural))[1]
    return os.path.join(folder, f"%05d{ending}")
