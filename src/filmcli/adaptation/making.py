"""Frames made by a network of which only some parameters change; the rest's work is done once.

While the extractor stays as it is, a frame's features are computed once, however many frames are
made of it, and the frames around an interval tell how motion bends; while only the fusion changes,
motion is found once, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from filmcli.adaptation.inner import Params
from filmcli.adaptation.subsets import only_in
from filmcli.network.features import FramePyramids
from filmcli.network.networks import Network, Stages
from filmcli.network.synthesis import Beside

Around = tuple[Tensor, Tensor]
"""The frames before left and after right, as far away as the interval is long."""

Make = Callable[[Params], Tensor]
"""How one batch of frames `(B, 3, H, W)` is made by the network with these parameters."""


class Making:
    """A network, anything with FILM's call signature, of which only `names` will change."""

    def __init__(self, net: nn.Module, names: Sequence[str]) -> None:
        self._net = net
        self._stages = Stages(net) if isinstance(net, Network) else None
        self._only_fusion = only_in(("fuse",), names)
        self._is_seen_once = not any(name.startswith("extract.") for name in names)
        # By identity; the frame itself is kept so that nothing else gets its identity.
        self._seen: dict[int, tuple[Tensor, FramePyramids]] = {}

    def anew(
        self,
        left: Tensor,
        right: Tensor,
        phase: Tensor,
        params: Params,
        around: Around | None = None,
    ) -> Tensor:
        """Return the frame at `phase` between frames that are not kept: made ones.

        Those `around` are kept ones, half the interval away.
        """
        if around is None or self._stages is None:
            made: Tensor = functional_call(self._net, dict(params), (left, right, phase))
            return made.to(left.dtype)
        first, second = (self._stage(params, "features", frame) for frame in (left, right))
        beside = self._beside(params, around, 0.5)
        interval = self._stage(params, "interval", first, second, *beside)
        return self._stage(params, "synthesize", interval, phase).frame.to(left.dtype)  # type: ignore[no-any-return]

    def between(
        self, left: Tensor, right: Tensor, phase: Tensor, around: Around | None = None
    ) -> Make:
        """Return how the frame at `phase` is made, with all that will not change done."""
        if self._stages is None:
            return lambda params: self.anew(left, right, phase, params)
        if self._is_seen_once:
            for frame in (left, right, *(around or ())):
                self._pyramids({}, frame)

        def ready(params: Params) -> Any:
            frames = [self._pyramids(params, frame) for frame in (left, right)]
            beside = self._beside(params, around, 1.0) if around else ()
            interval = self._stage(params, "interval", *frames, *beside)
            return self._stage(params, "ready", interval, phase)

        if not self._only_fusion:
            return lambda params: self._stage(params, "fused", ready(params)).frame.to(left.dtype)
        with torch.no_grad():
            done = ready({})
        return lambda params: self._stage(params, "fused", done).frame.to(left.dtype)

    def _beside(self, params: Params, around: Around, distance: float) -> list[Beside]:
        """Return the frames `around` an interval, so far away from it."""
        return [
            Beside(self._pyramids(params, frame), frame.new_full((len(frame),), distance))
            for frame in around
        ]

    def _pyramids(self, params: Params, frame: Tensor) -> FramePyramids:
        if not self._is_seen_once:
            return self._stage(params, "features", frame)  # type: ignore[no-any-return]
        if id(frame) not in self._seen:
            with torch.no_grad():
                self._seen[id(frame)] = frame, self._stage({}, "features", frame)
        return self._seen[id(frame)][1]

    def _stage(self, params: Params, stage: str, *inputs: Any) -> Any:
        assert self._stages is not None
        named = {f"net.{name}": value for name, value in params.items()}
        return functional_call(self._stages, named, (stage, *inputs))
