"""Frames made by a network of which only some parameters change; the rest's work is done once.

While the extractor stays as it is, a frame's features are computed once, however many frames are
made of it, and the motion bends as the frames around an interval tell; while the flows stay too, an
interval's motion is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from filmcli.adaptation.inner import Params
from filmcli.adaptation.subsets import only_in
from filmcli.network.film import Film, FlowPyramids, FramePyramids, Stages
from filmcli.network.flow import bent

Around = tuple[Tensor, Tensor]
"""The frames before left and after right, as far away as the interval is long."""

Make = Callable[[Params], Tensor]
"""How one batch of frames `(B, 3, H, W)` is made by the network with these parameters."""


_Pair = tuple[FramePyramids, FramePyramids]


class Making:
    """A network, anything with FILM's call signature, of which only `names` will change."""

    def __init__(self, net: nn.Module, names: Sequence[str]) -> None:
        self._net = net
        self._film: Film | None = None
        if isinstance(net, Film) and only_in(("predict_flow", "fuse"), names):
            self._film, self._stages = net, Stages(net)
        self._flows_stay = only_in(("fuse",), names)
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
        if around is None or self._film is None:
            made: Tensor = functional_call(self._net, dict(params), (left, right, phase))
            return made
        first, second = (self._stage(params, "features", frame) for frame in (left, right))
        flows = self._bent(params, (first, second), self._both(around), 0.5)
        return self._stage(params, "fuse", first, second, flows, phase)  # type: ignore[no-any-return]

    def between(
        self, left: Tensor, right: Tensor, phase: Tensor, around: Around | None = None
    ) -> Make:
        """Return how the frame at `phase` is made, with all that will not change done."""
        if self._film is None:
            return lambda params: self.anew(left, right, phase, params)
        pair, outer = self._both((left, right)), around and self._both(around)
        if self._flows_stay:
            with torch.no_grad():
                flows = self._bent({}, pair, outer)
            return lambda params: self._stage(params, "fuse", *pair, flows, phase)

        def make(params: Params) -> Tensor:
            made: Tensor = self._stage(
                params, "fuse", *pair, self._bent(params, pair, outer), phase
            )
            return made

        return make

    def _bent(
        self, params: Params, pair: _Pair, outer: _Pair | None, distance: float = 1.0
    ) -> FlowPyramids:
        """Return the flows between a pair of frames, bent by others so far away."""
        assert self._film is not None
        flows: FlowPyramids = self._stage(params, "flows", *pair)
        if outer is None or not self._film.config.bends:
            return flows
        before, after = (
            (self._stage(params, "flow", frame, beyond), distance)
            for frame, beyond in zip(pair, outer, strict=True)
        )
        return bent(flows, before, after)

    def _both(self, frames: tuple[Tensor, Tensor]) -> _Pair:
        first, second = frames
        return self._pyramids(first), self._pyramids(second)

    def _pyramids(self, frame: Tensor) -> FramePyramids:
        assert self._film is not None
        if id(frame) not in self._seen:
            with torch.no_grad():
                self._seen[id(frame)] = frame, self._film.features(frame)
        return self._seen[id(frame)][1]

    def _stage(self, params: Params, stage: str, *inputs: Any) -> Any:
        named = {f"net.{name}": value for name, value in params.items()}
        return functional_call(self._stages, named, (stage, *inputs))
