"""What the network is asked while it adapts, and what it is scored by: three frames, two questions.

Doubled gap: the middle frame from its two neighbours, over twice the interval that will be
interpolated. Cycle: the frames half-way to the middle from both sides, at the true interval, then
the middle again from these two (Reda et al. 2019; Wu et al. 2023). The doubled gap teaches motion
that is too large, so on its own it harms a strong network after a few steps; the cycle teaches
at the right one but costs three passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from filmcli.adaptation.inner import Params
from filmcli.adaptation.subsets import only_in
from filmcli.losses import charbonnier
from filmcli.network.film import Film, FlowPyramids, FramePyramids

Make = Callable[[Params], Tensor]
"""How one batch of frames `(B, 3, H, W)` is made by the network with these parameters."""


class Triplets(NamedTuple):
    """Three frames each, in order of time: `(B, 3, H, W)` RGB; `phase` `(B,)` of the middle one.

    Pixels nearer than `margin` px to the edge are neither taught nor scored: what moves over the
    edge of a crop cannot be known.
    """

    left: Tensor
    middle: Tensor
    right: Tensor
    phase: Tensor
    margin: int = 0


class Questions(NamedTuple):
    """How much each question weighs in the loss; one of weight 0 is not asked."""

    doubled: float = 1.0
    cycle: float = 1.0


class Score(NamedTuple):
    """Mean over triplets of the PSNR, in dB, of the answers to each question."""

    doubled: float
    cycle: float


class Lesson:
    """A batch of triplets put to a network, of which only the parameters `names` will change.

    What the frozen part computes of the frames is computed once, here.
    """

    def __init__(
        self, net: nn.Module, triplets: Triplets, questions: Questions, names: Sequence[str]
    ) -> None:
        self._net = net
        self._triplets = triplets
        self._questions = questions
        left, middle, right, phase, _ = triplets
        half = torch.full_like(phase, 0.5)
        if questions.doubled:
            self._doubled = making(net, left, right, phase, names)
        if questions.cycle:
            self._before = making(net, left, middle, half, names)
            self._after = making(net, middle, right, half, names)

    def loss(self, params: Params) -> Tensor:
        """Return the weighted loss of the answers, a scalar."""
        total = torch.zeros((), device=self._triplets.phase.device)
        if self._questions.doubled:
            total = total + self._questions.doubled * self._error(self._doubled(params))
        if self._questions.cycle:
            again = functional_call(
                self._net,
                dict(params),
                (self._before(params), self._after(params), self._triplets.phase),
            )
            total = total + self._questions.cycle * self._error(again)
        return total

    def _error(self, made: Tensor) -> Tensor:
        margin = self._triplets.margin
        return charbonnier(inside(made, margin), inside(self._triplets.middle, margin))


def making(
    net: nn.Module, left: Tensor, right: Tensor, phase: Tensor, names: Sequence[str]
) -> Make:
    """Return how the frame at `phase` is made, with all that does not depend on `names` done."""
    if isinstance(net, Film) and only_in("fuse", names):
        front = _front(net, left, right)

        def fuse(params: Params) -> Tensor:
            own = {name.removeprefix("fuse."): value for name, value in params.items()}
            made: Tensor = functional_call(net.fuse, own, (*front, phase))
            return made

        return fuse
    return lambda params: functional_call(net, dict(params), (left, right, phase))


@torch.no_grad()
def _front(
    net: Film, left: Tensor, right: Tensor
) -> tuple[FramePyramids, FramePyramids, FlowPyramids]:
    left_pyramids, right_pyramids = net.features(left), net.features(right)
    return left_pyramids, right_pyramids, net.flows(left_pyramids, right_pyramids)


class Exam:
    """Triplets that a network is scored by, of which only the parameters `names` will change.

    As for a lesson, what the frozen part computes of the frames is computed once.
    """

    def __init__(self, net: nn.Module, triplets: Sequence[Triplets], names: Sequence[str]) -> None:
        self._net = net
        self._triplets = triplets
        self._makes = []
        for left, middle, right, phase, _ in triplets:
            half = torch.full_like(phase, 0.5)
            self._makes.append(
                (
                    making(net, left, right, phase, names),
                    making(net, left, middle, half, names),
                    making(net, middle, right, half, names),
                )
            )

    @torch.no_grad()
    def score(self, params: Params) -> Score:
        """Return how well both questions are answered with `params`, the mean over triplets."""
        doubled: list[float] = []
        cycle: list[float] = []
        for (_, middle, _, phase, margin), makes in zip(self._triplets, self._makes, strict=True):
            middle_made, before, after = (make(params).clamp(0, 1) for make in makes)
            again = functional_call(self._net, dict(params), (before, after, phase)).clamp(0, 1)
            for values, made in ((doubled, middle_made), (cycle, again)):
                values.extend(decibels(inside(made, margin), inside(middle, margin)))
        return Score(sum(doubled) / len(doubled), sum(cycle) / len(cycle))


def decibels(made: Tensor, truth: Tensor) -> list[float]:
    """Return the PSNR of each picture of a batch; at most 100, NaN if the picture is."""
    errors = ((made - truth.clamp(0, 1)) ** 2).mean(dim=(1, 2, 3)).tolist()
    return [error if math.isnan(error) else -10 * math.log10(max(error, 1e-10)) for error in errors]


def inside(frame: Tensor, margin: int) -> Tensor:
    """Return `frame` `(B, C, H, W)` without `margin` px on each side."""
    height, width = frame.shape[-2:]
    return frame[..., margin : height - margin, margin : width - margin]
