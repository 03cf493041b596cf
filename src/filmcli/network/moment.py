"""Flow at the wanted moment: FILM's idea, with the width where pixels are few.

As in FILM (Reda et al., ECCV 2022) one extractor serves all levels of the image pyramid, flow is
refined coarse to fine by a matcher that the coarse levels share, and a U-Net fuses what it fetches.
But features begin at half the size and flow ends at a quarter, where a convolution is cheap enough
to be wide, and everything is fetched to the wanted moment at every level, so that a thing is one
thing there, and not two halves that two flows bring to two places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from filmcli.network.blending import Blender
from filmcli.network.features import FramePyramids
from filmcli.network.layers import conv
from filmcli.network.matching import Matched, Matcher, Times, batched, cubic_shares
from filmcli.network.pyramids import image_pyramid
from filmcli.network.sway import Sway, moved, smear
from filmcli.network.synthesis import Beside, Synthesis, for_all

FINEST = 2
"""The finest level that is matched: a quarter of the size."""

_SHARED = FINEST + 1  # and coarser: one matcher for all


@dataclass(frozen=True)
class MomentConfig:
    """The numbers of one network; a level is the picture halved so many times.

    `stages` are the widths of the extractor's stages, `features` those that matching sees at level
    2 and coarser ones; `widths`, `depths` and `reaches` are of the matchers of level 2 and of all
    coarser ones, `sway` is the width of what reads motion blur, `fusion` the widths of the U-Net.
    Levels go down to `deepest` as long as a short side has `coarsest_px`. Where pixels are fewest,
    from level 4 on, there are so many `rounds`.
    """

    name: str
    stages: tuple[int, int, int] = (32, 64, 96)
    features: tuple[int, int] = (64, 96)
    widths: tuple[int, int] = (64, 192)
    depths: tuple[int, int] = (4, 6)
    reaches: tuple[int, int] = (2, 3)
    state: int = 64
    sway: int = 40
    fusion: tuple[int, int, int] = (32, 64, 96)
    coarsest_px: int = 4
    deepest: int = 6
    rounds: int = 2

    @property
    def multiple(self) -> int:
        """Pixels that sides are padded to a multiple of."""
        return 8

    @property
    def smallest(self) -> int:
        """Pixels that sides are padded to at least."""
        return 1 << (_SHARED + 1)

    def levels_for(self, height: int, width: int) -> int:
        """Return the coarsest level for frames of this size; never under 3."""
        fitting = (min(height, width) // self.coarsest_px).bit_length() - 1
        return max(_SHARED, min(self.deepest, fitting))


class Extractor(nn.Module):
    """Features of every level from half the size down: the same stages for every level's image."""

    def __init__(self, stages: tuple[int, int, int], features: tuple[int, int]) -> None:
        super().__init__()
        first, second, third = stages
        self.stages = nn.ModuleList(
            [
                nn.Sequential(conv(3, first, 4, 2), conv(first, first)),
                nn.Sequential(conv(first, second, 2, 2), conv(second, second)),
                nn.Sequential(conv(second, third, 2, 2), conv(third, third)),
            ]
        )
        self.join_near = nn.Conv2d(first + second, features[0], 1)
        self.join_far = nn.Conv2d(sum(stages), features[1], 1)

    def forward(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Return the features of levels 1, 2, ... of an image pyramid, one fewer than it has.

        Level i joins the first stage's map of image i - 1, the second's of image i - 2, and so on.
        """
        precision, coarsest = self.join_near.weight.dtype, len(images) - 1
        maps: list[list[Tensor]] = []
        for level, image in enumerate(images[:-1]):
            x, of_image = image.to(precision), []
            for stage in self.stages[: min(len(self.stages), coarsest - level)]:
                x = stage(x)
                of_image.append(x)
            maps.append(of_image)
        found = [maps[0][0]]
        for level in range(FINEST, coarsest + 1):
            parts = [maps[level - 1 - j][j] for j in range(min(level, len(self.stages)))]
            join = self.join_near if level == FINEST else self.join_far
            found.append(join(torch.cat(parts, dim=1)))
        return found


class MomentInterval(NamedTuple):
    """Left, right, the frame before and the one after, when they stand, and which are known.

    What is not known has another's features.
    """

    frames: Sequence[FramePyramids]
    at: Tensor  # (B, 4)
    known: Tensor  # (B, 4), 1 or 0


class Moment(nn.Module):
    """The network; pure: the same parameters and inputs give the same picture.

    It is told the phase, and motion bends by the frames beside an interval, if they are known. Its
    stages are modules (`extract`, `near`, `far`, `sway`, `fuse`).
    """

    knows_phase = True
    looks_beside = True

    def __init__(self, config: MomentConfig) -> None:
        super().__init__()
        self.config = config
        self.extract = Extractor(config.stages, config.features)
        self.near, self.far = (
            Matcher(*numbers, config.state)
            for numbers in zip(
                config.features, config.widths, config.depths, config.reaches, strict=True
            )
        )
        self.sway = Sway(config.sway)
        self.fuse = Blender((config.stages[0], *config.features), config.fusion, config.state)

    def features(self, frame: Tensor) -> FramePyramids:
        """Return the pyramids of `frame` `(B, 3, H, W)`, H and W even and 16 or more.

        Its features begin at level 1, half the size. Raises ValueError for a smaller frame.
        """
        images = image_pyramid(frame, self.config.levels_for(*frame.shape[-2:]) + 1)
        return FramePyramids(images, self.extract(images), smear(images))

    def interval(
        self,
        left: FramePyramids,
        right: FramePyramids,
        before: Beside | None = None,
        after: Beside | None = None,
    ) -> MomentInterval:
        """Return what a picture between `left` and `right` is made of."""
        one = left.images[0].new_ones(len(left.images[0]))
        behind = before or Beside(left, one, 0 * one)
        ahead = after or Beside(right, one, 0 * one)
        known = [one if beside.known is None else beside.known for beside in (behind, ahead)]
        return MomentInterval(
            (left, right, behind.features, ahead.features),
            torch.stack((0 * one, one, -behind.distance, 1 + ahead.distance), dim=1),
            torch.stack((one, one, *known), dim=1),
        )

    def ready(self, interval: MomentInterval, phase: Tensor) -> tuple[Any, ...]:
        """Return what fusion is given for the frame at `phase` `(B,)`: what was matched, too."""
        times = Times(phase.float(), interval.at, interval.known)
        shares = cubic_shares(times)
        levels: list[Matched] = []  # 2, 3, ...
        for level in range(len(interval.frames[0].features), FINEST - 1, -1):
            maps = [frame.features[level - 1] for frame in interval.frames]
            known = levels[0].on(maps[0]) if levels else self._nothing(maps[0])
            features = batched(maps)
            for _ in range(self.config.rounds if level > _SHARED else 1):
                matcher = self.near if level == FINEST else self.far
                known = matcher(features, known, times, shares)
            levels.insert(0, known)
        left, right = interval.frames[:2]
        strayed = self.sway(left.smears, right.smears, levels[0], times)
        levels[0] = moved(levels[0], strayed)
        return left, right, levels, times

    def fused(self, ready: tuple[Any, ...]) -> Synthesis:
        """Return the frame that fusion makes of what it is given, and how it was made."""
        return self.fuse(*ready)  # type: ignore[no-any-return]

    def synthesize(self, interval: MomentInterval, phase: Tensor) -> Synthesis:
        """Return the frame at `phase` `(B,)` of B intervals, or of one; and how it was made."""
        return self.fused(self.ready(for_all(interval, phase), phase))

    def forward(self, left: Tensor, right: Tensor, phase: Tensor) -> Tensor:
        """Return the frame at `phase` `(B,)` between `left` and `right` `(B, 3, H, W)`."""
        interval = self.interval(self.features(left), self.features(right))
        return self.synthesize(interval, phase).frame

    def _nothing(self, coarsest: Tensor) -> Matched:
        B, _, H, W = coarsest.shape
        ways = torch.zeros(B, 8, H, W, device=coarsest.device)
        return Matched(ways, ways[:, :1], coarsest.new_zeros(B, self.config.state, H, W))
