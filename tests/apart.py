"""A device of our own: arithmetic is the CPU's, but tensors lie apart, as on a GPU.

What mixes them with tensors in main memory is refused, and what waits for the device is counted.
So the paths that only a GPU takes run without one, with values that can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_iter, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "apart"
_CROSSING = ("copy_", "_to_copy", "to")
_OF_THE_CPU = ("_embedding_bag", "_embedding_bag_forward_only")  # fast there, slow or not elsewhere
_ASKING = (
    "_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "allclose", "masked_select",
)  # fmt: skip
_BY_PLACE = ("index", "index_put", "index_put_")  # they ask, if a place is told by true and false


class _Module:
    """What torch asks of a device's module."""

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        pass

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


class Apart(Tensor):
    """A tensor on the device; `inner` holds its values."""

    inner: Tensor
    waits: list[str] | None = None
    """What waited for the device, where somebody counts."""
    brought: list[str] | None = None
    """What brought values from main memory; on a GPU that waits, unless they are pinned."""
    room: float = math.inf
    """How many elements one tensor can have."""
    largest: int = 0
    """How many the largest had so far."""

    @staticmethod
    def __new__(cls, inner: Tensor) -> Apart:
        Apart.largest = max(Apart.largest, inner.numel())
        if inner.numel() > Apart.room:
            raise RuntimeError(f"out of memory: there is no room for {inner.numel()} elements")
        made = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(NAME, 0),
            requires_grad=inner.requires_grad,
        )
        made.inner = inner
        return made

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"Apart({self.inner})"

    def tolist(self) -> Any:  # torch has none for classes of tensors
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = function._schema.name.removeprefix("aten::")
        if name == "_has_compatible_shallow_copy_type":
            return False  # a parameter that moves is another tensor
        if name in _OF_THE_CPU:
            raise RuntimeError(f"{name} is for the CPU")
        given = [x for x in tree_iter((args, kwargs)) if isinstance(x, Tensor)]
        plain = [x for x in given if not isinstance(x, Apart) and x.dim()]
        if plain and name not in _CROSSING:
            raise RuntimeError(f"{name} mixes a tensor of {plain[0].shape} with those apart")
        return _run(function, args, kwargs)


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = function._schema.name.removeprefix("aten::")
    targets = [x for x in (*args, kwargs.get("device")) if isinstance(x, torch.device)]
    leaves = any(target.type != NAME for target in targets)
    asks = name in _ASKING or (name in _BY_PLACE and _has_mask(args[1]))
    if Apart.waits is not None and (leaves or asks):
        Apart.waits.append(name)
    if name == "copy_" and not isinstance(args[0], Apart) and Apart.waits is not None:
        Apart.waits.append(name)
    if name == "copy_" and not isinstance(args[1], Apart) and Apart.brought is not None:
        Apart.brought.append(name)
    kwargs = {**kwargs, "pin_memory": False} if "pin_memory" in kwargs else kwargs
    inner_args, inner_kwargs = tree_map(_unwrapped, (args, kwargs))
    result = function(*inner_args, **inner_kwargs)
    if leaves:
        return result
    result = tree_map(_wrapped, result)
    if not any(isinstance(x, Apart) for x in tree_iter((args, kwargs))):
        return result
    return return_and_correct_aliasing(function, args, kwargs, result)


def _has_mask(places: Any) -> bool:
    return any(isinstance(x, Tensor) and x.dtype == torch.bool for x in places)


def _unwrapped(x: Any) -> Any:
    if isinstance(x, torch.device):
        return torch.device("cpu")
    return x.inner if isinstance(x, Apart) else x


def _wrapped(x: Any) -> Any:
    return Apart(x) if isinstance(x, Tensor) and not isinstance(x, Apart) else x


class Seen(NamedTuple):
    """What happened between main memory and the device, by the names of operators."""

    waits: list[str]
    brought: list[str]


@contextmanager
def counted() -> Iterator[Seen]:
    """Yield what waits for the device in the block, and what brings values there."""
    Apart.waits, Apart.brought = [], []
    try:
        yield Seen(Apart.waits, Apart.brought)
    finally:
        Apart.waits = Apart.brought = None


def _fallback(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return _run(function, args, kwargs)


_setup_privateuseone_for_python_backend(rename=NAME, backend_module=_Module())
_library = torch.library.Library("_", "IMPL")
_library.fallback(_fallback, dispatch_key="PrivateUse1")
DEVICE = torch.device(NAME, 0)
