"""Real footage: clips held in memory as bytes, and windows drawn from them, where it moves."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from filmcli.errors import InputError
from filmcli.survey.scenes import survey
from filmcli.training.listing import VIDEO_ENDINGS, films_in, read_film
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Picture, Sample

SPANS = (2, 3, 4, 5, 6, 8, 10, 12)  # frames from left to right
SPAN_WEIGHTS = (0.42, 0.08, 0.22, 0.06, 0.12, 0.06, 0.02, 0.02)
LONGEST_FRAMED = 4  # span of windows with frames around: over longer ones motion follows no curve
STILL = 0.7  # grey levels; a window that changes less teaches nothing
UNKNOWN = 0.06, 0.06, 0.08  # shares that do not see the frame before, the one after, both
_LIVELIEST_OF = 4  # places, of which seven crops in ten take the one where most changes
_LOOKED = 16  # px of a cell of what changes
_SURVEYED_PX = 160  # width of the pictures that cuts are sought in, as for any film


class Clip(NamedTuple):
    """Consecutive frames of one shot, and how much each differs from the next."""

    frames: Sequence[Picture]  # N of (H, W, 3)
    change: NDArray[np.float32]  # (N - 1,), mean luma difference of neighbours, levels
    size: tuple[int, int]  # H, W


class _Thumbnail(NamedTuple):
    time: Fraction
    luma: NDArray[np.uint8]


def load_clips(folder: str, short_side: int, exclude: str | None = None) -> list[list[Clip]]:
    """Return the clips in `folder`, grouped by source; the largest part without cuts of each.

    A clip is a video or a folder of pictures; its source is its name up to the last underscore.
    What exclude.txt in the folder or the file `exclude` names is left out, as are clips with
    fewer than three frames or a side under `short_side`. Raises InputError if none is left.
    """
    cv2.setNumThreads(1)  # its pool of threads would hang workers forked later
    listed = list(films_in(folder, exclude))
    sources: dict[str, list[Clip]] = defaultdict(list)
    with ThreadPoolExecutor(os.cpu_count()) as readers:
        clips = readers.map(lambda film: _load(film.path, short_side), listed)
        for film, clip in zip(listed, clips, strict=True):
            if clip is not None:
                sources[film.source].append(clip)
    if not sources:
        raise InputError(
            f"'{folder}' holds no clip to train on.",
            f"None has three frames of {short_side} px or more without a cut.",
            f"Give a folder of videos ({' '.join(VIDEO_ENDINGS)}) or of folders of frames.",
        )
    return list(sources.values())


def _load(path: str, short_side: int) -> Clip | None:
    """Return the longest part of a film without a cut, None if it is too short or small."""
    frames = read_film(path)
    if frames is None or len(frames) < 3 or min(frames.shape[1:3]) < short_side:
        return None
    found = survey(_thumbnail(index, frame) for index, frame in enumerate(frames))
    start, end = max(pairwise((0, *found.cuts, len(frames))), key=lambda part: part[1] - part[0])
    if end - start < 3:
        return None
    return Clip(list(frames[start:end]), found.motion[start + 1 : end], frames.shape[1:3])


def _thumbnail(index: int, frame: Picture) -> _Thumbnail:
    height, width = frame.shape[:2]
    size = min(width, _SURVEYED_PX), max(1, round(height * min(width, _SURVEYED_PX) / width))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    luma = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    return _Thumbnail(Fraction(index, 24), luma)


class Window(NamedTuple):
    """Frames of a clip that make a lesson: left, target, right, and before and after if `known`."""

    clip: Clip
    indices: tuple[int, int, int, int, int]  # what is not known has another's
    phase: float
    known: tuple[bool, bool]

    def reversed(self) -> Window:
        """Return the same, backwards in time."""
        left, target, right, before, after = self.indices
        indices = right, target, left, after, before
        return Window(self.clip, indices, 1 - self.phase, self.known[::-1])


def clip_sample(sources: list[list[Clip]], recipe: Recipe, rng: np.random.Generator) -> Sample:
    """Return a triplet of the recipe's size from real footage, with the frames around if known."""
    window = draw_window(sources, recipe.middle_share, rng, recipe.longest_span)
    frames = [window.clip.frames[index] for index in window.indices]
    left, target, right, *outer = _crop(frames, recipe.side, recipe.largest_zoom, rng)
    before, after = (
        frame if is_known else None for frame, is_known in zip(outer, window.known, strict=True)
    )
    return Sample(left, target, right, window.phase, before, after)


