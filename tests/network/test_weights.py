"""Weights files: every kind that is read, and every kind that is refused."""

from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from filmcli.errors import FilmcliError, MachineError
from filmcli.network.film import Film, FilmConfig
from filmcli.network.networks import CONFIGS, build
from filmcli.network.weights import convert, default_name, load, named_rates, save, shipped

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """Random parameters of film-m that float16 holds exactly."""
    torch.manual_seed(0)
    net = build(CONFIGS["film-m"])
    return {name: t.half().float() for name, t in net.state_dict().items()}


@pytest.fixture(scope="module")
def published() -> State:
    """Random parameters of the published network that float16 holds exactly."""
    torch.manual_seed(0)
    return {n: t.half().float() for n, t in build(CONFIGS["film"]).state_dict().items()}


def assert_same(loaded: State, expected: State) -> None:
    assert loaded.keys() == expected.keys()
    for name, tensor in expected.items():
        assert loaded[name].dtype == torch.float32
        torch.testing.assert_close(loaded[name], tensor, rtol=0, atol=0)


def refusal(path: Path) -> FilmcliError:
    with pytest.raises(MachineError) as caught:
        load(str(path))
    assert caught.value.what and caught.value.why and caught.value.do
    assert str(path) in caught.value.what
    return caught.value


def test_own_file_comes_back(tmp_path: Path, state: State) -> None:
    path = str(tmp_path / "w.safetensors")
    save(path, "film-m", state, {"recipe": "none"})
    weights = load(path)
    assert weights.config == "film-m"
    assert weights.metadata["format"] == "filmcli-weights-1"
    assert weights.metadata["recipe"] == "none"
    assert len(weights.sha256) == 64
    assert os.listdir(tmp_path) == ["w.safetensors"]
    assert os.path.getsize(path) < 2.2 * sum(t.numel() for t in state.values())
    assert_same(weights.state_dict, state)


def test_learned_rates_come_back_beside_the_parameters(tmp_path: Path, state: State) -> None:
    first = {name: torch.tensor(1e-6 * (i + 1)) for i, name in enumerate(state)}
    second = {name: torch.full_like(value, 3e-4) for name, value in state.items()}
    path = str(tmp_path / "w.safetensors")
    save(path, "film-m", {**state, **named_rates([first, second])})
    for weights in (load(path), convert(path, str(tmp_path / "again.safetensors"))):
        assert_same(weights.state_dict, state)
        assert len(weights.rates) == 2
        for saved, loaded in zip((first, second), weights.rates, strict=True):
            assert loaded.keys() == saved.keys()
            for name, rate in saved.items():
                torch.testing.assert_close(loaded[name], rate, rtol=0.01, atol=0)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}])
@pytest.mark.parametrize("new_format", [True, False])
def test_state_dict_of_torch(tmp_path: Path, state: State, wrap: object, new_format: bool) -> None:
    path = tmp_path / "w.pth"
    torch.save(wrap(state), path, _use_new_zipfile_serialization=new_format)  # type: ignore[operator]
    weights = load(str(path))
    assert weights.config == "film-m"
    assert_same(weights.state_dict, state)


class Program(nn.Module):
    """A module with the network's parameters and some program around them."""

    def __init__(self, net: Film) -> None:
        super().__init__()
        self.extract, self.predict_flow, self.fuse = net.extract, net.predict_flow, net.fuse

    def forward(self, x: Tensor) -> Tensor:
        return self.extract.extract_sublevels.convs[0](x)  # type: ignore[index,no-any-return]


