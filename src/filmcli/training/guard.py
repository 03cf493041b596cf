"""When a run has gone astray: the loss is no number, or stays far above what it was."""

from __future__ import annotations

import math

from filmcli.errors import RenderError

FAR = 4.0  # times the usual loss; single batches of 8 rarely reach 3 times
PATIENCE = 100  # steps


class Guard:
    """Follows the loss of a run, step by step.

    `calm` is false while the loss, evened over ten steps, is far above its mean of the last
    thousand: what the network is then should not become a checkpoint.
    """

    def __init__(self) -> None:
        self.calm = True
        self._chapter: object = None

    def _begin(self, chapter: object) -> None:
        self.calm = True
        self._chapter = chapter
        self._recent = self._usual = 0.0
        self._steps = self._astray = 0

    def follow(self, step: int, chapter: object, loss: float) -> None:
        """Hear of the loss of `step`; losses of different chapters are not compared.

        Raises RenderError if it is not a number, or was far too high for `PATIENCE` steps.
        """
        if not math.isfinite(loss):
            raise astray(f"The loss of step {step} is not a number.")
        if chapter != self._chapter:
            self._begin(chapter)
        self._recent += (loss - self._recent) / min(10, self._steps + 1)
        self.calm = self._steps < PATIENCE or self._recent <= FAR * self._usual
        if self.calm:
            self._steps += 1
            self._astray = 0
            self._usual += (loss - self._usual) / min(1000, self._steps)
            return
        self._astray += 1
        if self._astray >= PATIENCE:
            raise astray(
                f"Since step {step - PATIENCE + 1} the loss is over {FAR:g} times its mean "
                f"before, {self._usual:.3g}."
            )


def astray(why: str) -> RenderError:
    """Return the error of a run that cannot go on."""
    return RenderError(
        "The training has diverged.",
        f"{why} The last checkpoint is from before.",
        "Start again from the last weights (--init) with a lower rate.",
    )
