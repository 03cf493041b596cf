"""Pictures in files of their own that make one film: which they are, and in which order.

A sequence is named by its folder or by a pattern as ffmpeg has them (`frames/%05d.png`). Its
pictures are counted, so one that is missing is found out before anything is read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from filmcli.errors import InputError, UsageError

PICTURE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
"""Endings of the pictures that a sequence may consist of."""

_KINDS = {".jpeg": ".jpg", ".tiff": ".tif"}
_PATTERN = re.compile(r"(?P<head>[^%]*)%(?:0(?P<width>[1-9]))?d(?P<tail>[^%]*)")
_COUNTED = re.compile(r"(?P<head>.*?)(?P<number>\d+)(?P<tail>\D*)")


def natural(path: str) -> list[tuple[int, str]]:
    """Sort key in which 2 comes before 10."""
    parts = re.split(r"(\d+)", path)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def is_picture(name: str) -> bool:
    """True for a name that a picture has, and that is not hidden."""
    return _kind(name) in PICTURE_EXTENSIONS and not os.path.basename(name).startswith(".")


def is_pattern(path: str) -> bool:
    """True for a pattern of pictures, `%05d.png`, unless there is a file of just that name."""
    match = _PATTERN.fullmatch(os.path.basename(path))
    return bool(match) and is_picture(path.replace("%", "_")) and not os.path.lexists(path)


def pictures_of(path: str) -> list[str]:
    """Paths of the pictures of the sequence at `path`, a folder or a pattern, in their order.

    Raises InputError if there are none, if one is missing between its neighbours, or if they are
    of several kinds.
    """
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    try:
        names = [name for name in os.listdir(folder or ".") if is_picture(name)]
    except OSError as error:
        raise InputError(f"{path} cannot be opened.", f"{error.strerror}.", "") from error
    if not os.path.isdir(path):
        names = _matching(names, os.path.basename(path))
    if not names:
        raise InputError(
            f"{path} stands for no picture.", "No file there fits.", "Check the folder's name."
        )
    kinds = sorted({_kind(name) for name in names})
    if len(kinds) > 1:
        raise InputError(
            f"The pictures of {path} are of several kinds: {' '.join(kinds)}.",
            "A sequence is of one kind.",
            f"Name one kind by a pattern: {os.path.join(folder, '%05d' + kinds[0])}",
        )
    names.sort(key=natural)
    _check_count(path, names)
    return [os.path.join(folder, name) for name in names]


def present(pattern: str) -> list[str]:
    """Paths of the files that fit `pattern` now, by number."""
    folder = os.path.dirname(pattern)
    names = _matching(os.listdir(folder or "."), os.path.basename(pattern))
    return [os.path.join(folder, name) for name in sorted(names, key=natural)]


def check_apart(source: str, output: str) -> None:
    """UsageError if the picture or pattern `output` would put pictures among those of `source`."""
    if not os.path.isdir(source) and not is_pattern(source):
        return
    there = set(present(output) if is_pattern(output) else [output])
    mine = {os.path.realpath(path) for path in pictures_of(source)}
    is_inside = os.path.isdir(source) and os.path.realpath(source) == os.path.realpath(
        os.path.dirname(output) or "."
    )
    if is_inside or not mine.isdisjoint(map(os.path.realpath, there)):
        raise UsageError(
            f"{output} would put new pictures among those of {source}",
            "the input is never replaced",
            "name another folder with -o",
        )


def numbered(pattern: str, number: int) -> str:
    """The path that `pattern` gives to picture `number`."""
    folder, name = os.path.split(pattern)
    match = _PATTERN.fullmatch(name)
    assert match is not None, pattern
    digits = f"{number:0{int(match['width'] or 1)}d}"
    return os.path.join(folder, match["head"] + digits + match["tail"])


def film_name(path: str) -> str:
    """What the film at `path` is called: of a sequence, the folder's name or the pattern's."""
    if os.path.isdir(path):
        return os.path.normpath(os.path.abspath(path) if _is_dots(path) else path) + ".mkv"
    if not is_pattern(path):
        return "standard-input.mkv" if path == "-" else path
    folder, name = os.path.split(path)
    stem = name.partition("%")[0].rstrip("._- ")
    return os.path.join(folder, (stem or os.path.basename(os.path.abspath(folder))) + ".mkv")


def _is_dots(path: str) -> bool:
    return set(os.path.basename(os.path.normpath(path))) <= {"."}


def _kind(name: str) -> str:
    ending = os.path.splitext(name)[1].lower()
    return _KINDS.get(ending, ending)


def _matching(names: Iterable[str], pattern: str) -> list[str]:
    match = _PATTERN.fullmatch(pattern)
    assert match is not None, pattern
    width = int(match["width"] or 1)
    number = rf"(?:\d{{{width}}}|[1-9]\d{{{width},}})"
    fits = re.compile(re.escape(match["head"]) + number + re.escape(match["tail"]))
    return [name for name in names if fits.fullmatch(name)]


def _check_count(path: str, names: Sequence[str]) -> None:
    """InputError if counted names leave out a number, or have one twice."""
    counted = [_COUNTED.fullmatch(name) for name in names]
    # Names of several series, or without numbers, are only put in order.
    if len({match and (match["head"], match["tail"]) for match in counted}) > 1:
        return
    numbers = [int(match["number"]) for match in counted if match]
    for (left, right), (before, after) in zip(pairwise(numbers), pairwise(names), strict=True):
        if right == left:
            raise InputError(f"{before} and {after} of {path} are both picture {left}.", "", "")
        if right > left + 1:
            lacking = f"{left + 1}" if right == left + 2 else f"{left + 1} to {right - 1}"
            raise InputError(
                f"The sequence {path} lacks picture {lacking}.",
                f"{before} is followed by {after}.",
                "Add what is missing, or name each unbroken part by a folder of its own.",
            )
