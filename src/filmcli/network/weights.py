"""Weights files: found, read without running anything that is in them, checked, written.

Ours are safetensors files of float16 with a few strings beside the tensors. Read besides: state
dicts of the public PyTorch port (`.pt`, `.pth`, or its TorchScript archive) and the official
TensorFlow release's variables by name (`.npz` or safetensors).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from types import MappingProxyType
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor, nn

from filmcli.errors import MachineError
from filmcli.network.archive import read_archive
from filmcli.network.networks import CONFIGS, build

FORMAT = "filmcli-weights-1"
"""The metadata string that marks a file of ours."""

_OFFICIAL = re.compile(
    r"(?:^|/)(?:feat_net/sub_extractor/cfeat_conv_(?P<feature>\d+)"
    r"|predict_flow/flow_predictor_(?P<predictor>shared|\d+)/conv_(?P<flow>\d+)"
    r"|fusion/conv2d(?:_(?P<fusion>\d+))?)/(?P<kind>kernel|bias)(?::0)?$"
)

_RATE = re.compile(r"rates\.(?P<step>\d+)\.(?P<name>.+)")

Builders = Mapping[str, Callable[[], nn.Module]]
"""How networks are built, by name."""

_NONE: Builders = MappingProxyType({})

# What readers raise on bytes that make no sense.
_MALFORMED = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Weights:
    """A network's parameters as values: float32 tensors by name, and what the file says of them.

    `config` names one of `filmcli.network.networks.CONFIGS`; `sha256` is of the file. `rates` are
    what meta-training learned to adapt with, by parameter, for each step; empty if it never was.
    """

    config: str
    state_dict: dict[str, Tensor]
    metadata: dict[str, str]
    sha256: str
    rates: tuple[dict[str, Tensor], ...] = ()


def default_name() -> str:
    """Return the name of the weights used when none are asked for."""
    return "film-m"


def shipped(name: str) -> str:
    """Return the path of the weights that come with filmcli under `name`.

    Raises MachineError if there are none of that name.
    """
    path = _find_shipped(name)
    if path is None:
        present = [known for known in CONFIGS if _find_shipped(known)]
        raise MachineError(
            f"There are no weights named '{name}'.",
            f"Those that come with filmcli: {', '.join(present) or 'none'}.",
            "Give one of these names, or the path of a .safetensors or .pt file.",
        )
    return path


def load(name_or_path: str | None = None, others: Builders = _NONE) -> Weights:
    """Return the weights shipped under a name, or those in a file; by default `default_name()`.

    A file that names one of `others`, networks that make no films, is read as well.
    Raises MachineError for an unknown name and for a file that is missing, truncated, would run
    code if read, or does not fit a configuration.
    """
    name = default_name() if name_or_path is None else name_or_path
    is_path = os.path.exists(name) or os.path.basename(name) != name or "." in name
    path = name if is_path else shipped(name)
    try:
        sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise MachineError(
            f"The weights file '{path}' cannot be read.",
            f"{error.strerror}.",
            "Check the path.",
        ) from error
    tensors, metadata = read_tensors(path)
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    if any(_OFFICIAL.search(name) for name in tensors):
        tensors = _from_official(tensors)
    rates = _take_rates(tensors)
    config = _check(path, tensors, metadata.get("config"), others)
    return Weights(config, {n: t.float() for n, t in tensors.items()}, metadata, sha256, rates)


def save(
    path: str,
    config: str,
    state_dict: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a weights file of ours; the file appears whole or not at all."""
    strings = {**(metadata or {}), "format": FORMAT, "config": config}
    tensors = {name: t.detach().to("cpu", dtype).contiguous() for name, t in state_dict.items()}
    partial = f"{path}.partial"
    with open(partial, "wb") as file:  # safetensors' own writer makes files only we may read
        file.write(serialize(tensors, strings))
    os.replace(partial, path)


