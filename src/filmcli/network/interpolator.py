"""The doorway: two pictures and the phases wanted between them, planes in and planes out.

It owns device, precision, memory and tiles.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from filmcli.errors import MachineError, RenderError, UsageError
from filmcli.frames import Color, Layout, Neighbour, Planes
from filmcli.network import color as colors
from filmcli.network.abreast import Crew, DroppedError, Piece
from filmcli.network.machine import (
    choose_device,
    choose_precision,
    describe_device,
    exact_convolutions,
    intervals_at_once,
    is_out_of_memory,
    keep_freed_memory,
    tile_that_fits,
)
from filmcli.network.networks import CONFIGS, network_of
from filmcli.network.painter import Outer, Painter, Params, Picture
from filmcli.network.tiles import OVERLAP_PX, SMALLEST_TILE_PX, Window, split, weight
from filmcli.network.transfer import Returning
from filmcli.network.weights import Weights

_logger = logging.getLogger(__name__)

T = TypeVar("T")


class _Seen(NamedTuple):
    """A source frame on the device; `whole` is None when tiled. `rgb` may have alpha."""

    rgb: Tensor
    whole: Picture | None


@dataclass(frozen=True)
class _Source:
    """A source frame, and it on the device as soon as it is there."""

    planes: Planes
    params: Params | None
    seen: Piece[_Seen]


class _Interval(NamedTuple):
    """What pictures are made of: two source frames, those around with their distances, and how.

    `shares` are how much of each pixel `windows` give, none if there is one window.
    """

    left: _Source
    right: _Source
    outer: Sequence[tuple[_Source, float] | None]
    phases: Sequence[Fraction]
    params: Params | None
    windows: list[Window]
    shares: list[Tensor]


class _Coming(NamedTuple):
    """Samples and whether they are finite, on their way, and the shapes of their planes."""

    parts: Returning
    shapes: list[tuple[int, ...]]


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
        self._made_of = partial(
            Interpolator, weights, layout, color, width, height,
            device=device, precision=precision, tile=tile, recursion=recursion,
        )  # fmt: skip
        self._layout, self._color = layout, color
        self._height, self._width = height, width
        self._weights = weights
        self._device = choose_device(device)
        self._kind = network_of(CONFIGS[weights.config])
        once_for_midpoint_weights = 0 if self._kind.knows_phase else 1
        self._recursion = once_for_midpoint_weights if recursion is None else recursion
        if self._device.type == "cpu":
            keep_freed_memory()
        self._held: list[_Source] = []
        self._shares: list[Tensor] = []
        self._crew: Crew | None = None
        self._twins: list[Painter] = []
        self._load(choose_precision(precision, self._device))
        self._auto_tile = tile == "auto"
        self._set_tile(self._first_tile(tile))

    def __reduce__(self) -> tuple[Callable[[], Interpolator], tuple[()]]:
        """Pickled it is what it was made of; it is made anew on the device that is there."""
        return self._made_of, ()

    def describe(self) -> str:
        """Return device, precision and tiles in words, as "cpu, float32"."""
        words = [describe_device(self._device), str(self._dtype).removeprefix("torch.")]
        if len(self._windows) > 1:
            words.append(f"tiles of {self._tile} px")
        return ", ".join(words)

    @property
    def at_once(self) -> int:
        """How many intervals it makes at once."""
        return len(self._crew) if self._crew else 1

    @contextmanager
    def abreast(self) -> Iterator[None]:
        """Make several intervals at once while the `with` lasts, on a processor that has the cores.

        Leaving it early waits for intervals that are being made. The pictures are the same.
        """
        seen = (min(self._tile or side, side) for side in (self._height, self._width))
        count = intervals_at_once(self._device, self._weights.config, self._dtype, *seen)
        try:
            if count > 1:
                self._twins = [self._painter.twin() for _ in range(count - 1)]
                self._crew = Crew(count)
            yield
        finally:
            self._one_by_one()

    def between(
        self,
        left: Planes,
        right: Planes,
        phases: Sequence[Fraction],
        params: Params | None = None,
        *,
        before: Neighbour | None = None,
        after: Neighbour | None = None,
    ) -> list[Planes]:
        """Return the pictures at `phases`, each strictly between 0 and 1, in their order.

        `params` stand in for the weights of the same names during this call alone. `before` and
        `after` are the frames around, of the same scene: by them the motion bends, if the weights
        are of a network that knows how. Raises MachineError if even the smallest tiles do not fit
        the memory, RenderError if the result is not finite in float32.
        """
        return list(self.begin(left, right, phases, params, before=before, after=after))

    @torch.inference_mode()
    def begin(
        self,
        left: Planes,
        right: Planes,
        phases: Sequence[Fraction],
        params: Params | None = None,
        *,
        before: Neighbour | None = None,
        after: Neighbour | None = None,
    ) -> Iterable[Planes]:
        """Begin what `between` does; the pictures are waited for when they are asked for.

        A GPU goes on with what was begun while its earlier pictures are taken away, and so do the
        threads of `abreast`.
        """
        around = (before, after) if self._kind.looks_beside else (None, None)
        while True:
            try:
                with exact_convolutions():
                    coming = self._begun(left, right, around, phases, params)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            else:
                break
            # Here, not in the handler: the error's traceback holds the tensors.
            self._make_room()

        def again() -> list[Planes]:
            return self.between(left, right, phases, params, before=before, after=after)

        return self._arriving(coming, self._way(), again)

    def _begun(
        self,
        left: Planes,
        right: Planes,
        around: tuple[Neighbour | None, Neighbour | None],
        phases: Sequence[Fraction],
        params: Params | None,
    ) -> Piece[_Coming]:
        interval = self._interval(left, right, around, phases, params)
        return self._do(lambda painter: self._coming(painter, interval))

    def _interval(
        self,
        left: Planes,
        right: Planes,
        around: tuple[Neighbour | None, Neighbour | None],
        phases: Sequence[Fraction],
        params: Params | None,
    ) -> _Interval:
        start, end = self._source(left, params), self._source(right, params)
        outer = [one and (self._source(one.planes, params), float(one.distance)) for one in around]
        self._held = [start, end, *(one[0] for one in outer if one)]
        if len(self._windows) > 1 and not self._shares:
            self._shares = [weight(w, self._windows, self._device) for w in self._windows]
        return _Interval(start, end, outer, phases, params, self._windows, self._shares)

    def _do(self, work: Callable[[Painter], T]) -> Piece[T]:
        """Have `work` done: now, or by the next of the crew."""
        painters = self._painter, *self._twins  # those of now, whatever fails until then
        piece = Piece(lambda number: work(painters[number]))
        if self._crew:
            self._crew.take(piece)
        else:
            piece.do(0)
            piece.result()  # or its failure
        return piece

    def _coming(self, painter: Painter, interval: _Interval) -> _Coming:
        rgb = torch.cat(self._rgb_between(painter, interval))
        codes = colors.from_rgb(rgb, self._layout, self._color)
        # Whether all is finite travels with it: to ask the device would wait for what comes after.
        parts = colors.rounded(codes, self._layout), rgb.sum().isfinite()[None]
        return _Coming(Returning(parts), [tuple(plane.shape) for plane in codes])

    def _arriving(
        self, coming: Piece[_Coming], way: object, again: Callable[[], list[Planes]]
    ) -> Iterator[Planes]:
        """Yield the pictures that were begun in this `way`, made again in another if it failed."""
        remedy: Callable[[], None]
        try:
            parts, shapes = coming.result()
        except RuntimeError as error:
            if not isinstance(error, DroppedError) and not is_out_of_memory(error):
                raise
            remedy = self._make_room
        else:
            samples, is_finite = parts.arrays()
            if is_finite[0]:
                yield from colors.pictures(samples, shapes, self._layout)
                return
            remedy = self._leave_half_precision
        if way == self._way():
            remedy()
        yield from again()

    def _way(self) -> object:
        """Return what changes when pictures are made in another way from now on."""
        return self._dtype, self._windows, self._crew

    def _rgb_between(self, painter: Painter, interval: _Interval) -> list[Tensor]:
        """Return RGB (and alpha) float32 `(1, 3|4, H, W)` at each of its phases, whole pictures."""
        start, end = (source.seen.result() for source in (interval.left, interval.right))
        outer = [one and (one[0].seen.result(), one[1]) for one in interval.outer]
        phases, params = interval.phases, interval.params

        def seen(source: _Seen, window: Window) -> Picture:
            return source.whole or painter.look(window.of(source.rgb), params)

        def made(window: Window) -> dict[Fraction, Tensor]:
            before, after = (one and Outer(seen(one[0], window), one[1]) for one in outer)
            pair = seen(start, window), seen(end, window)
            return painter.between(*pair, (before, after), phases, params)

        if not interval.shares:
            whole = made(interval.windows[0])
            return [whole[phase][:, :, : self._height, : self._width] for phase in phases]
        canvases = {phase: torch.zeros_like(start.rgb) for phase in phases}
        for window, share in zip(interval.windows, interval.shares, strict=True):
            parts = made(window)
            for phase, canvas in canvases.items():
                part = window.of(canvas)
                part += share * parts[phase][:, :, : part.shape[-2], : part.shape[-1]]
        return [canvases[phase] for phase in phases]

    def _source(self, planes: Planes, params: Params | None) -> _Source:
        for held in self._held:
            if held.planes is planes and held.params is params:
                return held
        is_whole = len(self._windows) == 1

        def see(painter: Painter) -> _Seen:
            rgb = colors.to_rgb(colors.upload(planes, self._device), self._layout, self._color)
            return _Seen(rgb, painter.look(rgb, params) if is_whole else None)

        return _Source(planes, params, self._do(see))

    def _load(self, dtype: torch.dtype) -> None:
        """Put the weights on the device in `dtype`."""
        self._painter = Painter(self._weights, self._device, dtype, self._recursion)
        self._dtype = dtype
        self._held = []

    def _leave_half_precision(self) -> None:
        if self._dtype == torch.float32:
            raise RenderError(
                "The network's result is not a picture: it holds infinite values.",
                "The weights, or their adaptation to the scene, have run away.",
                "Try other weights, or fewer adaptation steps.",
            )
        _logger.warning("%s is too narrow for this film; going on in float32", self._dtype)
        self._one_by_one()  # float32 takes more memory
        self._load(torch.float32)

    def _one_by_one(self) -> None:
        if self._crew:
            self._crew.leave()
            self._crew, self._twins, self._held = None, [], []

    def _first_tile(self, tile: int | str | None) -> int | None:
        if isinstance(tile, int):
            if tile < SMALLEST_TILE_PX:
                why = f"Neighbouring tiles overlap by {OVERLAP_PX} px on every side."
                do = f"Give at least {SMALLEST_TILE_PX}."
                raise UsageError(f"Tiles of {tile} px are too small.", why, do)
            return tile
        if tile is None or self._device.type != "cpu":
            return None
        return tile_that_fits(self._weights.config, self._dtype, self._height, self._width)

    def _set_tile(self, tile: int | None) -> None:
        self._tile = tile
        self._windows: list[Window] = split(self._height, self._width, tile)
        self._shares = []  # made when memory has been found for the rest
        self._held = []
        if self._auto_tile and len(self._windows) > 1:
            _logger.warning("not enough memory for whole pictures; working in %d px tiles", tile)

    def _make_room(self) -> None:
        """Do with less memory: first without what only makes it faster, then by smaller tiles.

        Raises MachineError if tiles cannot be smaller.
        """
        self._held = []
        needs_less = self.at_once > 1
        self._one_by_one()
        needs_less |= self._painter.release()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if not needs_less:
            self._halve_tile()

    def _halve_tile(self) -> None:
        largest = max(max(w.bottom - w.top, w.right - w.left) for w in self._windows)
        if not self._auto_tile or largest <= SMALLEST_TILE_PX:
            raise MachineError(
                f"The memory of {describe_device(self._device)} does not suffice.",
                f"The network was asked to see {largest} px at once.",
                "Give a smaller --tile, smaller weights, or --device cpu.",
            )
        self._set_tile(max(SMALLEST_TILE_PX, -(-largest // 128) * 64))
