"""What a network is given beside an interval, and what it gives: a frame, and how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from filmcli.network.pyramids import warp

T = TypeVar("T")


class Beside(NamedTuple):
    """A frame beside an interval: what the network's `features` are of it, and how far it stands.

    The interval itself is 1 long; the distance `(B,)` is from the nearer end, 1 in a film of even
    times. `known` `(B,)` is 0 where there is no such frame after all; None: it is everywhere.
    """

    features: Any
    distance: Tensor
    known: Tensor | None = None


class Synthesis(NamedTuple):
    """A made frame, where it was fetched from, and how it was mixed.

    The first two of `shares` are those of left and right, fetched by `motions`; a third is that of
    both as they stand. `ways`, of a network whose flow lives at the moment, are the flows into all
    four frames, left, right, before and after, `(B, 8, H >> i, W >> i)` for i = 2, 3, ...
    """

    frame: Tensor  # (B, 3, H, W), not clamped
    motions: tuple[Tensor, Tensor]  # (B, 2, H, W)
    shares: Tensor  # (B, 2 or 3, H or 1, W or 1), 1 in all
    time: Tensor  # (B, 1, 1, 1)
    ways: Sequence[Tensor] = ()

    def carried(self, left: Tensor, right: Tensor) -> Tensor:
        """Return what comes of two other planes `(B, C, H, W)` that move as the frames do."""
        fetched = [
            warp(plane, motion) for plane, motion in zip((left, right), self.motions, strict=True)
        ]
        if self.shares.shape[1] == 3:
            fetched.append(torch.lerp(left, right, self.time))
        return mixed(fetched, self.shares)


def for_all(interval: T, phase: Tensor) -> T:
    """Return `interval`, of one pair of frames, as that of each of the phases `(B,)`.

    Nothing is copied; an interval of B pairs stays as it is.
    """
    return tree_map(lambda x: x.expand(len(phase), *x.shape[1:]), interval)  # type: ignore[no-any-return]


def mixed(pictures: Sequence[Tensor], shares: Tensor) -> Tensor:
    """Return the sum of `pictures`, each by its channel of `shares`."""
    first, *others = zip(pictures, torch.split(shares, 1, dim=1), strict=True)
    mixture = torch.mul(*first)
    for picture, share in others:
        mixture.addcmul_(picture, share)
    return mixture
