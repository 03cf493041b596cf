"""The training loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from filmcli.network import weights
from filmcli.network.machine import keep_freed_memory
from filmcli.training.curves import draw_curves
from filmcli.training.guard import Guard
from filmcli.training.learner import Learner
from filmcli.training.material import Material
from filmcli.training.ranks import joined
from filmcli.training.recipe import Recipe
from filmcli.training.stream import batches
from filmcli.training.terms import weighted
from filmcli.training.validation import Validation
from filmcli.training.watch import Report, Watch


@dataclass(frozen=True)
class Run:
    """Where a run reads and writes, and how often; only what it begins with changes the result.

    `output` is the weights file; beside it stand `output`.checkpoint, from which the same
    run resumes, `output`.log, one JSON object a report, and `output`.png, its curves.
    """

    output: str
    metadata: dict[str, str]
    initial: str | None = None  # weights to begin with, a shipped name or a file
    device: str = "auto"
    workers: int = 1
    vgg: str | None = None  # weights of VGG-19, for the recipes that need them
    validate: str | None = None  # folder of films to score on
    report_every: int = 100  # steps
    validate_every: int = 1000
    save_every: int = 500


def train(recipe: Recipe, run: Run, material: Material, report: Report) -> None:
    """Train by `recipe` until its last step, and write the averaged weights.

    A checkpoint of the same recipe beside the output is resumed, exactly. Started by torchrun,
    this process takes its share, and only the first one writes and reports. Raises RenderError
    if the run diverges; the last good checkpoint stays.
    """
    keep_freed_memory()
    with joined(run.device) as ranks:
        learner = Learner(recipe, run.initial, run.vgg, ranks)
        first = learner.resume(f"{run.output}.checkpoint")
        books = _Books(recipe, run, learner, report) if ranks.is_first else None
        guard = Guard()
        stream = batches(material, recipe, first, run.workers, ranks.rank, ranks.size)
        for step, parts in enumerate(books.watch.waiting(stream) if books else stream, first):
            terms = learner.step(step, parts)
            loss = weighted(terms, recipe.weights_at(step))
            guard.follow(step, recipe.is_late(step), loss)
            if books:
                books.enter(step + 1, terms, guard.calm)


class _Books:
    """What the first process writes down: log, scores, checkpoint, weights, curves."""

    def __init__(self, recipe: Recipe, run: Run, learner: Learner, report: Report) -> None:
        self._recipe, self._run, self._learner = recipe, run, learner
        self._log = f"{run.output}.log"
        self.watch = Watch(self._log, report, recipe.steps, recipe.batch, run.report_every)
        self._validation = (
            Validation(run.validate, recipe.config, learner.average) if run.validate else None
        )

    def enter(self, step: int, terms: Mapping[str, float], calm: bool) -> None:
        """Take in what the step that made `step` steps gave, and write what is due."""
        last = step == self._recipe.steps
        self.watch.add(step, terms, rate=self._recipe.rate_at(step - 1))
        if self._validation and (last or step % self._run.validate_every == 0):
            with self.watch.aside():
                self.watch.tell(step, **self._validation.score())
        if calm and (last or step % self._run.save_every == 0):
            self._save(step)

    def _save(self, step: int) -> None:
        output = self._run.output
        self._learner.save(f"{output}.checkpoint", step)
        said = {**self._run.metadata, "steps": str(step)}
        weights.save(output, self._recipe.config, self._learner.average, said)
        draw_curves(self._log, f"{output}.png")
