"""The machine's video engines, which decode beside the processor, where they do it as well."""

from __future__ import annotations

import glob
import os
import sys
from dataclasses import replace
from functools import lru_cache
from itertools import islice, zip_longest

import numpy as np

from filmcli.errors import FilmcliError
from filmcli.frames import Frame, VideoInfo
from filmcli.video.decode import decode
from filmcli.video.process import ask

ENGINES = "cuda", "videotoolbox", "vaapi"
_COMPARED = 12  # pictures: beyond the first group of them, in most films


def engines() -> tuple[str, ...]:
    """The engines that this machine seems to have, and that its ffmpeg knows."""
    seen = {
        "cuda": os.path.exists("/dev/nvidiactl"),
        "videotoolbox": sys.platform == "darwin",
        "vaapi": bool(glob.glob("/dev/dri/renderD*")),
    }
    return tuple(engine for engine in ENGINES if seen[engine] and engine in _known())


def decoded_by(info: VideoInfo, asked: str) -> VideoInfo:
    """The film as the engine `asked` decodes it, by "auto" any of them, by "off" none.

    An engine is taken if it gives the first pictures to the last bit. Where none does, the film is
    left to the processor, and a notice says why; "auto" is silent where there is no engine.
    """
    reasons = []
    for engine in engines() if asked == "auto" else () if asked == "off" else (asked,):
        film = replace(info, engine=engine)
        why = _why_not(info, film)
        if why is None:
            return film
        reasons.append(f"{engine}: {why}")
    if not reasons:
        return info
    told = f"decoded by the processor ({'; '.join(reasons)})"
    return replace(info, notices=(*info.notices, told))


def _why_not(info: VideoInfo, film: VideoInfo) -> str | None:
    """Say why `film`, which is `info` by an engine, is not decoded by it; None if it can be."""
    if film.engine not in _known():
        return "this ffmpeg has no such engine"
    try:
        theirs = _first(film)
    except FilmcliError as error:
        said = [" ".join(line.split()) for line in error.why.split("; ")]
        # ffmpeg's plan, which stands among its last lines, is no reason.
        return "; ".join(x for x in said if "Stream " not in x)[:120] or error.what
    return None if _alike(_first(info), theirs) else "its pictures are others"


def _first(info: VideoInfo) -> list[Frame]:
    return list(islice(decode(info), _COMPARED))


def _alike(ours: list[Frame], theirs: list[Frame]) -> bool:
    """Whether two lists hold the same pictures at the same times."""
    return all(
        a is not None
        and b is not None
        and a.time == b.time
        and all(map(np.array_equal, a.planes, b.planes))
        for a, b in zip_longest(ours, theirs)
    )


@lru_cache
def _known() -> tuple[str, ...]:
    """The engines that ffmpeg was built with."""
    return tuple(ask(["ffmpeg", "-hide_banner", "-hwaccels"]).stdout.decode().split()[3:])
