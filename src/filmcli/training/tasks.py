"""Tasks of the outer loop: windows of seven frames or more, as a slow film and the truth between.

Of seven, frames 0, 2, 4, 6 are the film that the inner loop sees: the support asks for 2 and 4 at
twice its interval. Frames 1, 3, 5 lie between, and are the query, at its own interval: that the two
loops differ in this is what makes adaptation to the doubled gap useful (Choi et al. 2020, section
3.3). Longer windows have more support, as the scenes of a film do. Roomy ones have two frames more
of the slow film on either side, by which the motion of both bends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from filmcli.adaptation.lessons import AROUND, Triplets
from filmcli.errors import InputError, UsageError
from filmcli.training.clips import STILL, Clip
from filmcli.training.samples import Picture

QUERIES = (1, 3)
"""How many triplets a query may have: the window's middle, or three spread over it."""


ROOM = 4
"""Frames more on either side of a roomy window: two of the slow film."""


class Task(NamedTuple):
    """One window: support triplets, two or more, and query triplets at half their interval."""

    support: Triplets
    query: Triplets


def tasks(
    sources: list[list[Clip]],
    side: int,
    seed: int,
    first: int = 0,
    queries: int = 1,
    support: int = 2,
    roomy: bool = False,
) -> Iterator[Task]:
    """Yield endless tasks of `side` x `side` px; number `first` of a seed is always the same.

    A source counts as much as another, however many clips it has. Raises UsageError for numbers
    of `queries` or `support` triplets that there cannot be, InputError if no clip has the frames,
    two for each of the support and three more, or eleven more of `roomy` ones, of that size.
    """
    if queries not in QUERIES:
        raise UsageError(f"A task cannot have {queries} queries.", "", "Give 1 or 3.")
    if support < 2:
        why = "There is no window so short."
        raise UsageError(f"A task cannot have {support} lessons.", why, "Give 2 or more.")
    room = ROOM if roomy else 0
    length = 2 * support + 3 + 2 * room
    long = [
        fitting
        for clips in sources
        if (fitting := [clip for clip in clips if _fits(clip, length, side)])
    ]
    if not long:
        why = f"None has {length} frames of {side} px."
        raise InputError("There is no clip to meta-train on.", why, "Give longer or larger ones.")
    number = first
    while True:
        rng = np.random.default_rng((seed, number))
        yield as_task(_window(long, length, side, rng), queries, room)
        number += 1


def as_task(window: Tensor, queries: int, room: int = 0) -> Task:
    """Return the task of consecutive frames `(F, 3, H, W)`, F odd and at least 7.

    The first and the last `room` of them, 0 or `ROOM`, are not asked for and do not count in F.
    """
    first, last = room, len(window) - room
    middles, between = range(first + 2, last - 2, 2), range(first + 1, last, 2)
    asked = [between[(2 * n + 1) * len(between) // (2 * queries)] for n in range(queries)]
    return Task(
        _triplets(window, list(middles), 2, roomy=room > 0),
        _triplets(window, asked, 1, roomy=room > 0),
    )


def _triplets(window: Tensor, middles: list[int], gap: int, *, roomy: bool) -> Triplets:
    def at(step: int) -> Tensor:
        return window[[i + step * gap for i in middles]]

    around = torch.stack([at(step) for step in AROUND], dim=1) if roomy else None
    half = torch.full((len(middles),), 0.5)
    return Triplets(at(-1), at(0), at(1), half, around=around)


def _fits(clip: Clip, length: int, side: int) -> bool:
    return len(clip.frames) >= length and min(clip.size) >= side


def _window(sources: list[list[Clip]], length: int, side: int, rng: np.random.Generator) -> Tensor:
    """Return frames `(length, 3, side, side)` with motion, cropped, mirrored, turned."""
    for _ in range(20):
        clips = sources[rng.integers(len(sources))]
        clip = clips[rng.integers(len(clips))]
        stride = int(rng.integers(1, 1 + min(2, (len(clip.frames) - 1) // (length - 1))))
        reach = stride * (length - 1)
        start = int(rng.integers(len(clip.frames) - reach))
        if clip.change[start : start + reach].mean() * stride > STILL:
            break
    taken = range(start, start + reach + 1, stride)
    frames = [_shrunk(clip.frames[index], side) for index in taken]
    top, left = (int(rng.integers(size - side + 1)) for size in frames[0].shape[:2])
    crop = np.stack([frame[top : top + side, left : left + side] for frame in frames])
    crop = crop[:: rng.choice([-1, 1]), :: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    if rng.random() < 0.5:
        crop = crop.swapaxes(1, 2)
    window = torch.from_numpy(np.ascontiguousarray(crop)).permute(0, 3, 1, 2)
    return window.float() / 255


def _shrunk(frame: Picture, side: int) -> Picture:
    """Return `frame` at three quarters of its size, which sharpens it, if that holds the crop."""
    height, width = (size * 3 // 4 for size in frame.shape[:2])
    if min(height, width) < side:
        return frame
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
