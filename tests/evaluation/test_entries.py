"""Who takes part, by which name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from filmcli.errors import MachineError, UsageError
from filmcli.evaluation.entries import enter, machine_words
from filmcli.network import weights
from filmcli.network.networks import CONFIGS, build


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "fresh.safetensors"
    weights.save(str(path), "film-m", build(CONFIGS["film-m"]).state_dict())
    return str(path)


def test_weights_are_entered_once_for_each_number_of_steps(saved: str) -> None:
    entries = enter([saved], (0, 1, 5), ("dis", "repeat"))
    assert [entry.name for entry in entries] == [
        "fresh", "fresh +1 step", "fresh +5 steps", "dis", "repeat",
    ]  # fmt: skip
    assert [entry.is_rival for entry in entries] == [False] * 3 + [True] * 2
    assert [entry.steps for entry in entries] == [0, 1, 5, 0, 0]


def test_without_names_the_default_weights_and_all_rivals_take_part() -> None:
    assert [entry.name for entry in enter()] == [
        weights.default_name(), "repeat", "blend", "dis", "minterpolate",
    ]  # fmt: skip


def test_what_cannot_take_part_is_refused(saved: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no rival 'rife'"):
        enter([saved], rivals=("rife",))
    with pytest.raises(MachineError, match="no weights named"):
        enter(["nobody"])
    (tmp_path / "fresh.safetensors").write_bytes(Path(saved).read_bytes())
    with pytest.raises(UsageError, match="two of those"):
        enter([saved, str(tmp_path / "fresh.safetensors")])


def test_the_machine_is_named() -> None:
    assert machine_words("cpu", "float32") == "Networks ran on cpu, in float32."
