"""Pictures between pictures, in RGB on the device: what intervals have in common is done once.

The features of a picture serve all intervals it has a part in or stands beside, and what a network
works out for an interval serves all phases in it. Where one picture does not fill the device, those
of several phases are made at once.

Alpha goes where the network takes the colour from, and is mixed as that: the two cannot come apart,
what is opaque on both sides stays so to the last bit, and the network does not run twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from filmcli.network.features import FramePyramids
from filmcli.network.machine import pictures_at_once
from filmcli.network.networks import CONFIGS, Config, Stages, build
from filmcli.network.recording import Replayer, on_cuda
from filmcli.network.recursion import Step, midpoint_tree
from filmcli.network.synthesis import Beside, for_all
from filmcli.network.weights import Weights

Params = Mapping[str, Tensor]
"""Adapted parameters by name, in place of the network's own of these names."""

_WHOLE = Fraction(0), Fraction(1)


class Picture(NamedTuple):
    """What is known of one picture, padded; `alpha` is `(1, 1, H, W)`, with 0 channels if none."""

    pyramids: FramePyramids
    alpha: Tensor


class Outer(NamedTuple):
    """A picture beside an interval, and how far from it, the interval being 1 long."""

    picture: Picture
    distance: float


class Painter:
    """The network of some weights on a device, in one precision.

    `recursion` halves an interval so many times before the network is asked for a phase.
    """

    def __init__(
        self, weights: Weights, device: torch.device, dtype: torch.dtype, recursion: int
    ) -> None:
        self._weights = weights
        with torch.device("meta"):
            net = build(CONFIGS[weights.config])
        net.load_state_dict(weights.state_dict, assign=True)
        net.eval().requires_grad_(False)
        # Channels last: a convolution of few channels is 2 to 4 times as fast on a CPU
        # (19 to 16 channels at 640x384: 8.3 ms against 17.2), and what tensor cores want.
        self._net = net.to(device, dtype)
        self._net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._stages = Stages(self._net)
        self._device, self._dtype = device, dtype
        self._config = CONFIGS[weights.config]
        self._recursion = recursion
        self._adapted: tuple[Params, dict[str, Tensor]] | None = None
        self._replayer = Replayer(on_cuda()) if device.type == "cuda" else None
        self._is_frugal = False

    def twin(self) -> Painter:
        """Return one that another thread may use at the same time; the weights are there once.

        While a stage runs with other parameters, they stand in the place of the network's own.
        """
        weights = replace(self._weights, state_dict=self._net.state_dict())
        return Painter(weights, self._device, self._dtype, self._recursion)

    def release(self) -> bool:
        """Do with as little memory as possible from now on; tell whether that is less."""
        was_frugal, self._is_frugal = self._is_frugal, True
        if self._replayer:
            self._replayer.stop()
        return not was_frugal and self._device.type != "cpu"

    def look(self, rgb: Tensor, params: Params | None) -> Picture:
        """Return what is known of RGB (and alpha), padded to a size that suits the network."""
        right, below = _padding(self._config, *rgb.shape[-2:])
        padded = F.pad(rgb, (0, right, 0, below), mode="replicate")
        colors_only = padded[:, :3].contiguous()
        return Picture(self._run("features", params, colors_only), padded[:, 3:])

    def between(
        self,
        left: Picture,
        right: Picture,
        outer: tuple[Outer | None, Outer | None],
        phases: Sequence[Fraction],
        params: Params | None,
    ) -> dict[Fraction, Tensor]:
        """Return padded RGB (and alpha) `(1, 3|4, H, W)` by phase, by the midpoint tree's steps.

        `outer` are the pictures before left and after right, as far as they are known.
        """
        steps = midpoint_tree(phases, self._recursion)
        needed = {end for step in steps for end in (step.left, step.right)}
        pictures = dict(zip(_WHOLE, (left, right), strict=True))
        made = {}
        for ends, run in groupby(steps, key=lambda step: (step.left, step.right)):
            start, end = (pictures[end] for end in ends)
            around = outer if ends == _WHOLE else (None, None)
            interval = self._interval(start, end, around, params)
            for step, frame in self._made(interval, (start.alpha, end.alpha), list(run), params):
                made[step.target] = frame
                if step.target in needed:
                    features = self._run("features", params, frame[:, :3])
                    pictures[step.target] = Picture(features, frame[:, 3:])
        return made

    def _interval(
        self,
        left: Picture,
        right: Picture,
        outer: tuple[Outer | None, Outer | None],
        params: Params | None,
    ) -> Any:
        if not self._net.looks_beside:
            return self._run("interval", params, left.pyramids, right.pyramids)
        beside = [one and Beside(one.picture.pyramids, self._number(one.distance)) for one in outer]
        # All the work of such a network is done at the moment: there is nothing to record here.
        return self._net.interval(left.pyramids, right.pyramids, *beside)

    def _made(
        self,
        interval: Any,
        alphas: tuple[Tensor, Tensor],
        steps: Sequence[Step],
        params: Params | None,
    ) -> Iterator[tuple[Step, Tensor]]:
        """Yield each of the steps, which are of one interval, with its picture."""
        size = alphas[0].shape[-2:]
        most = 1 if self._is_frugal else pictures_at_once(self._device, *size)
        for batch in _batches(steps, most):
            phase = torch.cat([self._number(float(step.phase)) for step in batch])
            made = self._run("synthesize", params, interval, phase)
            frames: Tensor = made.frame.float()
            if alphas[0].shape[1]:
                frames = torch.cat((frames, made.carried(*for_all(alphas, phase))), 1)
            yield from zip(batch, torch.split(frames, 1), strict=True)

    def _number(self, value: float) -> Tensor:
        """Return `value` on the device, `(1,)`; to make a tensor of a list would wait for it."""
        return torch.full((1,), value, device=self._device)

    def _run(self, stage: str, params: Params | None, *inputs: Any) -> Any:
        if self._replayer is None:
            return self._call(stage, self._moved(params), *inputs)
        return self._replayer(self._call, stage, self._moved(params), *inputs)

    def _call(self, stage: str, params: dict[str, Tensor] | None, *inputs: Any) -> Any:
        if not params:
            return self._stages(stage, *inputs)
        return torch.func.functional_call(self._stages, params, (stage, *inputs))

    def _moved(self, params: Params | None) -> dict[str, Tensor] | None:
        """Return `params` on the device, under the names that `Stages` has for them."""
        if not params:
            return None
        if self._adapted is None or self._adapted[0] is not params:
            moved = {
                f"net.{name}": tensor.to(self._device, self._dtype)
                for name, tensor in params.items()
            }
            self._adapted = (params, moved)
        return self._adapted[1]


def _batches(steps: Sequence[Step], most: int) -> Iterator[Sequence[Step]]:
    """Yield `steps` by 8, 4, 2 and 1 (up to `most`): a recording serves one number of them."""
    while steps:
        size = 1 << (min(len(steps), most).bit_length() - 1)
        yield steps[:size]
        steps = steps[size:]


def _padding(config: Config, height: int, width: int) -> tuple[int, int]:
    """Return the columns and rows to add behind the picture, by repeating its last ones."""
    smallest, multiple = config.smallest, config.multiple
    padded_height = max(smallest, height + -height % multiple)
    padded_width = max(smallest, width + -width % multiple)
    return padded_width - width, padded_height - height
