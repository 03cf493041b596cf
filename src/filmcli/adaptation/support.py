"""Which triplets of a scene are lessons, which are held out to judge, and where they are cropped.

A triplet is named by its middle frame. They are spread over the whole scene, and in every part of
it the liveliest is taken. Left out are those that teach nothing or the wrong thing: stills, held
frames, uneven times, and frames unlike both neighbours (flashes, damage).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from filmcli.adaptation.lessons import AROUND, Triplets

STILL = 0.5
"""Grey levels of mean change from frame to frame, under which there is no motion to learn."""

LEAST = 3
"""Triplets, under which there is nothing to hold out: two to learn from, one to judge by."""

MARGIN_PX = 16
"""Edge of a crop that does not count: motion brings in there what the crop cannot know."""


SMALLEST_CROP_PX = 64
"""Side of the smallest crop, and of the smallest film: less leaves little inside the margins."""


class Choice(NamedTuple):
    """Indices of middle frames, rising; `roomy` if all have three even frames on either side."""

    support: list[int]
    held_out: list[int]
    roomy: bool = False


def choose(
    times: Sequence[Fraction],
    motion: Sequence[float],
    scene: tuple[int, int],
    support: int,
    held_out: int,
) -> Choice | str:
    """Choose triplets among the frames `scene[0]` <= i < `scene[1]` of a film.

    `motion[i]` is how much frame i differs from the one before, in grey levels; 0 for a repeated
    frame. Returns at most `support` and `held_out` triplets, or in words why there are none.
    """
    first, last = scene
    if last - first < LEAST + 2:
        return "too few frames"
    lively = [
        i
        for i in range(first + 1, last - 1)
        if min(motion[i], motion[i + 1]) > STILL and 0.25 <= phase(times, i) <= 0.75
    ]
    if len(lively) < LEAST:
        return "no motion"
    inside = [
        i for i in lively if first + 3 <= i < last - 3 and _is_even(times, i) and _moves(motion, i)
    ]
    # All of a scene's triplets are of one kind, as they go through the network together.
    roomy = len(inside) >= max(LEAST, len(lively) // 2)
    lively = inside if roomy else lively
    count = min(len(lively), support + held_out)
    parts = np.array_split(np.array(lively), count)
    chosen = [int(max(part, key=lambda i: (motion[i] + motion[i + 1], -i))) for part in parts]
    # Where there are too few, a third judges.
    judges = held_out if count == support + held_out else max(1, min(held_out, count // 3))
    places = {(2 * judge + 1) * len(chosen) // (2 * judges) for judge in range(judges)}
    return Choice(
        [index for place, index in enumerate(chosen) if place not in places],
        [chosen[place] for place in sorted(places)],
        roomy,
    )


def _is_even(times: Sequence[Fraction], middle: int) -> bool:
    """True if the seven frames around `middle` stand so evenly that motion in them can bend."""
    steps = [after - before for before, after in pairwise(times[middle - 3 : middle + 4])]
    return max(steps) * 10 <= min(steps) * 11


def _moves(motion: Sequence[float], middle: int) -> bool:
    """True if none of the seven frames around `middle` repeats the one before."""
    return min(motion[middle - 2 : middle + 4]) > 0


def phase(times: Sequence[Fraction], middle: int) -> float:
    """Return where frame `middle` stands between its neighbours, strictly between 0 and 1."""
    before, at, after = times[middle - 1 : middle + 2]
    return float((at - before) / (after - before))


def gather(
    choice: Choice,
    frame_at: Callable[[int], Tensor],
    times: Sequence[Fraction],
    crop_px: int,
    seed: int,
) -> tuple[list[Triplets], list[Triplets]]:
    """Return the chosen support and held-out triplets, cropped; damaged ones are left out.

    `frame_at(i)` is frame i as RGB `(1, 3, H, W)`, asked for once each, in rising order; at most
    seven are held. Crops have sides of `crop_px`, in small films of a third of the picture's, so
    that adapting to them costs no more pictures; their place is drawn by `seed` and the index, of
    lessons where it moves, of held-out ones half of the time anywhere.
    """
    found: dict[int, Triplets] = {}
    held: dict[int, Tensor] = {}
    for middle in sorted([*choice.support, *choice.held_out]):
        reach = 3 if choice.roomy else 1
        near = range(middle - reach, middle + reach + 1)
        held = {i: held[i] if i in held else frame_at(i) for i in near}
        left, here, right = (held[middle + step] for step in (-1, 0, 1))
        if not _is_damaged(left, here, right):
            rng = np.random.default_rng((seed, middle))
            height, width = left.shape[-2:]
            side = crop_side(height, width, crop_px)
            change = (right - left).abs()
            if middle in choice.held_out:
                # What judges the lessons stands for what does not move, too: by halves.
                change = change + change.mean()
            rows, columns = _place(change, side, rng)
            crops = {i - middle: frame[..., rows, columns].clone() for i, frame in held.items()}
            found[middle] = Triplets(
                crops[-1],
                crops[0],
                crops[1],
                torch.full((1,), phase(times, middle), device=left.device),
                MARGIN_PX if max(height, width) > side else 0,
                torch.stack([crops[k] for k in AROUND], dim=1) if choice.roomy else None,
            )
    support, held_out = ([found[i] for i in middles if i in found] for middles in choice[:2])
    return support, held_out


def crop_side(height: int, width: int, largest_px: int) -> int:
    """Return the side of a crop: a third of the picture's, in whole 16 px, at most `largest_px`."""
    return max(SMALLEST_CROP_PX, min(largest_px, math.isqrt(height * width) // 48 * 16))


def stack(triplets: Sequence[Triplets]) -> Triplets:
    """Return triplets of one size and margin as one batch."""
    left, middle, right, at = (torch.cat(parts) for parts in list(zip(*triplets, strict=True))[:4])
    around = [one.around for one in triplets if one.around is not None]
    return Triplets(
        left, middle, right, at, triplets[0].margin, torch.cat(around) if around else None
    )


def _is_damaged(left: Tensor, middle: Tensor, right: Tensor) -> bool:
    """True for a frame further from the mean of its neighbours than these from each other.

    Even motion so fast that the three have nothing in common stays well under this.
    """
    alone = float((middle - (left + right) / 2).abs().mean())
    return not alone <= float((right - left).abs().mean()) + 2 / 255


def _place(change: Tensor, crop_px: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """Return where to crop a frame, drawn in proportion to the `change` `(1, 3, H, W)` inside."""
    height, width = change.shape[-2:]
    rows, columns = min(height, crop_px), min(width, crop_px)
    step = max(1, crop_px // 4)
    inside = F.avg_pool2d(change.mean(dim=1, keepdim=True), (rows, columns), step)[0, 0]
    weights = inside.double().cpu().numpy().ravel() + 1e-6
    chosen = int(rng.choice(weights.size, p=weights / weights.sum()))
    row, column = divmod(chosen, inside.shape[1])
    return slice(row * step, row * step + rows), slice(column * step, column * step + columns)
