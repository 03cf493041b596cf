"""The lesson of the outer world: a frame between two, its phase, and how things move around it.

Before left and after right may stand two more, as far away as left and right are apart, for how the
motion bends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Picture = NDArray[np.uint8]
Field = NDArray[np.float32]

_FARTHEST_PX = 400.0  # flows beyond are not taught: a plane seen from its edge has endless ones


class Sample(NamedTuple):
    """One lesson as arrays; the frames around and the ways are None where they are not known."""

    left: Picture  # (H, W, 3) RGB
    target: Picture
    right: Picture
    phase: float
    before: Picture | None = None
    after: Picture | None = None
    ways: Field | None = None  # (H, W, 8): from the target into left, right, before, after, px


class Batch(NamedTuple):
    """Samples as float32 tensors, frames in [0, 1]; what is not known is 0."""

    left: Tensor  # (B, 3, H, W)
    target: Tensor
    right: Tensor
    phase: Tensor  # (B,)
    before: Tensor  # (B, 3, H, W)
    after: Tensor
    known: Tensor  # (B, 4), 1 where there is a left, right, before, after
    ways: Tensor  # (B, 8, H, W)
    taught: Tensor  # (B,), 1 where the ways are known


def collate(samples: list[Sample]) -> Batch:
    """Return `samples` of one size as a batch."""
    empty = np.zeros_like(samples[0].left)
    nowhere = np.zeros((*empty.shape[:2], 8), np.float32)
    ways = [nowhere if sample.ways is None else sample.ways for sample in samples]
    taught = [
        sample.ways is not None and bool((np.abs(of[..., :4]) < _FARTHEST_PX).all())
        for sample, of in zip(samples, ways, strict=True)
    ]
    known = [
        (True, True, _is_known(sample.before, of[..., 4:6]), _is_known(sample.after, of[..., 6:]))
        for sample, of in zip(samples, ways, strict=True)
    ]
    bounded = [np.clip(np.nan_to_num(of), -_FARTHEST_PX, _FARTHEST_PX) for of in ways]
    return Batch(
        left=_frames([sample.left for sample in samples]),
        target=_frames([sample.target for sample in samples]),
        right=_frames([sample.right for sample in samples]),
        phase=torch.tensor([sample.phase for sample in samples], dtype=torch.float32),
        before=_frames([empty if s.before is None else s.before for s in samples]),
        after=_frames([empty if s.after is None else s.after for s in samples]),
        known=torch.tensor(known).float(),
        ways=_planes(bounded),
        taught=torch.tensor(taught).float(),
    )


def _is_known(frame: Picture | None, way: Field) -> bool:
    return frame is not None and bool((np.abs(way) < _FARTHEST_PX).all())


def _frames(pictures: list[Picture]) -> Tensor:
    return _planes(list(pictures)) / 255


def _planes(arrays: list[NDArray[np.generic]]) -> Tensor:
    """Return arrays `(H, W, C)` as one float32 tensor `(B, C, H, W)`."""
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float().contiguous()
