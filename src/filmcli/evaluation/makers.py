"""Who makes the dropped frames: the network of some weights, and the old ways beside it.

All of them are asked the same question, a `Run`, and see nothing but kept frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from torch import Tensor

from filmcli.evaluation.metrics import Picture
from filmcli.evaluation.rivals import Rival, blend, dis_flow, minterpolate, repeat
from filmcli.frames import Color, Layout, Planes
from filmcli.network.interpolator import Interpolator
from filmcli.network.weights import Weights
from filmcli.pipeline.render import neighbours
from filmcli.timing import Outer, outer_distance

_RGB = Layout("gbrp", "rgb")
_FINEST = 12  # frames an interval that minterpolate is asked for


class Run(NamedTuple):
    """Kept frames in a row, all of scene number `scene`, and the phases wanted in each interval.

    There is one tuple of phases, rising and strictly between 0 and 1, fewer than there are frames.
    `before` and `after` are the kept frames beside the run in its scene, where there are any:
    nothing is made between them and the run, but they show how the motion goes on. `times` are
    those of all these frames, from `before` to `after`; empty, they stand evenly.
    """

    kept: Sequence[Picture]
    phases: Sequence[tuple[Fraction, ...]]
    scene: int = 0
    before: Picture | None = None
    after: Picture | None = None
    times: Sequence[Fraction] = ()


Maker = Callable[[Run], list[list[Picture]]]
"""A run -> for each of its intervals, the frames at the phases wanted there."""


class Network:
    """The network of these weights, asked by the doorway that `upsample` uses.

    `params_of` gives the parameters adapted to a scene, by its number, or None.
    """

    def __init__(
        self,
        weights: Weights,
        device: str = "auto",
        precision: str = "auto",
        params_of: Callable[[int], Mapping[str, Tensor] | None] | None = None,
    ) -> None:
        self._weights = weights
        self._device, self._precision = device, precision
        self._params_of = params_of
        self._interpolator: Interpolator | None = None
        self._size = (0, 0)

    def __call__(self, run: Run) -> list[list[Picture]]:
        """Make the frames of a run; raises what `Interpolator` raises."""
        doorway = self._doorway(run.kept[0])
        params = self._params_of(run.scene) if self._params_of else None
        seen = [_planes(frame) for frame in (run.before, *run.kept, run.after) if frame is not None]
        steps = [b - a for a, b in pairwise(run.times or map(Fraction, range(len(seen))))]
        made = []
        for left, phases in enumerate(run.phases, start=int(run.before is not None)):
            before, after = neighbours(seen.__getitem__, left, _outer(steps, left))
            frames = doorway.between(
                seen[left], seen[left + 1], phases, params, before=before, after=after
            )
            made.append([_picture(frame) for frame in frames])
        return made

    def _doorway(self, picture: Picture) -> Interpolator:
        height, width = picture.shape[:2]
        if self._interpolator is None or self._size != (height, width):
            self._interpolator = Interpolator(
                self._weights,
                _RGB,
                Color(),
                width,
                height,
                device=self._device,
                precision=self._precision,
            )
            self._size = (height, width)
        return self._interpolator


def _outer(steps: Sequence[Fraction], left: int) -> Outer:
    """What counts beside the step of this number; a run's are all of one scene."""

    def distance(beside: int) -> Fraction | None:
        exists = 0 <= beside < len(steps)
        return outer_distance(steps[beside], steps[left]) if exists else None

    return Outer(distance(left - 1), distance(left + 1))


def _planes(picture: Picture) -> Planes:
    return tuple(np.ascontiguousarray(picture[..., channel]) for channel in (1, 2, 0))


def _picture(planes: Planes) -> Picture:
    green, blue, red = planes
    return np.stack((red, green, blue), axis=-1).astype(np.uint8, copy=False)


def by_pairs(make: Rival) -> Maker:
    """The maker that calls `make(left, right, phase)` for every frame wanted."""

    def run_of(run: Run) -> list[list[Picture]]:
        return [
            [make(left, right, float(phase)) for phase in phases]
            for (left, right), phases in zip(pairwise(run.kept), run.phases, strict=True)
        ]

    return run_of


def by_minterpolate(run: Run) -> list[list[Picture]]:
    """What ffmpeg's filter makes of the whole run; it takes all intervals for equally long.

    Where phases are no multiples of 1/12 or more, they are taken for evenly spaced ones.
    """
    times = math.lcm(*(phase.denominator for phases in run.phases for phase in phases))
    if times > _FINEST:
        times = max(len(phases) for phases in run.phases) + 1
        evenly = [[Fraction(k + 1, times) for k in range(len(of))] for of in run.phases]
        run = run._replace(phases=[tuple(of) for of in evenly])
    made = minterpolate(run.kept, Fraction(1), Fraction(times))
    return [
        [made[times * interval + int(phase * times)] for phase in phases]
        for interval, phases in enumerate(run.phases)
    ]


RIVALS: Mapping[str, Maker] = MappingProxyType(
    {
        "repeat": by_pairs(repeat),
        "blend": by_pairs(blend),
        "dis": by_pairs(dis_flow),
        "minterpolate": by_minterpolate,
    }
)
"""The old ways, by the names that tables and the command line give them."""
