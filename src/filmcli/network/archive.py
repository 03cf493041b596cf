"""TorchScript archives: the tensors of one are read without running any of its code.

`torch.jit.load` would compile the program inside, and `torch.load(weights_only=True)` refuses such
files. Only their `data.pkl` is read here, by an unpickler that knows three names: every class of
the program becomes an empty shell that holds its attributes.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from typing import Any
from zipfile import ZipFile

import torch
from torch import Tensor

_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
}


class _Shell(dict[str, Any]):
    """Stands in for an object of the program: its attributes by name."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.update(state)


class _Reader(pickle.Unpickler):
    """Unpickles tensors and shells; any other name is refused."""

    def __init__(self, archive: ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}data.pkl")))
        self.archive = archive
        self.root = root

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Shell
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if module == "torch.jit._pickle":
            return _untagged
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")

    def persistent_load(self, pid: Any) -> Tensor:
        _, dtype, key, _, count = pid
        data = bytearray(self.archive.read(f"{self.root}data/{key}"))
        return torch.frombuffer(data, dtype=dtype, count=count)


def _tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    return torch.as_strided(storage, size, stride, offset).clone()


def _untagged(value: Any, *_: Any) -> Any:
    """Return a list or dict as it is, without TorchScript's note of its element type."""
    return value


def read_archive(archive: ZipFile) -> dict[str, Tensor]:
    """Return the tensors of a TorchScript archive, named by the path of attributes to them.

    Raises pickle.UnpicklingError if it holds anything but modules, tensors and plain values.
    """
    data = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
    found: dict[str, Tensor] = {}

    def collect(value: Any, path: str) -> None:
        if isinstance(value, Tensor):
            found[path] = value
        elif isinstance(value, _Shell):
            for name, attribute in value.items():
                collect(attribute, f"{path}.{name}" if path else name)

    collect(_Reader(archive, data.removesuffix("data.pkl")).load(), "")
    return found
