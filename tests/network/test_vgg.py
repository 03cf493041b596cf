"""VGG-19 and its losses beside an independent computation in numpy, on random weights."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from filmcli import losses
from filmcli.errors import MachineError
from filmcli.network.vgg import WIDTHS, Vgg19, load_vgg

Array = NDArray[np.float64]
CONVOLUTIONS = [
    (block, place) for block, widths in enumerate(WIDTHS, 1) for place in range(1, len(widths) + 1)
]
TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30)


@pytest.fixture(scope="module")
def kernels() -> dict[str, Tensor]:
    """Random weights that keep the size of activations, under our names."""
    generator = torch.Generator().manual_seed(0)
    named = {}
    for name, value in Vgg19().named_parameters():
        scale = (2 / value[0].numel()) ** 0.5 if value.ndim == 4 else 0.1
        named[name] = torch.randn(value.shape, generator=generator) * scale
    return named


def convolved(x: Array, kernel: Array, bias: Array) -> Array:
    """`x` (H, W, C) by a 3x3 `kernel` (O, C, 3, 3), edges filled with 0; then ReLU."""
    height, width, _ = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    out = np.zeros((height, width, len(kernel))) + bias
    for row in range(3):
        for column in range(3):
            out += padded[row : row + height, column : column + width] @ kernel[..., row, column].T
    return np.maximum(out, 0)


def halved(x: Array) -> Array:
    """The mean of every 2x2 window; at an odd edge, of what is inside."""
    rows = [x[i : i + 2].mean(axis=0) for i in range(0, len(x), 2)]
    return np.stack([[r[j : j + 2].mean(axis=0) for j in range(0, len(r), 2)] for r in rows])


def taps(frame: Array, named: dict[str, Tensor], mean: Array, spread: Array) -> list[Array]:
    x = (255 * frame - mean) / spread
    found = []
    for block, place in CONVOLUTIONS:
        if place == 1 and block > 1:
            x = halved(x)
        values = (named[f"conv{block}_{place}.{kind}"] for kind in ("weight", "bias"))
        x = convolved(x, *(value.double().numpy() for value in values))
        if place == 2:
            found.append(x)
    return found


CAFFE = np.array([123.68, 116.779, 103.939]), np.ones(3)


def frames() -> tuple[Array, Array]:
    random = np.random.default_rng(1)
    made, truth = random.random((2, 21, 18, 3))
    return made, truth


def tensor(frame: Array) -> Tensor:
    return torch.from_numpy(frame).permute(2, 0, 1)[None].float()


def test_both_losses_are_what_numpy_makes_of_them(
    tmp_path: Path, kernels: dict[str, Tensor]
) -> None:
    save_file(kernels, tmp_path / "vgg.safetensors")
    vgg = load_vgg(str(tmp_path / "vgg.safetensors"))
    made, truth = frames()
    perceptual = style = 0.0
    weights = (1 / 2.6, 1 / 4.8, 1 / 3.7, 1 / 5.6, 10 / 1.5)
    levels = zip(weights, taps(made, kernels, *CAFFE), taps(truth, kernels, *CAFFE), strict=True)
    for weight, a, b in levels:
        perceptual += weight * np.abs(a - b).mean() / 255
        grams = [
            np.einsum("hwi,hwj->ij", x / 255, x / 255) / (x.shape[0] * x.shape[1]) for x in (a, b)
        ]
        style += weight * ((grams[0] - grams[1]) ** 2).mean()
    features = vgg(tensor(made)), vgg(tensor(truth))
    assert losses.perceptual(*features).item() == pytest.approx(perceptual, rel=1e-4)
    assert losses.style(*features).item() == pytest.approx(style, rel=1e-3)
    assert losses.style(features[1], features[1]).item() == 0.0


def test_gradients_reach_the_frame_and_not_the_weights(kernels: dict[str, Tensor]) -> None:
    vgg = Vgg19()
    vgg.load_state_dict(kernels, strict=False)
    made, truth = (tensor(frame) for frame in frames())
    made.requires_grad_()
    losses.perceptual(vgg(made), vgg(truth)).backward()
    assert made.grad is not None and made.grad.abs().max() > 0
    assert all(value.grad is None for value in vgg.parameters())


def keras(kernels: dict[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """The weights as Keras names and lays them, for BGR."""
    variables = {}
    for block, place in CONVOLUTIONS:
        kernel, bias = (kernels[f"conv{block}_{place}.{kind}"] for kind in ("weight", "bias"))
        if (block, place) == (1, 1):
            kernel = kernel.flip(1)
        variables[f"block{block}_conv{place}/kernel"] = kernel.permute(2, 3, 1, 0).numpy()
        variables[f"block{block}_conv{place}/bias"] = bias.numpy()
    return variables


def test_kerass_variables_are_the_same_network(tmp_path: Path, kernels: dict[str, Tensor]) -> None:
    np.savez(tmp_path / "vgg.npz", **keras(kernels))
    loaded = dict(load_vgg(str(tmp_path / "vgg.npz")).named_parameters())
    assert all(torch.equal(loaded[name], value) for name, value in kernels.items())


def test_torchvisions_file_gets_the_input_it_was_trained_on(
    tmp_path: Path, kernels: dict[str, Tensor]
) -> None:
    state = {
        f"features.{at}.{kind}": kernels[f"conv{block}_{place}.{kind}"]
        for at, (block, place) in zip(TORCHVISION, CONVOLUTIONS, strict=True)
        for kind in ("weight", "bias")
    }
    state["classifier.6.bias"] = torch.zeros(1000)
    torch.save(state, tmp_path / "vgg19.pth")
    frame, _ = frames()
    mean, spread = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = taps(frame, kernels, 255 * mean, 255 * spread)[1]
    found = load_vgg(str(tmp_path / "vgg19.pth"))(tensor(frame))[1]
    assert np.allclose(found[0].permute(1, 2, 0).numpy(), expected, atol=1e-3)


def test_matconvnets_file_is_read_where_scipy_is(
    tmp_path: Path, kernels: dict[str, Tensor]
) -> None:
    scipy = pytest.importorskip("scipy.io")
    layers = []
    for block, place in CONVOLUTIONS:
        name = f"conv{block}_{place}"
        kernel = kernels[f"{name}.weight"].permute(2, 3, 1, 0).numpy()
        pair = np.empty((1, 2), object)
        pair[0] = [kernel, kernels[f"{name}.bias"].numpy()[:, None]]
        layers += [{"type": "conv", "name": name, "weights": pair}, {"type": "relu", "name": "r"}]
    cells = np.empty((1, len(layers)), object)
    cells[0] = layers
    scipy.savemat(tmp_path / "vgg.mat", {"layers": cells})
    loaded = dict(load_vgg(str(tmp_path / "vgg.mat")).named_parameters())
    assert all(torch.equal(loaded[name], value) for name, value in kernels.items())


def test_another_file_is_refused_and_told_where_one_comes_from(tmp_path: Path) -> None:
    save_file({"conv1_1.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    (tmp_path / "vgg.h5").write_bytes(b"\x89HDF")
    with zipfile.ZipFile(tmp_path / "code.pth", "w") as archive:
        archive.writestr("a/data.pkl", b"cos\nsystem\n(S'true'\ntR.")
    for name in ("other.safetensors", "vgg.h5"):
        with pytest.raises(MachineError) as caught:
            load_vgg(str(tmp_path / name))
        assert "imagenet-vgg-verydeep-19" in str(caught.value)
    with pytest.raises(MachineError):
        load_vgg(str(tmp_path / "code.pth"))
