"""How a network is trained: one recipe, as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run; what moved the curve is written in docs/training.md.

    The first `flow_steps` of `steps` train features and flows alone, on known and taught
    flow; the rest trains for the picture, its first `fusion_steps` the fusion alone, which
    takes 0.4 of the time of a step that trains everything. `flow_synthetic` and
    `picture_synthetic` are the shares of synthetic samples in the two stages. A loss of
    weight 0 is not computed.
    """

    config: str = "film-xs"
    steps: int = 5800
    flow_steps: int = 2800
    fusion_steps: int = 0
    batch: int = 8
    accumulate: int = 1  # parts that a batch is taken in, for want of memory
    side: int = 128
    flow_rate: float = 2e-3
    rate: float = 8e-4
    final_rate: float = 0.02  # of the stage's rate, where it ends
    stairs: int = 0  # equal stairs on which the rate falls; 0: half a cosine
    warmup: int = 100
    weight_decay: float = 1e-4
    epsilon: float = 1e-8  # of Adam
    clip_norm: float = 1.0
    average_decay: float = 0.998
    flow_synthetic: float = 0.6
    picture_synthetic: float = 0.35
    middle_share: float = 0.5  # of samples whose phase is one half
    largest_zoom: float = 2.0  # of real crops; as much smaller or larger
    largest_shift: float = 0.3  # of the side, the largest synthetic motion
    pace_shape: float = 2.0  # of its beta distribution: 1 even, 2 rather slow
    charbonnier_weight: float = 1.0
    l1_weight: float = 0.0
    census_weight: float = 0.0
    laplacian_weight: float = 0.25
    warped_weight: float = 0.3  # falls to a tenth over the picture stage
    flow_weight: float = 0.02  # likewise; per px
    choice_weight: float = 0.5  # likewise
    vgg_weight: float = 0.0  # in the first half of the picture stage
    late_vgg_weight: float = 0.0  # and in the second
    late_style_weight: float = 0.0
    bfloat16: bool = True
    seed: int = 0

    def stage(self, step: int) -> tuple[int, float]:
        """Return the stage of `step` (0 flow, 1 picture) and how far through it is, in [0, 1)."""
        if step < self.flow_steps:
            return 0, step / self.flow_steps
        return 1, (step - self.flow_steps) / max(1, self.steps - self.flow_steps)

    def is_late(self, step: int) -> bool:
        """Tell whether `step` is in the second half of the picture stage."""
        stage, progress = self.stage(step)
        return stage == 1 and progress > 0.5

    def is_fusion_alone(self, step: int) -> bool:
        """Tell whether features and flows stand still at `step`."""
        return 0 <= step - self.flow_steps < self.fusion_steps

    def needs_vgg(self) -> bool:
        """Tell whether a loss compares features of VGG-19."""
        return any((self.vgg_weight, self.late_vgg_weight, self.late_style_weight))

    def rate_at(self, step: int) -> float:
        """Return the learning rate: in each stage a warm-up, then half a cosine or stairs."""
        stage, progress = self.stage(step)
        peak = self.rate if stage else self.flow_rate
        begun = step - self.flow_steps if stage else step
        if self.stairs:
            fallen = int(progress * self.stairs) / max(1, self.stairs - 1)
            share = float(self.final_rate**fallen)
        else:
            wave = (1 + math.cos(math.pi * progress)) / 2
            share = self.final_rate + (1 - self.final_rate) * wave
        return peak * min(1.0, (begun + 1) / max(1, self.warmup)) * share

    def fading(self, step: int) -> float:
        """Return the factor of the auxiliary losses: 1, falling to 0.1 over the picture stage."""
        stage, progress = self.stage(step)
        return 1 - 0.9 * progress if stage else 1.0

    def weights_at(self, step: int) -> dict[str, float]:
        """Return the weight of every loss that counts at `step`."""
        stage, _ = self.stage(step)
        if not stage:
            return {"flow": 1.0}
        fading, is_late = self.fading(step), self.is_late(step)
        weights = {
            "charbonnier": self.charbonnier_weight,
            "l1": self.l1_weight,
            "laplacian": self.laplacian_weight,
            "census": self.census_weight,
            "warped": self.warped_weight * fading,
            "flow": self.flow_weight * fading,
            "vgg": self.late_vgg_weight if is_late else self.vgg_weight,
            "style": self.late_style_weight if is_late else 0.0,
            "choice": self.choice_weight * fading,
        }
        if self.is_fusion_alone(step):
            del weights["warped"], weights["flow"]
        return {name: weight for name, weight in weights.items() if weight}
