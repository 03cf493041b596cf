"""What is compared: courses of adaptation, in groups of which each answers one question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from filmcli.adaptation.lessons import Questions
from filmcli.adaptation.scene import Recipe
from filmcli.adaptation.subsets import ADAPTERS, DIALS

TRUTH = "truth"
"""The lesson that no film can give: its dropped frames, as far as they are not scored."""

QUESTIONS = {
    TRUTH: Questions(1.0, 0.0),
    "doubled": Questions(1.0, 0.0),
    "cycle": Questions(0.0, 1.0),
    "both": Questions(1.0, 1.0),
}
STEPS = (1, 3, 10)


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
            longest=learned.longest if self.rate is None else Recipe().longest,
            subset=self.subset,
            questions=QUESTIONS[self.questions] if self.questions else learned.questions,
        )

    def key(self) -> dict[str, Any]:
        """Return all that tells it from another, as JSON gives it back."""
        return {**asdict(self), "counts": list(self.counts)}


@dataclass(frozen=True)
class Size:
    """How much is measured: `clips` of a set, of each the `dropped` frames in a window's width."""

    clips: int | None
    dropped: int | None
    window_px: int | None
    most_steps: int


SIZES: Mapping[str, Size] = MappingProxyType(
    {
        "tiny": Size(2, 1, 160, 3),
        "few": Size(8, 2, 320, 10),
        "small": Size(None, 2, 320, 10),
        "full": Size(None, None, None, 10),
    }
)

RATES: Mapping[str, float] = MappingProxyType(
    {DIALS: 0.03, "tail": 3e-4, "late": 1e-4, ADAPTERS: 1e-3, "all": 3e-5}
)
"""What adapts, and by which rate: the groups of parameters that are compared."""

GROUPS: Mapping[str, Sequence[Course]] = MappingProxyType(
    {
        lesson: tuple(Course(questions=lesson, subset=of, rate=RATES[of]) for of in subsets)
        for lesson, subsets in (
            (TRUTH, RATES),
            ("cycle", (DIALS, "tail", "late")),
            ("doubled", (DIALS, "tail")),
        )
    }
)
"""In the order in which they are measured: the first, the limit of the others, matters most."""