def named_rates(rates: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return learned rates as tensors to save beside the parameters.

    They are kept as binary logarithms: float16 has two digits of 1e-6, but four of -19.93.
    """
    return {
        f"rates.{step}.{name}": rate.log2()
        for step, of_step in enumerate(rates)
        for name, rate in of_step.items()
    }


def convert(source: str, target: str) -> Weights:
    """Read any file that `load` knows, write it as one of ours in float32, and return that."""
    weights = load(source)
    said = {**weights.metadata, "source_sha256": weights.sha256}
    tensors = {**weights.state_dict, **named_rates(weights.rates)}
    save(target, weights.config, tensors, said, torch.float32)
    return load(target)


def _find_shipped(name: str) -> str | None:
    path = Path(__file__).parents[1] / "shipped" / f"{name}.safetensors"
    return str(path) if path.is_file() else None


def read_tensors(path: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a file, by what it holds rather than by its name.

    Nothing in the file is run. Raises MachineError if it is damaged, would have to be run, or is
    of another kind; OSError if it cannot be opened.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(9)
        if head[8:] == b"{":
            with safe_open(path, "pt") as opened:
                names = opened.keys()
                return {k: opened.get_tensor(k) for k in names}, opened.metadata() or {}
        if head[:1] == b"\x80":
            if head[1] != 2:  # torch.save writes pickles of protocol 2 only
                raise UnpicklingError("a pickle that torch did not write")
            return _state_dict(torch.load(path, "cpu", weights_only=True)), {}
        with ZipFile(path) as archive:
            names = archive.namelist()
            if all(name.endswith(".npy") for name in names):
                with np.load(path, allow_pickle=False) as arrays:
                    return {k: torch.from_numpy(arrays[k]) for k in arrays.files}, {}
            if any("/code/" in name for name in names):
                return read_archive(archive), {}
        return _state_dict(torch.load(path, "cpu", weights_only=True)), {}
    except (SafetensorError, BadZipFile, EOFError, *_MALFORMED) as error:
        raise MachineError(
            f"The weights file '{path}' is damaged or is not a weights file.",
            str(error).partition("\n")[0] or "It ends too early.",
            "Copy it again, or give a .safetensors, .pt, .pth or .npz file.",
        ) from error
    except UnpicklingError as error:
        raise MachineError(
            f"The weights file '{path}' holds Python objects besides tensors.",
            "Reading them would run code from the file, which filmcli never does.",
            "Save the network's state_dict() instead, best as safetensors.",
        ) from error


def _state_dict(loaded: Any) -> dict[str, Tensor]:
    """Return the tensors of a loaded `.pt`: a state dict, or one under "state_dict"."""
    found = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not isinstance(found, dict) or not all(isinstance(t, Tensor) for t in found.values()):
        raise ValueError("It holds no state dict (a mapping of names to tensors).")
    return found


def _from_official(variables: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the official release's variables under our names; kernels turn from HWIO to OIHW."""
    tensors = {}
    for name, value in variables.items():
        match = _OFFICIAL.search(name)
        if match is None:
            tensors[name] = value  # `_check` names it
            continue
        if match["feature"]:
            stage, step = divmod(int(match["feature"]), 2)
            place = f"extract.extract_sublevels.convs.{stage}.{step}.0"
        elif match["predictor"]:
            # The specialised predictors are listed from the coarsest: level 2, 1, 0.
            shared = match["predictor"] == "shared"
            which = "_predictor" if shared else f"_predictors.{2 - int(match['predictor'])}"
            place = f"predict_flow.{which}._convs.{match['flow']}.0"
        else:
            level, slot = divmod(int(match["fusion"] or 0), 3)
            place = "fuse.output_conv" if level == 4 else f"fuse.convs.{3 - level}.{slot}.0"
        if match["kind"] == "kernel":
            tensors[f"{place}.weight"] = value.permute(3, 2, 0, 1).contiguous()
        else:
            tensors[f"{place}.bias"] = value
    return tensors


def _take_rates(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], ...]:
    """Remove the learned rates from `tensors` and return them, step by step."""
    steps: dict[int, dict[str, Tensor]] = {}
    for match in [match for key in tensors if (match := _RATE.fullmatch(key))]:
        rate = tensors.pop(match[0]).float().exp2()
        steps.setdefault(int(match["step"]), {})[match["name"]] = rate
    return tuple(steps[step] for step in sorted(steps))


def _check(path: str, tensors: Mapping[str, Tensor], named: str | None, others: Builders) -> str:
    """Return the configuration that `tensors` fit; MachineError tells the first that does not."""
    if named is not None and named not in (*CONFIGS, *others):
        why = f"They are of a network '{named}'; known here are {', '.join((*CONFIGS, *others))}."
        do = "Give weights of one of these, or update filmcli."
        raise MachineError(f"The weights in '{path}' fit no network.", why, do)
    mismatches = {
        config: _mismatch(config, tensors, others)
        for config in ([named] if named else list(CONFIGS))
    }
    for config, (_, mismatch) in mismatches.items():
        if not mismatch:
            return config
    nearest = max(mismatches, key=lambda config: mismatches[config][0])
    raise MachineError(
        f"The weights in '{path}' do not fit the network '{nearest}'.",
        mismatches[nearest][1],
        "Give weights that were made for this network.",
    )


def _mismatch(config: str, tensors: Mapping[str, Tensor], others: Builders) -> tuple[int, str]:
    """Return how many tensors fit `config`, and the first difference in words ("" if none)."""
    with torch.device("meta"):
        net = others[config]() if config in others else build(CONFIGS[config])
    expected = {name: tuple(t.shape) for name, t in net.state_dict().items()}
    fitting = sum(
        name in tensors and tuple(tensors[name].shape) == shape for name, shape in expected.items()
    )
    for name, shape in expected.items():
        if name not in tensors:
            return fitting, f"'{name}' is missing."
        if tuple(tensors[name].shape) != shape:
            return fitting, f"'{name}' is {tuple(tensors[name].shape)} where {shape} is wanted."
    surplus = next((name for name in tensors if name not in expected), None)
    return fitting, f"'{surplus}' has no place in it." if surplus else ""
