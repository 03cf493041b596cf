"""Frames made by a network of which only some parameters change; the rest's work is done once.

While the extractor stays as it is, a frame's features are computed once, however many frames are
made of it; while the flows do too, so is an interval's motion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from filmcli.adaptation.inner import Params
from filmcli.adaptation.subsets import only_in
from filmcli.network.film import Film, FramePyramids, Stages

Make = Callable[[Params], Tensor]
"""How one batch of frames `(B, 3, H, W)` is made by the network with these parameters."""


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

    def anew(self, left: Tensor, right: Tensor, phase: Tensor, params: Params) -> Tensor:
        """Return the frame at `phase` between frames that are not kept: made ones."""
        made: Tensor = functional_call(self._net, dict(params), (left, right, phase))
        return made

    def between(self, left: Tensor, right: Tensor, phase: Tensor) -> Make:
        """Return how the frame at `phase` is made, with all that will not change done."""
        if self._film is None:
            return lambda params: self.anew(left, right, phase, params)
        pair = self._pyramids(left), self._pyramids(right)
        if self._flows_stay:
            with torch.no_grad():
                flows = self._film.flows(*pair)
            return lambda params: self._stage(params, "fuse", *pair, flows, phase)

        def make(params: Params) -> Tensor:
            flows = self._stage(params, "flows", *pair)
            made: Tensor = self._stage(params, "fuse", *pair, flows, phase)
            return made

        return make

    def _pyramids(self, frame: Tensor) -> FramePyramids:
        assert self._film is not None
        if id(frame) not in self._seen:
            with torch.no_grad():
                self._seen[id(frame)] = frame, self._film.features(frame)
        return self._seen[id(frame)][1]

    def _stage(self, params: Params, stage: str, *inputs: Any) -> Any:
        named = {f"net.{name}": value for name, value in params.items()}
        return functional_call(self._stages, named, (stage, *inputs))
