"""Real footage: clips held in memory as bytes, and windows drawn from them.

A classical flow (OpenCV's DIS) is computed for every window drawn, as a teacher for the
network's flows, and believed where it agrees with its own reverse.
"""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from filmcli.errors import InputError
from filmcli.training.samples import Field, Picture, Sample
from filmcli.training.synthetic import lands_inside
from filmcli.video.footage import read_rgb

VIDEO_ENDINGS = (".mp4", ".mkv", ".mov", ".avi", ".webm")
SPANS = (2, 3, 4, 5, 6, 8)  # frames from left to right
SPAN_WEIGHTS = (0.5, 0.08, 0.2, 0.05, 0.12, 0.05)
CUT = 45.0  # grey levels of mean difference between neighbours that no motion here reached
STILL = 0.7  # grey levels; a window that changes less teaches nothing
MARGIN = 32  # px around the crop that the teacher may see


class Clip(NamedTuple):
    """Consecutive frames of one shot, and how much each differs from the next."""

    frames: Picture  # (N, H, W, 3)
    change: NDArray[np.float32]  # (N - 1,), mean grey difference of neighbours, levels


def load_clips(folder: str, short_side: int) -> list[list[Clip]]:
    """Return the clips in `folder`, grouped by source; the largest part without cuts of each.

    A file's source is its name up to the last underscore. Clips with fewer than three
    frames or a side under `short_side` are left out. Raises InputError if none is left.
    """
    cv2.setNumThreads(1)  # its pool of threads would hang workers forked later
    try:
        entries = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(
            f"'{folder}' cannot be read.", f"{error.strerror}.", "Check the path."
        ) from error
    names = [name for name in entries if name.lower().endswith(VIDEO_ENDINGS)]
    sources: dict[str, list[Clip]] = defaultdict(list)
    with ThreadPoolExecutor(os.cpu_count()) as readers:
        footage = readers.map(read_rgb, [os.path.join(folder, name) for name in names])
        for name, decoded in zip(names, footage, strict=True):
            frames = _without_cuts(decoded)
            if len(frames) >= 3 and min(frames.shape[1:3]) >= short_side:
                sources[name.rsplit("_", 1)[0]].append(Clip(frames, _change(frames)))
    if not sources:
        raise InputError(
            f"'{folder}' holds no clip to train on.",
            f"None has three frames of {short_side} px or more without a cut.",
            f"Give a folder of videos ({' '.join(VIDEO_ENDINGS)}).",
        )
    return list(sources.values())


def _change(frames: Picture) -> NDArray[np.float32]:
    small = np.stack([cv2.resize(f, (64, 36), interpolation=cv2.INTER_AREA) for f in frames])
    grey = small.mean(axis=3, dtype=np.float32)
    change: NDArray[np.float32] = np.abs(np.diff(grey, axis=0)).mean(axis=(1, 2))
    return change


def _without_cuts(frames: Picture) -> Picture:
    """Return the longest run of `frames` without a cut."""
    if len(frames) < 2:
        return frames
    cuts = np.flatnonzero(_change(frames) > CUT) + 1
    bounds = [0, *cuts.tolist(), len(frames)]
    longest = int(np.argmax(np.diff(bounds)))
    return frames[bounds[longest] : bounds[longest + 1]]


def clip_sample(sources: list[list[Clip]], side: int, rng: np.random.Generator) -> Sample:
    """Return a `side` x `side` triplet from real footage: by source, then by motion."""
    clip, start, span = _window(sources, rng)
    middle = rng.random() < 0.6 and span % 2 == 0
    step = span // 2 if middle else int(rng.integers(1, span))
    frames = [clip.frames[start + offset] for offset in (0, step, span)]
    phase = step / span
    if rng.random() < 0.5:
        frames, phase = frames[::-1], 1 - phase
    crops, inner = _crop(frames, side, rng)
    forward, backward = _teach(crops[0], crops[2])
    rows, columns = inner
    left, target, right = (np.ascontiguousarray(crop[rows, columns]) for crop in crops)
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
    )


def _window(sources: list[list[Clip]], rng: np.random.Generator) -> tuple[Clip, int, int]:
    """Return a clip, the index of the left frame and the frames from there to the right one."""
    for _ in range(20):
        clips = sources[rng.integers(len(sources))]
        liveliness = np.array([clip.change.mean() + 0.5 for clip in clips])
        clip = clips[rng.choice(len(clips), p=liveliness / liveliness.sum())]
        span = min(int(rng.choice(SPANS, p=SPAN_WEIGHTS)), len(clip.frames) - 1)
        weights = np.convolve(clip.change, np.ones(span, np.float32), "valid") + 0.1
        start = int(rng.choice(len(weights), p=weights / weights.sum()))
        if weights[start] > STILL:
            break
    return clip, start, max(span, 2)


def _crop(
    frames: list[Picture], side: int, rng: np.random.Generator
) -> tuple[list[Picture], tuple[slice, slice]]:
    """Return the same crop of all `frames` with room around it, and where its inside lies.

    The crop is zoomed by 0.5 to 1.5 (as far as the frame allows), turned by quarters,
    mirrored, and its channels sometimes swapped.
    """
    height, width = frames[0].shape[:2]
    zoom = np.exp(rng.uniform(np.log(0.5), np.log(1.5)))
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
