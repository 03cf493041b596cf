"""The doorway: two pictures and the phases wanted between them, planes in and planes out.

It owns device, precision, memory and tiles. A source frame's features are computed once for the
two intervals it borders, the flows of an interval once for all its phases.

Alpha goes where the network takes the colour from, and is mixed as that: the two cannot come apart,
what is opaque on both sides stays so to the last bit, and the network does not run twice.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from filmcli.errors import MachineError, RenderError, UsageError
from filmcli.frames import Color, Layout, Planes
from filmcli.network import color as colors
from filmcli.network.film import CONFIGS, Film, FilmConfig, FlowPyramids, FramePyramids, Stages
from filmcli.network.machine import (
    choose_device,
    choose_precision,
    describe_device,
    is_out_of_memory,
    keep_freed_memory,
    tile_that_fits,
)
from filmcli.network.recursion import midpoint_tree
from filmcli.network.tiles import OVERLAP_PX, SMALLEST_TILE_PX, Window, split, weight
from filmcli.network.weights import Weights

_logger = logging.getLogger(__name__)

Params = Mapping[str, Tensor]
"""Adapted parameters by name, in place of the network's own of these names."""


class _Picture(NamedTuple):
    """What is known of one picture, padded; `alpha` is `(1, 1, H, W)`, with 0 channels if none."""

    pyramids: FramePyramids
    alpha: Tensor


@dataclass(frozen=True)
class _Source:
    """A source frame on the device; `whole` is None when tiled. `rgb` may have alpha."""

    planes: Planes
    params: Params | None
    rgb: Tensor
    whole: _Picture | None


