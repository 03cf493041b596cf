"""FILM as published: shared-weight feature pyramid, bidirectional flow, warping, fusion.

Its parameters carry the names and shapes of the public PyTorch port, so that file loads as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from filmcli.network.features import FeatureExtractor, FramePyramids
from filmcli.network.flow import FlowEstimator, FlowPyramids
from filmcli.network.fusion import Fusion
from filmcli.network.pyramids import image_pyramid
from filmcli.network.synthesis import Beside, Synthesis, for_all


@dataclass(frozen=True)
class FilmConfig:
    """The numbers of one FILM network."""

    name: str
    filters: int = 64
    flow_filters: tuple[int, ...] = (32, 64, 128, 256)
    flow_convs: tuple[int, ...] = (3, 3, 3, 3)
    pyramid_levels: int = 7
    fusion_levels: int = 5
    specialized_levels: int = 3
    sub_levels: int = 4

    @property
    def multiple(self) -> int:
        """Pixels that sides are padded to: whole ones of the coarsest level, as in training."""
        return 1 << (self.pyramid_levels - 1)

    @property
    def smallest(self) -> int:
        """Pixels that sides are padded to at least."""
        return self.multiple

    def feature_channels(self, level: int) -> int:
        """Return the width of feature level `level`."""
        return self.filters * ((1 << min(level + 1, self.sub_levels)) - 1)


class FilmInterval(NamedTuple):
    """Two frames and the motion between them, which serves every phase."""

    left: FramePyramids
    right: FramePyramids
    flows: FlowPyramids


class Film(nn.Module):
    """FILM; pure: the same parameters and inputs give the same picture.

    It was trained at the middle of two frames, is not told the phase, and does not look at the
    frames beside an interval.
    """

    knows_phase = False
    looks_beside = False

    def __init__(self, config: FilmConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.feature_channels(level) for level in range(config.pyramid_levels)]
        specialised = config.specialized_levels
        self.extract = FeatureExtractor(config.filters, config.sub_levels)
        self.predict_flow = FlowEstimator(
            widths[: specialised + 1], config.flow_convs, config.flow_filters
        )
        self.fuse = Fusion(
            widths[: config.fusion_levels],
            [config.filters << min(i, specialised) for i in range(config.fusion_levels - 1)],
        )

    def features(self, frame: Tensor) -> FramePyramids:
        """Return the pyramids of `frame` `(B, 3, H, W)`; raises ValueError if it is too small."""
        images = image_pyramid(frame, self.config.pyramid_levels)
        return FramePyramids(images, self.extract(images))

    def interval(
        self,
        left: FramePyramids,
        right: FramePyramids,
        before: Beside | None = None,  # noqa: ARG002
        after: Beside | None = None,  # noqa: ARG002
    ) -> FilmInterval:
        """Return two frames with the flows between them, in both directions."""
        start = [torch.cat(pair) for pair in zip(left.features, right.features, strict=True)]
        end = [torch.cat(pair) for pair in zip(right.features, left.features, strict=True)]
        both = [flow.chunk(2) for flow in self.predict_flow(start, end)]
        flows = FlowPyramids([flow[0] for flow in both], [flow[1] for flow in both])
        return FilmInterval(left, right, flows)

    def ready(self, interval: FilmInterval, phase: Tensor) -> tuple[Any, ...]:
        """Return what fusion is given for the frame at `phase` `(B,)`."""
        return *interval, phase

    def fused(self, ready: tuple[Any, ...]) -> Synthesis:
        """Return the frame that fusion makes of what it is given, and how it was made."""
        return self.fuse(*ready)  # type: ignore[no-any-return]

    def synthesize(self, interval: FilmInterval, phase: Tensor) -> Synthesis:
        """Return the frame at `phase` `(B,)` of B intervals, or of one; and how it was made."""
        return self.fused(self.ready(for_all(interval, phase), phase))

    def forward(self, left: Tensor, right: Tensor, phase: Tensor) -> Tensor:
        """Return the frame at `phase` `(B,)` between `left` and `right` `(B, 3, H, W)`."""
        interval = self.interval(self.features(left), self.features(right))
        return self.synthesize(interval, phase).frame
