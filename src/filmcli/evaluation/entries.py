"""Who takes part in a comparison: weights by their names, as they are or adapted, and rivals."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from filmcli.errors import UsageError
from filmcli.evaluation.makers import RIVALS, Maker, Network
from filmcli.network.machine import choose_device, choose_precision, describe_device
from filmcli.network.weights import Weights, default_name, load


@dataclass(frozen=True)
class Entry:
    """One who takes part, by the name that tables show.

    `maker` makes frames without adaptation. `weights` are None for a rival; those of an entry
    with `steps` are adapted to every scene.
    """

    name: str
    maker: Maker
    weights: Weights | None = None
    steps: int = 0
    device: str = "auto"
    precision: str = "auto"

    @property
    def is_rival(self) -> bool:
        """True for the old ways, False for a network."""
        return self.weights is None


def machine_words(device: str, precision: str) -> str:
    """Say in a sentence on what networks run; raises what an `Interpolator` raises."""
    chosen = choose_device(device)
    dtype = str(choose_precision(precision, chosen)).removeprefix("torch.")
    return f"Networks ran on {describe_device(chosen)}, in {dtype}."


def enter(
    weights: Sequence[str] = (),
    steps: Sequence[int] = (0,),
    rivals: Sequence[str] = tuple(RIVALS),
    device: str = "auto",
    precision: str = "auto",
) -> list[Entry]:
    """Everyone who takes part: all `weights` (default: those that `upsample` takes) by `steps`.

    Raises UsageError for an unknown rival or for a name given twice, and what `weights.load`
    raises.
    """
    unknown = [name for name in rivals if name not in RIVALS]
    if unknown:
        raise UsageError(
            f"there is no rival '{unknown[0]}'", "", f"choose among {', '.join(RIVALS)}, none"
        )
    entries = []
    for given in weights or (default_name(),):
        loaded = load(given)
        plain = Network(loaded, device, precision)
        name = os.path.basename(given).removesuffix(".safetensors")
        for count in dict.fromkeys(steps):
            adapted = f" +{count} step{'s' * (count != 1)}" if count else ""
            entries.append(Entry(name + adapted, plain, loaded, count, device, precision))
    entries += [Entry(name, RIVALS[name]) for name in dict.fromkeys(rivals)]
    names = [entry.name for entry in entries]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(
            f"two of those who take part are called '{twice}'",
            "weights go by their file's name",
            "rename one of the files",
        )
    return entries
