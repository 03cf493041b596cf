"""Frames in memory, opened to the planes that the network's doorway takes, and closed again.

What goes in as one kind comes out as the same. RGB is gamma-encoded, as films and pictures hold it:

    NumPy    (H, W, 3) or (B, H, W, 3)    uint8, uint16, or floats in [0, 1]
    torch    (3, H, W) or (B, 3, H, W)    uint8, or floats in [0, 1]; on any device
    planes   a tuple of (H, W) arrays     uint8 or uint16, in the order of their pixel format

Floats become 16 bits: what lies outside [0, 1] is clipped, and steps are 1/65535.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from filmcli.errors import UsageError
from filmcli.frames import Layout, Planes

RGB = {8: Layout("gbrp", "rgb", 8), 16: Layout("gbrp16le", "rgb", 16)}
"""The layouts of RGB in memory, by its bits."""

_LARGEST = (1 << 16) - 1


@dataclass(frozen=True)
class Form:
    """What frames have in common that can stand side by side.

    `shape` is of the whole array, or of each plane; `device` is None but for torch.
    """

    layout: Layout
    width: int
    height: int
    shape: tuple[Any, ...]
    dtype: Any
    device: torch.device | None = None


class Opened(NamedTuple):
    """A frame or batch as it was given, and the planes of each of its pictures.

    The planes stay the same objects, by which the doorway knows a picture again.
    """

    frame: Any
    form: Form
    pictures: list[Planes]


def opened(frame: Any, planes: Layout) -> Opened:
    """Return what is in a frame or batch; a tuple is of the layout `planes`.

    Raises UsageError for what is no frame.
    """
    if isinstance(frame, tuple):
        return _opened_planes(frame, planes)
    if isinstance(frame, Tensor):
        _check_shape(frame.shape, channels=-3)
        straight = frame.detach().movedim(-3, -1).cpu()
        array = (straight.float() if straight.is_floating_point() else straight).numpy()
    elif isinstance(frame, np.ndarray):
        _check_shape(frame.shape, channels=-1)
        array = frame
    else:
        raise _no_frame(f"a {type(frame).__name__}")
    codes = _codes(array, frame.dtype)
    height, width = codes.shape[-3:-1]
    device = frame.device if isinstance(frame, Tensor) else None
    layout = RGB[8 * codes.itemsize]
    form = Form(layout, width, height, tuple(frame.shape), frame.dtype, device)
    batch = codes if codes.ndim == 4 else codes[None]
    return Opened(frame, form, [_split(picture) for picture in batch])


def closed(pictures: Sequence[Planes], form: Form) -> Any:
    """Return pictures as a frame or batch of this form."""
    if isinstance(form.shape[0], tuple):
        return pictures[0]
    rgb = np.stack([np.stack((red, green, blue), -1) for green, blue, red in pictures])
    array: NDArray[Any] = rgb if len(form.shape) == 4 else rgb[0]
    if form.device is None:
        if np.issubdtype(form.dtype, np.floating):
            return (array.astype(np.float64) / _LARGEST).astype(form.dtype)
        return array
    if form.dtype.is_floating_point:
        array = array.astype(np.float32) / _LARGEST
    tensor = torch.from_numpy(array).movedim(-1, -3).contiguous()
    return tensor.to(form.device, form.dtype)


def _opened_planes(frame: tuple[Any, ...], layout: Layout) -> Opened:
    if not frame or not all(isinstance(plane, np.ndarray) and plane.ndim == 2 for plane in frame):
        raise _no_frame("a tuple of something else than arrays (H, W)")
    height, width = frame[0].shape
    shapes = tuple(plane.shape for plane in frame)
    if shapes != layout.plane_shapes(width, height) or 0 in frame[0].shape:
        raise _no_frame(f"a tuple of planes {shapes}, which are not of {layout.pix_fmt}")
    if any(plane.dtype != layout.dtype for plane in frame):
        raise _no_frame(f"a tuple of {frame[0].dtype}, where {layout.pix_fmt} has {layout.dtype}")
    form = Form(layout, width, height, shapes, layout.dtype)
    return Opened(frame, form, [tuple(map(np.ascontiguousarray, frame))])


def _check_shape(shape: Sequence[int], channels: int) -> None:
    if len(shape) not in (3, 4) or shape[channels] != 3 or 0 in shape:
        raise _no_frame(f"of shape {tuple(shape)}")


def _codes(array: NDArray[Any], given: Any) -> NDArray[Any]:
    """Samples as uint8 or uint16; `given` is the type that they came in."""
    if array.dtype in (np.uint8, np.uint16):
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise _no_frame(f"of {given}")
    if not np.isfinite(array).all():
        raise _no_frame("with samples that are not finite")
    return (array.clip(0, 1).astype(np.float64) * _LARGEST + 0.5).astype(np.uint16)


def _split(picture: NDArray[Any]) -> Planes:
    red, green, blue = (np.ascontiguousarray(picture[..., at]) for at in range(3))
    return green, blue, red


def _no_frame(what: str) -> UsageError:
    return UsageError(
        f"this is no frame: it is {what}",
        "a frame is RGB in uint8, uint16 or finite floats, or a tuple of planes as pix_fmt says",
        "give NumPy arrays (H, W, 3), torch tensors (3, H, W), or batches of these",
    )
