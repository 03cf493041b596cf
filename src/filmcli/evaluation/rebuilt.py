"""A rebuilt frame: what everyone made of it, beside the truth, with the scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from filmcli.evaluation.board import FrameScores
from filmcli.evaluation.makers import Maker, Run
from filmcli.evaluation.metrics import Picture, Score, Scorer


class Rebuilt(NamedTuple):
    """A dropped frame as everyone made it, with the truth and the scores.

    `frame` counts the sequence's, `step` (from 1) those since the kept one, `left`, before it.
    """

    frame: int
    scene: int
    step: int
    phase: Fraction
    left: Picture
    truth: Picture
    made: Mapping[str, Picture]
    scores: Mapping[str, Score]

    @property
    def without_pictures(self) -> FrameScores:
        """What the board keeps of it."""
        return FrameScores(self.frame, self.scene, self.step, self.scores)


Watch = Callable[[Rebuilt], None]
"""Sees every rebuilt frame with its pictures, in order."""


def unseen(rebuilt: Rebuilt) -> None:
    """A watch that looks away."""


def judged(
    makers: Mapping[str, Maker],
    run: Run,
    truths: Sequence[Sequence[Picture]],
    first: int,
    scorer: Scorer,
) -> Iterator[Rebuilt]:
    """Let everyone make the frames of `run` and yield each; `truths` are theirs by interval.

    `first` is the number of the run's first kept frame.
    """
    made = {name: make(run) for name, make in makers.items()}
    number = first
    for at, truth_of in enumerate(truths):
        for step, truth in enumerate(truth_of, 1):
            here = {name: frames[at][step - 1] for name, frames in made.items()}
            yield Rebuilt(
                frame=number + step,
                scene=run.scene,
                step=step,
                phase=run.phases[at][step - 1],
                left=run.kept[at],
                truth=truth,
                made=here,
                scores=scorer(here, truth),
            )
        number += len(truth_of) + 1
