"""Numbers on their way to a device and back, beside its work.

To and from a GPU they go through pinned memory, on a stream for each way, so that neither its work
nor the processor waits for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def sent(arrays: Sequence[NDArray[Any]], device: torch.device) -> Tensor:
    """Return `arrays`, of one type, on `device`: flat, one after the other."""
    sizes = [array.size for array in arrays]
    staged = _staging(sum(sizes), torch.from_numpy(np.empty(0, arrays[0].dtype)).dtype, device)
    for part, array in zip(torch.split(staged, sizes), arrays, strict=True):
        part.numpy()[:] = array.ravel()
    if device.type != "cuda":
        return staged.to(device)
    way, here = _stream(device, "there"), torch.cuda.current_stream(device)
    with torch.cuda.stream(way):
        moved = staged.to(device, non_blocking=True)
    here.wait_stream(way)
    moved.record_stream(here)
    return moved


class Returning:
    """Tensors on their way to main memory."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        device = tensors[0].device
        self._arrived: torch.cuda.Event | None = None
        if device.type != "cuda":
            self._tensors = [tensor.cpu() for tensor in tensors]
            return
        way = _stream(device, "back")
        way.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(way):
            self._tensors = [
                _staging(tensor.numel(), tensor.dtype, device).copy_(tensor, non_blocking=True)
                for tensor in tensors
            ]
        for tensor in tensors:
            tensor.record_stream(way)
        self._arrived = way.record_event()

    def arrays(self) -> list[NDArray[Any]]:
        """Wait until they are there, and return them flat."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return [tensor.numpy() for tensor in self._tensors]


def _staging(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return main memory for what goes to `device` or comes from there."""
    return torch.empty(size, dtype=dtype, pin_memory=device.type == "cuda")


@lru_cache
def _stream(device: torch.device, _way: Literal["there", "back"]) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
