"""How a network is trained: one recipe, as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from filmcli.errors import UsageError


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run; what moved the curve is written in docs/training.md.

    `synthetic` is the share of synthetic samples. "fetched" and "flow" are crutches: their weights
    fall to a fifth in the course of the run. A loss of weight 0 is not computed.
    """

    config: str = "film-m"
    steps: int = 6600
    batch: int = 32
    accumulate: int = 1  # parts that a batch is taken in, for want of memory
    side: int = 224
    rate: float = 1e-3
    final_rate: float = 0.02  # of the rate, where it ends
    stairs: int = 0  # equal stairs on which the rate falls; 0: half a cosine
    warmup: int = 200
    weight_decay: float = 1e-4
    second_decay: float = 0.99  # of Adam's squares
    epsilon: float = 1e-8  # of Adam
    clip_norm: float = 1.0
    average_decay: float = 0.999
    synthetic: float = 0.25
    middle_share: float = 0.5  # of samples whose phase is one half
    longest_span: int = 12  # frames from left to right in real clips, at most
    largest_zoom: float = 1.5  # of real crops; twice the size at least, if they have it
    largest_shift: float = 0.4  # of the side, the largest synthetic motion
    pace_shape: float = 1.5  # of its beta distribution: 1 even, 2 rather slow
    charbonnier_weight: float = 1.0
    l1_weight: float = 0.0
    census_weight: float = 0.0
    laplacian_weight: float = 0.25
    ssim_weight: float = 0.15
    lpips_weight: float = 0.5
    fetched_weight: float = 0.3
    flow_weight: float = 0.08  # per px
    vgg_weight: float = 0.0  # in the first half
    late_vgg_weight: float = 0.0  # and in the second
    late_style_weight: float = 0.0
    bfloat16: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise UsageError for clips in which nothing would lie between left and right."""
        if self.longest_span < 2:
            what = f"There is no frame within a span of {self.longest_span}."
            raise UsageError(what, "", "Set longest_span to 2 or more.")

    def progress(self, step: int) -> float:
        """Return how far through the run `step` is, in [0, 1)."""
        return step / self.steps

    def is_late(self, step: int) -> bool:
        """Tell whether `step` is in the second half."""
        return self.progress(step) > 0.5

    def needs_vgg(self) -> bool:
        """Tell whether a loss compares features of VGG-19."""
        return any((self.vgg_weight, self.late_vgg_weight, self.late_style_weight))

    def rate_at(self, step: int) -> float:
        """Return the learning rate: a warm-up, then half a cosine or stairs."""
        progress = self.progress(step)
        if self.stairs:
            fallen = int(progress * self.stairs) / max(1, self.stairs - 1)
            share = float(self.final_rate**fallen)
        else:
            wave = (1 + math.cos(math.pi * progress)) / 2
            share = self.final_rate + (1 - self.final_rate) * wave
        return self.rate * min(1.0, (step + 1) / max(1, self.warmup)) * share

    def weights_at(self, step: int) -> dict[str, float]:
        """Return the weight of every loss that counts at `step`."""
        fading, is_late = 1 - 0.8 * self.progress(step), self.is_late(step)
        weights = {
            "charbonnier": self.charbonnier_weight,
            "l1": self.l1_weight,
            "laplacian": self.laplacian_weight,
            "census": self.census_weight,
            "ssim": self.ssim_weight,
            "lpips": self.lpips_weight,
            "fetched": self.fetched_weight * fading,
            "flow": self.flow_weight * fading,
            "vgg": self.late_vgg_weight if is_late else self.vgg_weight,
            "style": self.late_style_weight if is_late else 0.0,
        }
        return {name: weight for name, weight in weights.items() if weight}
