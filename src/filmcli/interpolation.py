"""The network for frames in memory: `Interpolator` makes frames between frames, of their kind."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from typing import Any, TypeVar

from numpy.typing import NDArray
from torch import Tensor

from filmcli.arrays import RGB, Opened, closed, opened
from filmcli.errors import UsageError
from filmcli.frames import Color, Frame, Layout, Planes
from filmcli.network.interpolator import Interpolator as Doorway
from filmcli.network.weights import load
from filmcli.pipeline.render import Reel, render
from filmcli.timing import MAX_RATE, Outer, Slot
from filmcli.video.pixels import layout_of

Kind = TypeVar("Kind", NDArray[Any], Tensor, Planes)


class Interpolator:
    """Makes frames between two frames, at any moment; `filmcli.arrays` says what a frame can be.

    `weights` is a name or a file, None for those that come with filmcli; `device` "auto", "cpu",
    "cuda" or "mps"; `precision` "auto", "float32", "float16" or "bfloat16"; `tile` the longest side
    in pixels that the network sees at once, "auto" as the memory allows, None for no limit.
    `pix_fmt` and `color` say what tuples of planes hold, in ffmpeg's names; an untagged matrix is
    BT.601 below 720 lines and BT.709 from there on, as players take it.

    Raises MachineError for weights or a device that are not there, UsageError for words it does
    not know. Not for several threads at a time.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        device: str = "auto",
        precision: str = "auto",
        *,
        tile: int | str | None = "auto",
        pix_fmt: str = "yuv420p",
        color: Color | None = None,
    ) -> None:
        layout = layout_of(pix_fmt)
        if layout is None or layout.pix_fmt == "rgba":
            why, do = "it is none of ffmpeg's planar formats", "try yuv420p or yuv422p10le"
            raise UsageError(f"pix_fmt={pix_fmt!r} makes no sense", why, do)
        self._layout, self._color = layout, color or Color()
        self._weights = load(None if weights is None else os.fspath(weights))
        self._device, self._precision, self._tile = device, precision, tile
        self._fits = RGB[8], 64, 64
        self._doorway = self._for(*self._fits)  # so that what is not there is said now

    def between(
        self,
        left: Kind,
        right: Kind,
        phases: Sequence[float | Fraction] = (0.5,),
        *,
        before: Kind | None = None,
        after: Kind | None = None,
    ) -> list[Kind]:
        """Return a frame (or batch) for each of `phases`: places from `left`, 0, to `right`, 1.

        `before` left and `after` right, each one interval away, tell how the motion bends. Raises
        UsageError for what is no frame, for frames that are not alike, and for a phase that is not
        between 0 and 1; MachineError if the memory does not suffice.
        """
        window = [None if one is None else self._open(one) for one in (before, left, right, after)]
        return self._made(window, [_phase(phase) for phase in phases])

    def smooth(self, frames: Iterable[Kind], multiple: float | Fraction = 2) -> Iterator[Kind]:
        """Yield a sequence with `multiple` times as many frames a second, from first to last.

        A given frame that stands at one of the new places is yielded itself. Four are held at a
        time. Nobody looks for cuts here: give one scene. Raises what `between` raises.
        """
        step, at = 1 / _multiple(multiple), Fraction(0)
        for index, window in enumerate(_windows(map(self._open, frames))):
            phases = []
            while at < index + 1:
                phases.append(at - index)
                at += step
            if phases and phases[0] == 0:
                yield window[1].frame
                del phases[0]
            if window[2] is not None:
                yield from self._made(window, phases)

    def _open(self, frame: Any) -> Opened:
        return opened(frame, self._layout)

    def _made(self, window: Sequence[Opened | None], phases: Sequence[Fraction]) -> list[Any]:
        """The frames at `phases`; the window is of those before, left, right and after."""
        given = [one for one in window if one is not None]
        form = given[0].form
        if any(one.form != form for one in given):
            kinds = ", ".join(f"{one.form.shape} {one.form.dtype}" for one in given)
            what, why = "these frames are not alike", f"they are {kinds}"
            raise UsageError(what, why, "give frames of one size, type and device")
        if self._fits != (fits := (form.layout, form.width, form.height)):
            self._doorway, self._fits = self._for(*fits), fits
        outer = Outer(*(None if one is None else Fraction(1) for one in (window[0], window[3])))
        slots = [Slot("make", 1, phase) for phase in phases]
        made = []
        for pictures in zip(*(one.pictures for one in given), strict=True):
            frames = (Frame(Fraction(0), planes) for planes in pictures)
            reel = Reel(frames, 1 if window[0] is None else 0)
            made.append(list(render(reel, slots, lambda _: outer, self._doorway)))
        return [closed(batch, form) for batch in zip(*made, strict=True)]

    def _for(self, layout: Layout, width: int, height: int) -> Doorway:
        return Doorway(
            self._weights,
            layout,
            Color() if layout.model == "rgb" else self._color,
            width,
            height,
            device=self._device,
            precision=self._precision,
            tile=self._tile,
        )


def _windows(frames: Iterable[Opened]) -> Iterator[Sequence[Any]]:
    """Each frame as the left of (before, left, right, after), None where the sequence ends."""
    window: deque[Opened | None] = deque([None], maxlen=4)
    for frame in chain(frames, (None, None)):
        window.append(frame)
        if len(window) == 4:
            yield tuple(window)


def _phase(said: float | Fraction) -> Fraction:
    phase = _exact(said)
    if not 0 < phase < 1:
        raise UsageError(f"a phase of {said} makes no sense", "", "give numbers between 0 and 1")
    return phase


def _multiple(said: float | Fraction) -> Fraction:
    multiple = _exact(said)
    if not 0 < multiple <= MAX_RATE:
        what = f"{said} times the frames makes no sense"
        raise UsageError(what, "", f"give a number above 0 and up to {MAX_RATE}")
    return multiple


def _exact(number: float | Fraction) -> Fraction:
    """The number as it prints: 0.1 is a tenth. 0, which is refused, for what is none."""
    try:
        return Fraction(str(number))
    except (ValueError, ZeroDivisionError):
        return Fraction(0)
