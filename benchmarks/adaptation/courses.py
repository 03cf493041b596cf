"""What is compared: courses of adaptation, in groups of which each answers one question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from filmcli.adaptation.lessons import Questions
from filmcli.adaptation.scene import Recipe

TRUTH = "truth"
"""The lesson that no film can give: its dropped frames, as far as they are not scored."""

QUESTIONS = {
    TRUTH: Questions(1.0, 0.0),
    "doubled": Questions(1.0, 0.0),
    "cycle": Questions(0.0, 1.0),
    "both": Questions(1.0, 1.0),
}
STEPS = (1, 2, 3, 5, 10, 30)
SWEEP = (1, 3, 10)


@dataclass(frozen=True)
class Course:
    """One way to adapt, followed to the largest of `counts`.

    Without a `rate`, it goes by those that were learned with the weights; without `questions`, by
    the lessons of the weights, and so by the cycle for those that learned none.
    """

    weights: str = "base"
    questions: str | None = None
    subset: str = Recipe().subset
    rule: str = "adam"
    rate: float | None = Recipe().learning_rate
    counts: tuple[int, ...] = STEPS

    def recipe(self, learned: Recipe) -> Recipe:
        """Return how to adapt weights that `learned` to be adapted so."""
        return replace(
            learned,
            steps=max(self.counts),
            rates=learned.rates if self.rate is None else None,
            learning_rate=self.rate or 0.0,
            rule=learned.rule if self.rate is None else self.rule,
            subset=self.subset,
            questions=QUESTIONS[self.questions] if self.questions else learned.questions,
        )

    def key(self) -> dict[str, Any]:
        """Return all that tells it from another, as JSON gives it back."""
        return {**asdict(self), "counts": list(self.counts)}


@dataclass(frozen=True)
class Size:
    """How much is measured: the first `clips`, of each the `dropped` frames in a window's width."""

    clips: int | None
    dropped: int | None
    window_px: int | None
    most_steps: int


SIZES: Mapping[str, Size] = MappingProxyType(
    {
        "tiny": Size(2, 1, 160, 3),
        "small": Size(None, 2, 320, 30),
        "full": Size(None, None, None, 30),
    }
)

_RATES = (1e-4, 3e-4, 1e-3)
# Low-rank factors begin at zero and multiply: they need longer steps than weights.
_OF_SUBSET = {"fusion": 3e-4, "heads": 3e-4, "late": 1e-4, "all": 1e-4, "adapters": 1e-3}

GROUPS: Mapping[str, Sequence[Course]] = MappingProxyType(
    {
        "steps": (
            Course(),
            Course(weights="meta", rate=None),
            Course(weights="re-trained"),
            Course(weights="meta", counts=SWEEP),
            Course(rule="sgd", rate=0.03, counts=SWEEP),
        ),
        "lessons": (
            *(Course(questions=asked, counts=SWEEP) for asked in ("doubled", "both")),
            *(
                Course(weights="meta", rate=None, questions=asked, counts=SWEEP)
                for asked in ("doubled", "both")
            ),
        ),
        "limit": (
            Course(questions=TRUTH, counts=SWEEP),
            Course(questions=TRUTH, subset="all", rate=1e-4, counts=SWEEP),
            Course(weights="meta", rate=None, questions=TRUTH, counts=SWEEP),
        ),
        "subsets": tuple(
            Course(subset=subset, rate=rate, counts=SWEEP) for subset, rate in _OF_SUBSET.items()
        ),
        "rates": tuple(
            Course(weights=weights, rate=rate, counts=SWEEP)
            for weights in ("base", "meta")
            for rate in _RATES
            if rate != Recipe().learning_rate
        ),
        "backbone": (
            Course("voxelflow", subset="all", rate=1e-4),
            Course("voxelflow meta", subset="all", rate=None),
            Course("voxelflow meta", subset="all", rate=1e-4),
        ),
    }
)
"""In the order in which they are measured: the first matters most."""

CAPTIONS = {
    "steps": "Steps: base weights tuned by hand-set rates, meta-trained ones by theirs too",
    "lessons": "Lessons: the doubled gap, the cycle, both",
    "limit": "What a scene could teach: other dropped frames of it, by their truth",
    "subsets": "What adapts",
    "rates": "Inner rates",
    "backbone": "A network of another structure: voxel flow, all of it adapting",
}
BESIDE = {"lessons": ("steps",), "limit": ("steps",), "subsets": ("steps",), "rates": ("steps",)}
"""Groups whose courses stand in a group's picture too, for comparison."""