def test_torchscript_archive_is_read_without_running_it(tmp_path: Path, published: State) -> None:
    net = Film(FilmConfig("film"))
    net.load_state_dict(published)
    path = str(tmp_path / "film_net_fp16.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(Program(net).half(), torch.zeros(1, 3, 8, 8, dtype=torch.half))
        torch.jit.save(traced, path)
    assert_same(load(path).state_dict, published)


def official(state: State) -> dict[str, np.ndarray]:
    """The same parameters as the official release names and lays them out."""
    variables = {}
    for name, tensor in state.items():
        part, rest = name.split(".", 1)
        n = [int(x) for x in rest.split(".") if x.isdigit()]
        if part == "extract":
            place = f"feat_net/sub_extractor/cfeat_conv_{2 * n[0] + n[1]}"
        elif "_predictors" in name:
            place = f"predict_flow/flow_predictor_{2 - n[0]}/conv_{n[1]}"
        elif part == "predict_flow":
            place = f"predict_flow/flow_predictor_shared/conv_{n[0]}"
        else:
            index = 12 if "output" in name else 3 * (3 - n[0]) + n[1]
            place = "fusion/conv2d" + (f"_{index}" if index else "")
        kernel = name.endswith("weight")
        values = tensor.permute(2, 3, 1, 0) if kernel else tensor
        variables[f"{place}/{'kernel' if kernel else 'bias'}:0"] = values.contiguous().numpy()
    return variables


def test_official_variables_are_renamed_and_turned(tmp_path: Path, published: State) -> None:
    variables = official(published)
    np.savez(tmp_path / "official.npz", **variables)
    assert_same(load(str(tmp_path / "official.npz")).state_dict, published)
    tensors = {name: torch.from_numpy(array) for name, array in variables.items()}
    save_file(tensors, tmp_path / "official.safetensors")
    assert_same(load(str(tmp_path / "official.safetensors")).state_dict, published)


def test_convert_keeps_float32(tmp_path: Path, state: State) -> None:
    fine = {name: t + 1e-6 for name, t in state.items()}
    source, target = str(tmp_path / "w.pt"), str(tmp_path / "w.safetensors")
    torch.save(fine, source)
    weights = convert(source, target)
    assert weights.metadata["source_sha256"] == load(source).sha256
    assert_same(load(target).state_dict, fine)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, ("exploded",))


@pytest.mark.parametrize("legacy", [True, False])
def test_pickles_are_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, legacy: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.pt"
    torch.save({"a": Bomb()}, path, _use_new_zipfile_serialization=not legacy)
    assert "run code" in refusal(path).why
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Bomb()))
    refusal(tmp_path / "plain.pkl")
    assert not (tmp_path / "exploded").exists()


def test_archive_with_a_foreign_class_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    with ZipFile(path, "w") as archive:
        archive.writestr("w/code/x.py", "")
        archive.writestr("w/data.pkl", pickle.dumps(Bomb(), protocol=2))
    assert "run code" in refusal(path).why


def test_truncated_and_foreign_files_are_refused(tmp_path: Path, state: State) -> None:
    whole = tmp_path / "w.safetensors"
    save(str(whole), "film-m", state)
    torch.save(state, tmp_path / "w.pt")
    for path in (whole, tmp_path / "w.pt"):
        path.write_bytes(path.read_bytes()[:-1000])
        assert "damaged" in refusal(path).what
    for content in (b"", b"PK", b"hello, world, this is text"):
        (tmp_path / "x.pt").write_bytes(content)
        refusal(tmp_path / "x.pt")
    assert "No such file" in refusal(tmp_path / "missing.pt").why
    assert refusal(tmp_path).why == "Is a directory."


def test_first_wrong_name_or_shape_is_told(tmp_path: Path, state: State) -> None:
    path = tmp_path / "w.safetensors"
    bias = "fuse.paint.bias"
    cases: list[tuple[State, str]] = [
        ({**state, bias: torch.zeros(3)}, "'fuse.paint.bias' is (3,) where (32,) is wanted."),
        ({n: t for n, t in state.items() if n != bias}, "'fuse.paint.bias' is missing."),
        ({**state, "extra": torch.zeros(1)}, "'extra' has no place in it."),
    ]
    for tensors, why in cases:
        save_file(tensors, path)
        error = refusal(path)
        assert error.why == why
        assert "film-m" in error.what
    save(str(path), "film-xl", state)
    assert "'film-xl'" in refusal(path).why


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(MachineError, match="no weights named 'film-huge'"):
        load("film-huge")


def test_the_default_is_shipped() -> None:
    assert load().sha256 == load(shipped(default_name())).sha256
    assert load().config == default_name()
