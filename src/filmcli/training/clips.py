"""Real footage: clips held in memory as bytes, and windows drawn from them.

A classical flow (OpenCV's DIS) is computed for every window drawn where a flow is asked for, as a
teacher for the network's flows, and believed where it agrees with its own reverse.
"""

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
from filmcli.scenes import survey
from filmcli.training.listing import VIDEO_ENDINGS, films_in, read_film
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Field, Picture, Sample
from filmcli.training.synthetic import lands_inside

SPANS = (2, 3, 4, 5, 6, 8, 10, 12)  # frames from left to right
SPAN_WEIGHTS = (0.46, 0.08, 0.2, 0.05, 0.12, 0.05, 0.02, 0.02)
LONGEST_FRAMED = 4  # span of windows with frames around: over longer ones motion follows no curve
STILL = 0.7  # grey levels; a window that changes less teaches nothing
MARGIN = 32  # px around the crop that the teacher may see
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


def clip_sample(
    sources: list[list[Clip]], recipe: Recipe, rng: np.random.Generator, *, taught: bool = True
) -> Sample:
    """Return a triplet of the recipe's size from real footage: by source, then by motion.

    The frames around it come along where the clip has them. Without a teacher (`taught` false) no
    flow is known.
    """
    side = recipe.side
    clip, start, span, step = _window(sources, recipe.middle_share, rng)
    has_outer = span <= LONGEST_FRAMED and span <= start < len(clip.frames) - 2 * span
    offsets = (0, step, span, -span, 2 * span) if has_outer else (0, step, span)
    frames = [clip.frames[start + offset] for offset in offsets]
    phase = step / span
    if rng.random() < 0.5:
        frames, phase = [*frames[2::-1], *frames[:2:-1]], 1 - phase
    crops, (rows, columns) = _crop(frames, side, recipe.largest_zoom, rng)
    left, target, right, *around = (np.ascontiguousarray(crop[rows, columns]) for crop in crops)
    outer = (around[0], around[1]) if around else None
    if not taught:
        still, unknown = np.zeros((side, side, 2), np.float32), np.zeros((side, side), np.uint8)
        return Sample(left, target, right, phase, still, still, unknown, unknown, outer)
    forward, backward = _teach(crops[0], crops[2])
    forward_known, backward_known = _agreeing(forward, backward), _agreeing(backward, forward)
    forward, backward = forward[rows, columns], backward[rows, columns]
    return Sample(
        left,
        target,
        right,
        phase,
        forward,
        backward,
        forward_known[rows, columns] & lands_inside(forward),
        backward_known[rows, columns] & lands_inside(backward),
        outer,
    )


def _window(
    sources: list[list[Clip]], middle_share: float, rng: np.random.Generator
) -> tuple[Clip, int, int, int]:
    """Return a clip, its left frame, and the frames from there to the right one and the target."""
    in_the_middle = rng.random() < middle_share
    shares = np.array(SPAN_WEIGHTS) * [not (in_the_middle and span % 2) for span in SPANS]
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
) -> tuple[list[Picture], tuple[slice, slice]]:
    """Return the same crop of all `frames` with room around it, and where its inside lies.

    The crop is zoomed by 1 / `largest_zoom` to `largest_zoom` (as far as the frame allows), turned
    by quarters, mirrored, and its channels sometimes swapped.
    """
    height, width = frames[0].shape[:2]
    zoom = largest_zoom ** rng.uniform(-1, 1)
    inside = int(min(round(side / zoom), height, width))
    zoom = side / inside
    margin = int(MARGIN / zoom)
    top = int(rng.integers(height - inside + 1))
    left = int(rng.integers(width - inside + 1))
    first_row, first_column = max(0, top - margin), max(0, left - margin)
    rows = slice(first_row, min(height, top + inside + margin))
    columns = slice(first_column, min(width, left + inside + margin))
    size = round((columns.stop - columns.start) * zoom), round((rows.stop - rows.start) * zoom)
    shrink = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    crops = [cv2.resize(frame[rows, columns], size, interpolation=shrink) for frame in frames]
    row = min(round((top - first_row) * zoom), size[1] - side)
    column = min(round((left - first_column) * zoom), size[0] - side)
    marked = np.zeros(crops[0].shape[:2], bool)
    marked[row : row + side, column : column + side] = True
    quarters, mirror = int(rng.integers(4)), rng.random() < 0.5
    channels = rng.permutation(3) if rng.random() < 0.2 else np.arange(3)

    def turn(picture: NDArray[np.generic]) -> NDArray[np.generic]:
        turned = np.rot90(picture, quarters)
        return np.ascontiguousarray(turned[:, ::-1] if mirror else turned)

    inner_rows, inner_columns = np.nonzero(turn(marked))
    inner = (
        slice(int(inner_rows[0]), int(inner_rows[0]) + side),
        slice(int(inner_columns[0]), int(inner_columns[0]) + side),
    )
    return [turn(crop[..., channels]).astype(np.uint8, copy=False) for crop in crops], inner


def _teach(left: Picture, right: Picture) -> tuple[Field, Field]:
    """Return DIS flow from left to right and back, `(H, W, 2)`."""
    teacher = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    first, second = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (left, right))
    return teacher.calc(first, second, None), teacher.calc(second, first, None)


def _agreeing(flow: Field, reverse: Field) -> Picture:
    """Return 1 where `flow` and the `reverse` flow at its end cancel, `(H, W)`."""
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    back = cv2.remap(reverse, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    length = (flow**2).sum(axis=2) + (back**2).sum(axis=2)
    # The usual bound of occlusion tests: 1 % of the squared lengths and half a squared pixel.
    agrees: Picture = (((flow + back) ** 2).sum(axis=2) < 0.01 * length + 0.5).astype(np.uint8)
    return agrees
