"""CUDA tensors without values, in a build of torch with CUDA, and without card and driver.

What CUDA cannot do, or mixes with main memory, raises. Torch's engine for gradients wants a card:
where a test asks for gradients, they are there at once, of the right shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CUDA = torch.device("cuda", 0)

needs_cuda_build = pytest.mark.skipif(
    torch.version.cuda is None, reason="torch is built without CUDA"
)

_WITHOUT_FAKE = "_fused_adamw_"  # changes what it is given and returns nothing


@contextmanager
def pretended() -> Iterator[None]:
    """Let tensors be made on `CUDA` in the block; autocast works there, too."""
    fakes = (
        FakeTensorMode(allow_non_fake_inputs=True),
        torch.backends.cudnn.flags(enabled=False),
        patch.object(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False),
        patch.object(torch.cuda, "is_bf16_supported", lambda *_: True),
    )
    with ExitStack() as stack:
        for fake in fakes:
            stack.enter_context(fake)
        yield


class MainMemoryError(RuntimeError):
    """A tensor of main memory had a part in what was to stay on the device."""


class Captured(TorchDispatchMode):
    """Refuses in its block what cannot be captured in a CUDA graph.

    That is every tensor of main memory, on the way there, from there or in between. What would wait
    for values raises by itself: there are none. `dtypes` are those that were met.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function._schema.name.removeprefix("aten::")
        result = None if name == _WITHOUT_FAKE else function(*args, **(kwargs or {}))
        for x in tree_leaves((args, kwargs, result)):
            if isinstance(x, Tensor):
                self.dtypes.add(x.dtype)
                if x.device != CUDA:
                    raise MainMemoryError(f"{name} met a tensor of {tuple(x.shape)} on {x.device}")
        return result


@contextmanager
def gradients_at_once(net: nn.Module) -> Iterator[None]:
    """Let `backward` give the parameters of `net` gradients, and `autograd.grad` its inputs."""

    def backward(_loss: Tensor) -> None:
        for parameter in net.parameters():
            parameter.grad = torch.empty_like(parameter)

    def grad(_loss: Tensor, inputs: Sequence[Tensor], **_: object) -> list[Tensor]:
        return [torch.empty_like(x) for x in inputs]

    with patch.object(Tensor, "backward", backward), patch.object(torch.autograd, "grad", grad):
        yield