class Interpolator:
    """Makes pictures between two neighbours of one video.

    `device` is "auto" or torch's name of one, `precision` "auto", "float32", "float16" or
    "bfloat16". `tile` limits the side of what the network sees at once, in pixels; "auto" tiles
    only what does not fit the memory, None never. `recursion` halves an interval so many times
    before flows are scaled by the phase: by default once for weights trained at the middle only
    (2x and 4x are then exact), never for those that are told the phase.

    Raises MachineError for a device that is not there, UsageError for a word it does not know.
    """

    def __init__(
        self,
        weights: Weights,
        layout: Layout,
        color: Color,
        width: int,
        height: int,
        *,
        device: str = "auto",
        precision: str = "auto",
        tile: int | str | None = "auto",
        recursion: int | None = None,
    ) -> None:
        self._layout, self._color = layout, color
        self._height, self._width = height, width
        self._weights = weights
        self._device = choose_device(device)
        config = CONFIGS[weights.config]
        once_for_midpoint_weights = 0 if config.phase_plane else 1
        self._recursion = once_for_midpoint_weights if recursion is None else recursion
        if self._device.type == "cpu":
            keep_freed_memory()
        self._held: list[_Source] = []
        self._adapted: tuple[Params, dict[str, Tensor]] | None = None
        self._load(choose_precision(precision, self._device))
        self._auto_tile = tile == "auto"
        self._set_tile(self._first_tile(tile))

    def describe(self) -> str:
        """Return device, precision and tiles in words, as "cpu, float32"."""
        words = [describe_device(self._device), str(self._dtype).removeprefix("torch.")]
        if len(self._windows) > 1:
            words.append(f"tiles of {self._tile} px")
        return ", ".join(words)

    @torch.inference_mode()
    def between(
        self,
        left: Planes,
        right: Planes,
        phases: Sequence[Fraction],
        params: Params | None = None,
    ) -> list[Planes]:
        """Return the pictures at `phases`, each strictly between 0 and 1, in their order.

        `params` stand in for the weights of the same names during this call alone. Raises
        MachineError if even the smallest tiles do not fit the memory, RenderError if the result
        is not finite in float32.
        """
        while True:
            try:
                frames = self._rgb_between(left, right, phases, params)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            else:
                if all(frame.sum().isfinite() for frame in frames):
                    break
                self._leave_half_precision()
                continue
            # Here, not in the handler: the error's traceback holds the tensors.
            self._halve_tile()
        codes = colors.from_rgb(torch.cat(frames), self._layout, self._color)
        return colors.download(codes, self._layout)

    def _rgb_between(
        self, left: Planes, right: Planes, phases: Sequence[Fraction], params: Params | None
    ) -> list[Tensor]:
        """Return RGB (and alpha) float32 `(1, 3|4, H, W)` at each of `phases`, whole pictures."""
        start, end = self._source(left, params), self._source(right, params)
        self._held = [start, end]
        if start.whole and end.whole:
            made = self._grow(start.whole, end.whole, phases, params)
            return [made[phase][:, :, : self._height, : self._width] for phase in phases]
        canvases = {phase: torch.zeros_like(start.rgb) for phase in phases}
        for window in self._windows:
            before = self._look(window.of(start.rgb), params)
            after = self._look(window.of(end.rgb), params)
            made = self._grow(before, after, phases, params)
            share = weight(window, self._windows, self._device)
            for phase, canvas in canvases.items():
                part = window.of(canvas)
                part += share * made[phase][:, :, : part.shape[-2], : part.shape[-1]]
        return [canvases[phase] for phase in phases]

    def _grow(
        self,
        left: _Picture,
        right: _Picture,
        phases: Sequence[Fraction],
        params: Params | None,
    ) -> dict[Fraction, Tensor]:
        """Return padded RGB (and alpha) by phase, by the midpoint tree's steps."""
        steps = midpoint_tree(phases, self._recursion)
        needed = {end for step in steps for end in (step.left, step.right)}
        pictures = {Fraction(0): left, Fraction(1): right}
        made = {}
        for ends, run in groupby(steps, key=lambda step: (step.left, step.right)):
            before, after = (pictures[end] for end in ends)
            flows = self._run("flows", params, before.pyramids, after.pyramids)
            for step in run:
                phase = torch.tensor([float(step.phase)], device=self._device)
                frame = self._fuse(before, after, flows, phase, params)
                made[step.target] = frame
                if step.target in needed:
                    features = self._run("features", params, frame[:, :3])
                    pictures[step.target] = _Picture(features, frame[:, 3:])
        return made

    def _fuse(
        self,
        left: _Picture,
        right: _Picture,
        flows: FlowPyramids,
        phase: Tensor,
        params: Params | None,
    ) -> Tensor:
        """Return padded RGB (and alpha) at `phase` `(1,)` between two pictures."""
        inputs = (left.pyramids, right.pyramids, flows, phase)
        if not self._layout.alpha:
            return self._run("fuse", params, *inputs).float()  # type: ignore[no-any-return]
        made = self._run("synthesize", params, *inputs)
        return torch.cat((made.frame.float(), made.carried(left.alpha, right.alpha)), dim=1)

    def _source(self, planes: Planes, params: Params | None) -> _Source:
        for held in self._held:
            if held.planes is planes and held.params is params:
                return held
        rgb = colors.to_rgb(colors.upload(planes, self._device), self._layout, self._color)
        whole = self._look(rgb, params) if len(self._windows) == 1 else None
        return _Source(planes, params, rgb, whole)

    def _look(self, rgb: Tensor, params: Params | None) -> _Picture:
        """Return what is known of RGB (and alpha), padded to a size that suits the network."""
        right, below = _padding(self._net.config, *rgb.shape[-2:])
        padded = F.pad(rgb, (0, right, 0, below), mode="replicate")
        colors_only = padded[:, :3].contiguous()
        return _Picture(self._run("features", params, colors_only), padded[:, 3:])

    def _run(self, stage: str, params: Params | None, *inputs: Any) -> Any:
        if not params:
            return self._stages(stage, *inputs)
        if self._adapted is None or self._adapted[0] is not params:
            moved = {
                f"net.{name}": tensor.to(self._device, self._dtype)
                for name, tensor in params.items()
            }
            self._adapted = (params, moved)
        return torch.func.functional_call(self._stages, self._adapted[1], (stage, *inputs))

    def _load(self, dtype: torch.dtype) -> None:
        """Put the weights on the device in `dtype`."""
        with torch.device("meta"):
            net = Film(CONFIGS[self._weights.config])
        net.load_state_dict(self._weights.state_dict, assign=True)
        net.eval().requires_grad_(False)
        # Channels last: a convolution of few channels is 2 to 4 times as fast on a CPU
        # (19 to 16 channels at 640x384: 8.3 ms against 17.2), and what tensor cores want.
        self._net = net.to(self._device, dtype)
        self._net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._stages = Stages(self._net)
        self._dtype = dtype
        self._adapted = None
        self._held = []

    def _leave_half_precision(self) -> None:
        if self._dtype == torch.float32:
            raise RenderError(
                "The network's result is not a picture: it holds infinite values.",
                "The weights, or their adaptation to the scene, have run away.",
                "Try other weights, or fewer adaptation steps.",
            )
        _logger.warning("%s is too narrow for this film; going on in float32", self._dtype)
        self._load(torch.float32)

    def _first_tile(self, tile: int | str | None) -> int | None:
        if isinstance(tile, int):
            if tile < SMALLEST_TILE_PX:
                why = f"Neighbouring tiles overlap by {OVERLAP_PX} px on every side."
                do = f"Give at least {SMALLEST_TILE_PX}."
                raise UsageError(f"Tiles of {tile} px are too small.", why, do)
            return tile
        if tile is None or self._device.type != "cpu":
            return None
        return tile_that_fits(self._net.config, self._dtype, self._height, self._width)

    def _set_tile(self, tile: int | None) -> None:
        self._tile = tile
        self._windows: list[Window] = split(self._height, self._width, tile)
        self._held = []
        if self._auto_tile and len(self._windows) > 1:
            _logger.warning("not enough memory for whole pictures; working in %d px tiles", tile)

    def _halve_tile(self) -> None:
        """Make room after running out of memory; MachineError if tiles cannot be smaller."""
        largest = max(max(w.bottom - w.top, w.right - w.left) for w in self._windows)
        if not self._auto_tile or largest <= SMALLEST_TILE_PX:
            raise MachineError(
                f"The memory of {describe_device(self._device)} does not suffice.",
                f"The network was asked to see {largest} px at once.",
                "Give a smaller --tile, smaller weights, or --device cpu.",
            )
        self._set_tile(max(SMALLEST_TILE_PX, -(-largest // 128) * 64))
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _padding(config: FilmConfig, height: int, width: int) -> tuple[int, int]:
    """Return the columns and rows to add behind the picture, by repeating its last ones.

    The published network sees whole pixels of its coarsest level, 64 px, as it was trained. Where
    the depth follows the size, multiples of 8 do: on four real clips they gave 32.96 dB against
    32.92 for multiples of 64, which are 7 % more pixels at 640x360.
    """
    align = 8 if config.coarsest_px else 1 << (config.pyramid_levels - 1)
    smallest = 1 << (config.levels_for(height, width) - 1)
    padded_height = max(smallest, height + -height % align)
    padded_width = max(smallest, width + -width % align)
    return padded_width - width, padded_height - height