def draw_window(
    sources: list[list[Clip]],
    middle_share: float,
    rng: np.random.Generator,
    longest_span: int = SPANS[-1],
    span_weights: Sequence[float] = SPAN_WEIGHTS,
    unknown: Sequence[float] = UNKNOWN,
) -> Window:
    """Return a window of real footage: by source, then by motion, forwards or backwards.

    The frames around it are known where the clip has them, but for a few, so that the network
    learns to do without.
    """
    shares = np.array(span_weights) * [span <= longest_span for span in SPANS]
    clip, start, span, step = _span(sources, middle_share, rng, shares)
    hidden = rng.choice(4, p=(*unknown, 1 - sum(unknown)))  # before, after, both, none
    is_short = span <= LONGEST_FRAMED
    has_before = is_short and start >= span and hidden not in (0, 2)
    has_after = is_short and start + 2 * span < len(clip.frames) and hidden not in (1, 2)
    before = start - span if has_before else start
    after = start + 2 * span if has_after else start + span
    indices = start, start + step, start + span, before, after
    window = Window(clip, indices, step / span, (has_before, has_after))
    return window.reversed() if rng.random() < 0.5 else window


def _span(
    sources: list[list[Clip]],
    middle_share: float,
    rng: np.random.Generator,
    shares: NDArray[np.float64],
) -> tuple[Clip, int, int, int]:
    """Return a clip, its left frame, and the frames from there to the right one and the target.

    `shares` are those of `SPANS`; an odd one has no middle.
    """
    in_the_middle = rng.random() < middle_share
    shares = shares * [not (in_the_middle and span % 2) for span in SPANS]
    for _ in range(20):
        clips = sources[rng.integers(len(sources))]
        liveliness = np.array([clip.change.mean() + 0.5 for clip in clips])
        clip = clips[rng.choice(len(clips), p=liveliness / liveliness.sum())]
        span = min(int(rng.choice(SPANS, p=shares / shares.sum())), len(clip.frames) - 1)
        span -= span % 2 if in_the_middle else 0
        weights = np.convolve(clip.change, np.ones(span, np.float32), "valid") + 0.1
        start = int(rng.choice(len(weights), p=weights / weights.sum()))
        if weights[start] > STILL:
            break
    return clip, start, span, span // 2 if in_the_middle else int(rng.integers(1, span))


def _crop(
    frames: list[Picture], side: int, largest_zoom: float, rng: np.random.Generator
) -> list[Picture]:
    """Return the same crop of all `frames`, of which the first and the third are left and right.

    It is zoomed by 1/2 to `largest_zoom` (as far as the frame allows; 1: never), turned by
    quarters, mirrored, and its channels are sometimes swapped.
    """
    height, width = frames[0].shape[:2]
    smallest = 0.5 if largest_zoom > 1 else 1.0
    zoom = float(np.exp(rng.uniform(np.log(smallest), np.log(largest_zoom))))
    inside = int(min(round(side / zoom), height, width))
    top, left = _place(frames[0], frames[2], inside, rng)
    window = slice(top, top + inside), slice(left, left + inside)
    method = cv2.INTER_AREA if inside > side else cv2.INTER_CUBIC
    crops = [cv2.resize(frame[window], (side, side), interpolation=method) for frame in frames]
    quarters, mirror = int(rng.integers(4)), rng.random() < 0.5
    channels = rng.permutation(3) if rng.random() < 0.2 else np.arange(3)

    def turned(picture: Picture) -> Picture:
        picture = np.rot90(picture, quarters)[..., channels]
        return np.ascontiguousarray(picture[:, ::-1] if mirror else picture)

    return [turned(crop) for crop in crops]


def _place(left: Picture, right: Picture, inside: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return the top and left of a crop: usually where more changes than at a few other places."""
    height, width = left.shape[:2]
    size = max(1, width // _LOOKED), max(1, height // _LOOKED)
    small = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in (left, right)]
    change = cv2.absdiff(*small).mean(axis=2)
    places = [
        (int(rng.integers(height - inside + 1)), int(rng.integers(width - inside + 1)))
        for _ in range(_LIVELIEST_OF if rng.random() < 0.7 else 1)
    ]

    def liveliness(place: tuple[int, int]) -> float:
        rows, columns = (
            slice(start // _LOOKED, max(start // _LOOKED + 1, (start + inside) // _LOOKED))
            for start in place
        )
        return float(change[rows, columns].mean())

    return max(places, key=liveliness)
