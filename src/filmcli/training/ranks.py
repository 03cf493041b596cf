"""Several processes that train one network: started by torchrun, each with its share of a batch.

Every process holds the whole network and takes the same steps: gradients are averaged before each,
as one tensor, so nothing else has to be sent. That is done here rather than by
DistributedDataParallel because a step calls the network's parts, not its `forward`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from filmcli.network.machine import choose_device


@dataclass(frozen=True)
class Ranks:
    """This process among `size`, and the device that is its own."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Tell whether this process is the one that writes and talks."""
        return self.rank == 0

    def mean_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every process the mean of all processes' gradients."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        self._mean(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the mean of all processes' `values`, which have the same names."""
        if self.size == 1:
            return dict(values)
        told = torch.tensor(list(values.values()), dtype=torch.float32, device=self.device)
        self._mean(told)
        return dict(zip(values, told.tolist(), strict=True))

    def _mean(self, values: Tensor) -> None:
        dist.all_reduce(values)  # gloo knows no mean
        values /= self.size


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Join the processes that torchrun started, if it did; leave them at the end.

    `device` "auto" or "cuda" gives each process of a machine a GPU of its own. Raises what
    `choose_device` raises.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Ranks(0, 1, choose_device(device))
        return
    chosen = choose_device(device)
    if chosen.type == "cuda" and ":" not in device:
        chosen = choose_device(f"cuda:{os.environ['LOCAL_RANK']}")
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Ranks(dist.get_rank(), size, chosen)
    finally:
        dist.destroy_process_group()
