"""Training state on disk: one safetensors file, its numbers as JSON in the header; no pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from filmcli.errors import InputError, UsageError
from filmcli.training.recipe import Recipe


def save_checkpoint(
    path: str,
    recipe: Recipe,
    step: int,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: Mapping[str, Tensor],
) -> None:
    """Write everything that step `step` needs to start; the file appears whole or not at all."""
    tensors = {f"weights/{name}": value for name, value in net.state_dict().items()}
    tensors |= {f"average/{name}": value for name, value in average.items()}
    for name, parameter in net.named_parameters():
        for moment, value in optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser/{moment}/{name}"] = value
    tensors = {name: value.detach().contiguous() for name, value in tensors.items()}
    save_file(tensors, f"{path}.partial", {"step": str(step), "recipe": json.dumps(asdict(recipe))})
    os.replace(f"{path}.partial", path)


def load_checkpoint(
    path: str,
    recipe: Recipe,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: dict[str, Tensor],
) -> int:
    """Restore what `save_checkpoint` wrote, in place, and return the step to go on with.

    Raises InputError for a damaged file, UsageError if it was made by another recipe.
    """
    try:
        with safe_open(path, "pt") as file:
            numbers = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(
            f"The checkpoint '{path}' cannot be read.", f"{error}.", "Remove it to start afresh."
        ) from error
    if numbers.get("recipe") != json.dumps(asdict(recipe)):
        raise UsageError(
            f"'{path}' was made by another recipe.",
            "A run can only be resumed with the numbers it was started with.",
            "Give those, or another output to start afresh.",
        )
    net.load_state_dict(_under(tensors, "weights/"))
    for name, value in _under(tensors, "average/").items():
        average[name].copy_(value)
    for moment in ("step", "exp_avg", "exp_avg_sq"):
        for name, value in _under(tensors, f"optimiser/{moment}/").items():
            parameter = net.get_parameter(name)
            place = value if moment == "step" else value.to(parameter.device)
            optimiser.state[parameter][moment] = place
    return int(numbers["step"])


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
