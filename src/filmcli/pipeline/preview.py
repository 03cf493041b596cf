"""A few seconds of a film to try first: those in which most moves.

A long film is not read whole for that: what costs minutes to choose is no preview.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from filmcli.errors import InputError
from filmcli.frames import Span, VideoInfo
from filmcli.pipeline.request import Request, asked_span, narrowed
from filmcli.survey.scenes import survey
from filmcli.video.decode import thumbnails

PLACES = 12
"""So many parts of the preview's length are looked at, evenly spread over the film."""


def previewed(request: Request, progress: Callable[[int], None]) -> Request:
    """Return the request for the liveliest part of what is asked for, `preview` seconds long.

    `progress` hears how many pictures were looked at.
    """
    settings, info = request.settings, request.info
    if not settings.preview:
        return request
    length = Fraction(settings.preview)
    asked = asked_span(settings) or Span()
    until = asked.end or info.duration
    room = Fraction(0) if until is None else until - asked.start - length
    if room <= 0:
        return narrowed(request, Span(asked.start, asked.start + length))
    places = min(PLACES, int(room / length) + 2)
    starts = [asked.start + room * place // (places - 1) for place in range(places)]
    seen, liveliness = 0, []
    for start in starts:
        motion = _motion(replace(info, span=Span(start, start + length)), settings.deinterlace)
        seen += len(motion)
        progress(seen)
        liveliness.append(motion.mean() if len(motion) else 0.0)
    best = starts[int(np.argmax(liveliness))]
    return narrowed(request, Span(best, best + length))


def _motion(info: VideoInfo, deinterlace: bool) -> NDArray[np.float32]:
    """How much each picture of a part differs from the one before, cuts apart; none if empty."""
    try:
        with closing(thumbnails(info, deinterlace=deinterlace)) as pictures:
            found = survey(pictures)
    except InputError:  # the header claims more than there is
        return np.empty(0, np.float32)
    return np.delete(found.motion, found.cuts)
