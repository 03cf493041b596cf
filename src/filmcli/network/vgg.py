"""VGG-19 as FILM's perceptual losses see it: up to conv5_2, with means for maxima.

Simonyan & Zisserman 2015 (arXiv:1409.1556). Reda et al. 2022 take the weights that Caffe trained
(MatConvNet's imagenet-vgg-verydeep-19): pictures of 0 to 255 less a mean colour, and pool 2x2 means
where the network was trained with maxima. Files of other trainings are read too, each with the
input it was trained on; FILM's loss weights fit Caffe's alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.errors import MachineError
from filmcli.network.weights import read_tensors

WIDTHS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 2)
"""Channels of the convolutions of each block; the taps are the second of each."""

_CAFFE_MEAN, _CAFFE_SPREAD = (123.68, 116.779, 103.939), (1.0, 1.0, 1.0)  # RGB, 0 to 255
_TORCH_MEAN, _TORCH_SPREAD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_NAMES = [f"conv{b + 1}_{c + 1}" for b, block in enumerate(WIDTHS) for c in range(len(block))]
# The places of those convolutions in torchvision's list of layers.
_TORCH_PLACES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30)
SOURCES = (
    "Give imagenet-vgg-verydeep-19.mat from vlfeat.org/matconvnet/pretrained (needs scipy), "
    "torchvision's vgg19-dcbb9e9d.pth, or Keras' weights as .npz: numpy.savez('vgg19.npz', "
    "**{v.path: v.numpy() for v in keras.applications.VGG19().weights})."
)
"""Where weights come from, in words."""


class Vgg19(nn.Module):
    """The five tapped features of pictures; its weights never change."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        below = 3
        for name, width in zip(_NAMES, (w for block in WIDTHS for w in block), strict=True):
            self.add_module(name, nn.Conv2d(below, width, 3, padding=1))
            below = width
        self.register_buffer("mean", torch.tensor(_CAFFE_MEAN)[:, None, None])
        self.register_buffer("spread", torch.tensor(_CAFFE_SPREAD)[:, None, None])
        self.requires_grad_(False)

    def forward(self, frame: Tensor) -> list[Tensor]:
        """Return conv1_2 to conv5_2 after their ReLU, of `frame` `(B, 3, H, W)` RGB in [0, 1].

        Level i is `(B, C, ceil(H / 2**i), ceil(W / 2**i))`.
        """
        x = (255 * frame - self.mean) / self.spread
        taps = []
        for block, widths in enumerate(WIDTHS, 1):
            if block > 1:  # a window over the edge has the mean of what is inside
                x = F.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False)
            for place in range(1, len(widths) + 1):
                x = F.relu(self.get_submodule(f"conv{block}_{place}")(x))
                if place == 2:
                    taps.append(x)
        return taps


def load_vgg(path: str) -> Vgg19:
    """Return VGG-19 with the weights in a file, by what it holds.

    Read are MatConvNet's .mat (if scipy is there), Keras' variables by name (.npz or
    safetensors), torchvision's state dict (.pth), and ours (conv1_1.weight, ...; Caffe's input).
    Raises MachineError for a file that is none of these, and says where one comes from.
    """
    if path.endswith((".h5", ".hdf5", ".keras")):
        raise MachineError(f"'{path}' is of a kind that is not read.", "", SOURCES)
    is_mat = path.endswith(".mat")
    named = _read_matconvnet(path) if is_mat else _by_our_names(read_tensors(path)[0])
    net = Vgg19()
    if "features.0.weight" in named:
        net.mean.copy_(torch.tensor(_TORCH_MEAN)[:, None, None])
        net.spread.copy_(torch.tensor(_TORCH_SPREAD)[:, None, None])
        named = {
            f"{name}.{kind}": named[f"features.{place}.{kind}"]
            for name, place in zip(_NAMES, _TORCH_PLACES, strict=True)
            for kind in ("weight", "bias")
            if f"features.{place}.{kind}" in named
        }
    for name, value in net.named_parameters():
        found = named.get(name)
        if found is None or found.shape != value.shape:
            has = "is missing" if found is None else f"has the shape {tuple(found.shape)}"
            raise MachineError(f"'{path}' holds no VGG-19.", f"{name} {has}.", SOURCES)
        value.copy_(found)
    return net


_KERAS = re.compile(r"(?:^|/)block(\d)_conv(\d)/(kernel|bias)(?::0)?$")


def _by_our_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return Keras' variables under our names: kernels turned from HWIO, colours from BGR."""
    named = {}
    for name, value in tensors.items():
        match = _KERAS.search(name)
        if match is None:
            named[name] = value.float()
            continue
        ours = f"conv{match[1]}_{match[2]}"
        if match[3] == "bias":
            named[f"{ours}.bias"] = value.float()
            continue
        kernel = value.float().permute(3, 2, 0, 1)
        named[f"{ours}.weight"] = kernel.flip(1) if ours == "conv1_1" else kernel
    return named


def _read_matconvnet(path: str) -> dict[str, Tensor]:
    """Return the convolutions of MatConvNet's file under our names; kernels turned from HWIO."""
    try:
        # An optional package without types, which one kind of file needs.
        from scipy.io import loadmat  # type: ignore[import-untyped]
    except ImportError as error:
        do = "Install it (pip install scipy), or give the weights in another form."
        raise MachineError(f"'{path}' needs scipy to be read.", "", do) from error
    try:
        layers = loadmat(path, squeeze_me=True, struct_as_record=False)["layers"]
        return dict(_of_layers(layers))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError) as error:
        raise MachineError(f"'{path}' holds no VGG-19.", f"{error}.", SOURCES) from error


def _of_layers(layers: Any) -> Any:
    for layer in layers:
        if str(layer.type) == "conv" and str(layer.name) in _NAMES:
            kernel, bias = layer.weights
            yield f"{layer.name}.weight", torch.from_numpy(kernel).float().permute(3, 2, 0, 1)
            yield f"{layer.name}.bias", torch.from_numpy(bias).float()
