"""FILM: shared-weight feature pyramid, bidirectional flow, warping, fusion.

The published network is the configuration `film`; its parameters carry the names and
shapes of the public PyTorch port, so that file loads as it is. `film-s` and `film-xs`
have the same structure with fewer filters, correlations for the coarse flow predictors, and a
head that blends warped frames.

The forward pass is cut in three so that work can be shared: `features` depends on one
source frame alone, `flows` on an interval, `fuse` on a phase inside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from filmcli.network.features import FeatureExtractor, FramePyramids
from filmcli.network.flow import FlowEstimator, FlowPyramids
from filmcli.network.fusion import Fusion, Head, Synthesis
from filmcli.network.pyramids import image_pyramid

__all__ = [
    "CONFIGS", "Film", "FilmConfig", "FlowPyramids", "FramePyramids", "Stages", "Synthesis",
]  # fmt: skip


@dataclass(frozen=True)
class FilmConfig:
    """The numbers of one FILM network.

    `coarsest_px`, if set, leaves out coarse pyramid levels whose short side would be
    smaller; the coarse levels share one predictor, so the depth is free. With 4 rather
    than 8, a pan of 53 px at 480 lines is still found (24.9 dB for 19.2). `flow_reaches` are
    how far, in px of a level, its flow predictor is given correlations; 0 is not at all.
    `finest_flow` is the finest level with a flow predictor: 1 in place of 0 saves a sixth of the
    time and costs real film nothing (docs/training.md). With `bends`, things move on a curve
    through four frames where four are known, not on a line.
    """

    name: str
    filters: int
    flow_filters: tuple[int, ...]
    flow_convs: tuple[int, ...] = (3, 3, 3, 3)
    flow_reaches: tuple[int, ...] = ()
    finest_flow: int = 0
    pyramid_levels: int = 7
    fusion_levels: int = 5
    specialized_levels: int = 3
    sub_levels: int = 4
    head: Head = "rgb"
    phase_plane: bool = False
    coarsest_px: int | None = None
    bends: bool = False

    def feature_channels(self, level: int) -> int:
        """Return the width of feature level `level`."""
        return self.filters * ((1 << min(level + 1, self.sub_levels)) - 1)

    def levels_for(self, height: int, width: int) -> int:
        """Return the pyramid depth for frames of this size.

        Never under `fusion_levels`: a frame whose short side is under
        `2 ** (levels - 1)` is refused by `Film.features`.
        """
        if self.coarsest_px is None:
            return self.pyramid_levels
        fitting = (min(height, width) // self.coarsest_px).bit_length()
        return max(self.fusion_levels, min(self.pyramid_levels, fitting))


CONFIGS: dict[str, FilmConfig] = {
    "film": FilmConfig("film", filters=64, flow_filters=(32, 64, 128, 256)),
    "film-s": FilmConfig(
        "film-s",
        filters=16,
        flow_filters=(16, 24, 48, 80),
        flow_reaches=(0, 0, 2, 2),
        head="blend",
        phase_plane=True,
        coarsest_px=4,
        bends=True,
    ),
    "film-xs": FilmConfig(
        "film-xs",
        filters=8,
        flow_filters=(16, 24, 32, 64),
        flow_reaches=(0, 0, 2, 2),
        finest_flow=1,
        head="blend",
        phase_plane=True,
        coarsest_px=4,
        bends=True,
    ),
}


class Film(nn.Module):
    """A FILM network; pure: the same parameters and inputs give the same picture.

    Its three stages are modules too (`extract`, `predict_flow`, `fuse`), so that each
    can be called with other parameters through `torch.func.functional_call`.
    """

    def __init__(self, config: FilmConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.feature_channels(level) for level in range(config.pyramid_levels)]
        specialised = config.specialized_levels
        self.extract = FeatureExtractor(config.filters, config.sub_levels)
        self.predict_flow = FlowEstimator(
            widths[: specialised + 1],
            config.flow_convs,
            config.flow_filters,
            config.flow_reaches,
            config.finest_flow,
        )
        self.fuse = Fusion(
            widths[: config.fusion_levels],
            [config.filters << min(i, specialised) for i in range(config.fusion_levels - 1)],
            config.head,
            config.phase_plane,
            config.bends,
        )

    def features(self, frame: Tensor) -> FramePyramids:
        """Return the pyramids of `frame` `(B, 3, H, W)`; raises ValueError if it is too small."""
        levels = self.config.levels_for(*frame.shape[-2:])
        images = image_pyramid(frame, levels)
        return FramePyramids(images, self.extract(images))

    def flows(self, left: FramePyramids, right: FramePyramids) -> FlowPyramids:
        """Return the flows between two frames, in both directions, valid for every phase."""
        start = [torch.cat(pair) for pair in zip(left.features, right.features, strict=True)]
        end = [torch.cat(pair) for pair in zip(right.features, left.features, strict=True)]
        both = [flow.chunk(2) for flow in self.predict_flow(start, end)]
        return FlowPyramids([flow[0] for flow in both], [flow[1] for flow in both])

    def flow(self, start: FramePyramids, end: FramePyramids) -> list[Tensor]:
        """Return the flow pyramid from `start` into `end`, on the grid of `start`."""
        return self.predict_flow(start.features, end.features)  # type: ignore[no-any-return]

    def forward(self, left: Tensor, right: Tensor, phase: Tensor) -> Tensor:
        """Return the frame at `phase` `(B,)` between `left` and `right` `(B, 3, H, W)`."""
        left_pyramids, right_pyramids = self.features(left), self.features(right)
        flows = self.flows(left_pyramids, right_pyramids)
        return self.fuse(left_pyramids, right_pyramids, flows, phase)  # type: ignore[no-any-return]

    def synthesize(
        self, left: FramePyramids, right: FramePyramids, flows: FlowPyramids, phase: Tensor
    ) -> Synthesis:
        """Return what `fuse` does, and how it was made."""
        return self.fuse.synthesize(left, right, flows, phase)


class Stages(nn.Module):
    """Lets one `functional_call` reach any of a network's stages; parameters begin with "net."."""

    def __init__(self, net: Film) -> None:
        super().__init__()
        self.net = net

    def forward(self, stage: str, *inputs: Any) -> Any:
        """Return what the stage of this name ("features", "flows" ...) makes of `inputs`."""
        return getattr(self.net, stage)(*inputs)
