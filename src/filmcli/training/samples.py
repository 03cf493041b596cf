"""The lesson of the outer world: three frames, their phase, and the flow where it is known.

Around them may stand two more, as far away as left and right are apart, for how the motion bends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Picture = NDArray[np.uint8]
Field = NDArray[np.float32]


class Sample(NamedTuple):
    """One triplet as arrays; `*_known` is 1 where the flow is to be believed, else 0.

    `outer` are the frames before left and after right, None where there are none.
    """

    left: Picture  # (H, W, 3) RGB
    target: Picture
    right: Picture
    phase: float
    forward: Field  # (H, W, 2) on left's grid, into right, px
    backward: Field  # (H, W, 2) on right's grid, into left, px
    forward_known: Picture  # (H, W)
    backward_known: Picture
    outer: tuple[Picture, Picture] | None = None


class Batch(NamedTuple):
    """Samples as float32 tensors, frames in [0, 1]; `before` and `after` are 0 if not `framed`."""

    left: Tensor  # (B, 3, H, W)
    target: Tensor
    right: Tensor
    phase: Tensor  # (B,)
    forward: Tensor  # (B, 2, H, W)
    backward: Tensor
    forward_known: Tensor  # (B, 1, H, W)
    backward_known: Tensor
    before: Tensor  # (B, 3, H, W)
    after: Tensor
    framed: Tensor  # (B,), 1 where there are frames before and after


def collate(samples: list[Sample]) -> Batch:
    """Return `samples` of one size as a batch."""

    def stack(arrays: list[NDArray[np.generic]]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float()

    def frames(arrays: list[Picture]) -> Tensor:
        return stack(list(arrays)) / 255  # (B, 3, H, W)

    nothing = np.zeros_like(samples[0].left), np.zeros_like(samples[0].left)
    before, after = zip(*(sample.outer or nothing for sample in samples), strict=True)
    return Batch(
        left=frames([sample.left for sample in samples]),
        target=frames([sample.target for sample in samples]),
        right=frames([sample.right for sample in samples]),
        phase=torch.tensor([sample.phase for sample in samples], dtype=torch.float32),
        forward=stack([sample.forward for sample in samples]),
        backward=stack([sample.backward for sample in samples]),
        forward_known=stack([sample.forward_known[..., None] for sample in samples]),
        backward_known=stack([sample.backward_known[..., None] for sample in samples]),
        before=frames(list(before)),
        after=frames(list(after)),
        framed=torch.tensor([sample.outer is not None for sample in samples]).float(),
    )
