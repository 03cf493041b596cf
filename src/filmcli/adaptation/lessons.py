"""What the network is asked while it adapts, and what it is scored by: three frames, two questions.

Doubled gap: the middle frame from its two neighbours, over twice the interval that will be
interpolated. Cycle: the frames half-way to the middle from both sides, at the true interval, then
the middle again from these two (Reda et al. 2019; Wu et al. 2023). The doubled gap teaches motion
that is too large, so on its own it harms a strong network after a few steps; the cycle teaches
at the right one but costs three passes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from filmcli.adaptation.gate import Scores
from filmcli.adaptation.inner import Params
from filmcli.adaptation.judges import Judge
from filmcli.adaptation.making import Around, Making
from filmcli.losses import charbonnier

AROUND = -3, -2, 2, 3
"""Which frames from the middle one on are those around a triplet."""


class Triplets(NamedTuple):
    """Three frames each, in order of time: `(B, 3, H, W)` RGB; `phase` `(B,)` of the middle one.

    Pixels nearer than `margin` px to the edge are neither taught nor scored: what moves over the
    edge of a crop cannot be known. `around`, if known, are the frames `AROUND` it, all at even
    distances: by them the motion bends, as in the film.
    """

    left: Tensor
    middle: Tensor
    right: Tensor
    phase: Tensor
    margin: int = 0
    around: Tensor | None = None  # (B, 4, 3, H, W)

    def beside(self, before: int, after: int) -> Around | None:
        """Return the frames that far before and after the middle one; None if they are not known.

        `before` is one of -3, -2 and -1, `after` of 1, 2 and 3.
        """
        if self.around is None:
            return None
        known = {-1: self.left, 1: self.right}
        known |= zip(AROUND, self.around.unbind(dim=1), strict=True)
        return known[before], known[after]


class Questions(NamedTuple):
    """How much each question weighs in the loss; one of weight 0 is not asked."""

    doubled: float = 1.0
    cycle: float = 1.0


class _Answers:
    """The questions put to a batch of triplets, with all that will not change done."""

    def __init__(self, making: Making, triplets: Triplets, questions: Questions) -> None:
        self._making = making
        self._phase = triplets.phase
        left, middle, right, phase = triplets[:4]
        self._beside = triplets.beside(-1, 1)
        half = torch.full_like(phase, 0.5)
        if questions.doubled:
            self._doubled = making.between(left, right, phase, triplets.beside(-3, 3))
        if questions.cycle:
            self._before = making.between(left, middle, half, triplets.beside(-2, 1))
            self._after = making.between(middle, right, half, triplets.beside(-1, 2))

    def doubled(self, params: Params) -> Tensor:
        """Return the middle frames made from their neighbours."""
        return self._doubled(params)

    def cycle(self, params: Params, *, clamped: bool = False) -> Tensor:
        """Return the middle frames made from made frames, which are `clamped` as shown ones are."""
        before, after = self._before(params), self._after(params)
        if clamped:
            before, after = before.clamp(0, 1), after.clamp(0, 1)
        return self._making.anew(before, after, self._phase, params, self._beside)


class Lesson:
    """A batch of triplets put to a network, of which only the parameters `names` will change."""

    def __init__(
        self, net: nn.Module, triplets: Triplets, questions: Questions, names: Sequence[str]
    ) -> None:
        self._triplets = triplets
        self._questions = questions
        self._answers = _Answers(Making(net, names), triplets, questions)

    def loss(self, params: Params) -> Tensor:
        """Return the weighted loss of the answers, a scalar."""
        total = torch.zeros((), device=self._triplets.phase.device)
        if self._questions.doubled:
            made = self._answers.doubled(params)
            total = total + self._questions.doubled * self._error(made)
        if self._questions.cycle:
            made = self._answers.cycle(params)
            total = total + self._questions.cycle * self._error(made)
        return total

    def _error(self, made: Tensor) -> Tensor:
        margin = self._triplets.margin
        return charbonnier(inside(made, margin), inside(self._triplets.middle, margin))


class Exam:
    """A batch of triplets that a network is scored by; only the parameters `names` will change.

    A `judge` says how different from the truth the answers look.
    """

    def __init__(
        self,
        net: nn.Module,
        triplets: Triplets,
        questions: Questions,
        names: Sequence[str],
        judge: Judge | None = None,
    ) -> None:
        self._triplets = triplets
        self._questions = questions
        self._judge = judge
        self._answers = _Answers(Making(net, names), triplets, questions)

    @torch.no_grad()
    def scores(self, params: Params) -> Scores:
        """Return how good the answers with `params` are: to each question, by triplet."""
        margin = self._triplets.margin
        truth = inside(self._triplets.middle, margin)
        answers = [inside(made, margin) for made in self._asked(params)]
        if self._judge is None:
            return Scores([decibels(made, truth) for made in answers])
        distances = [self._judge(shown(made), truth).tolist() for made in answers]
        return Scores([decibels(made, truth) for made in answers], distances)

    def _asked(self, params: Params) -> Iterator[Tensor]:
        if self._questions.doubled:
            yield self._answers.doubled(params).clamp(0, 1)
        if self._questions.cycle:
            yield self._answers.cycle(params, clamped=True).clamp(0, 1)


def decibels(made: Tensor, truth: Tensor) -> list[float]:
    """Return the PSNR of each picture of a batch; at most 100, NaN if the picture is."""
    errors = ((made - truth.clamp(0, 1)) ** 2).mean(dim=(1, 2, 3)).tolist()
    return [error if math.isnan(error) else -10 * math.log10(max(error, 1e-10)) for error in errors]


def shown(frame: Tensor) -> Tensor:
    """Return `frame` as it is seen: in 8 bits."""
    return (frame * 255).round() / 255


def inside(frame: Tensor, margin: int) -> Tensor:
    """Return `frame` `(B, C, H, W)` without `margin` px on each side."""
    height, width = frame.shape[-2:]
    return frame[..., margin : height - margin, margin : width - margin]
