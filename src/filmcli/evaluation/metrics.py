"""How far a made picture is from the truth.

Published numbers differ in their conventions; ours are `CONVENTIONS`, which every table ends with.
Rounding alone costs about 0.02 dB at 36 dB against papers that compare floats: its noise is 1/12
of a squared level.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from filmcli.errors import MachineError
from filmcli.lpips import Lpips, load_lpips, load_st_lpips

Picture = NDArray[np.uint8]
"""One picture, (H, W, 3), RGB, 0 to 255."""

CEILING_DB = 100.0
"""What two equal pictures score: infinity would swallow every mean. One sample off by one level
in a 4K picture is 122 dB, so measured differences can lie above it; those are cut to it too."""


SMALLEST_PX = 11
"""Side of SSIM's window, and so of the smallest picture that has one."""

CONVENTIONS = (
    "Frames are compared as 8-bit RGB, made ones rounded to the nearest level. "
    "PSNR: peak 255, mean squared error over all samples of R, G and B of a frame, "
    f"at most {CEILING_DB:g} dB. "
    "SSIM: 11x11 Gaussian window of sigma 1.5, K1 0.01, K2 0.03, windows that lie wholly in the "
    "frame, mean of R, G and B. "
    "A sequence has the mean of its frames' scores; the mean is of the sequences' means."
)
"""What the numbers of every table are, in words."""

_LOOKS_CONVENTIONS = {
    "lpips": "LPIPS: version 0.1, AlexNet, 0 for equal frames, lower looks nearer.",
    "lpips_vgg": "LPIPS VGG: likewise, by VGG-16.",
    "st_lpips": "ST-LPIPS: AlexNet, likewise; it forgives a shift of a pixel.",
}

_log = logging.getLogger(__name__)


class Measure(NamedTuple):
    """How a measure is told: what tables call it, its form in them, its decimals in JSON."""

    title: str
    form: str
    decimals: int
    best: Literal["highest", "lowest"]


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "psnr": Measure("PSNR, dB", "{:.2f}", 3, "highest"),
        "ssim": Measure("SSIM", "{:.4f}", 5, "highest"),
        "lpips": Measure("LPIPS", "{:.4f}", 5, "lowest"),
        "lpips_vgg": Measure("LPIPS VGG", "{:.4f}", 5, "lowest"),
        "st_lpips": Measure("ST-LPIPS", "{:.4f}", 5, "lowest"),
    }
)
"""The measures by their names in a `Score`, in its order."""


class Score(NamedTuple):
    """How near a made picture, or the mean of many, is to the truth; None was not measured."""

    psnr: float
    ssim: float
    lpips: float | None = None
    lpips_vgg: float | None = None
    st_lpips: float | None = None

    @property
    def measured(self) -> dict[str, float]:
        """The values that were measured, by their names."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class Scorer:
    """Scores pictures: by PSNR and SSIM always, by how they look with the networks given."""

    def __init__(
        self,
        lpips: Lpips | None = None,
        lpips_vgg: Lpips | None = None,
        st_lpips: Lpips | None = None,
    ) -> None:
        found = {"lpips": lpips, "lpips_vgg": lpips_vgg, "st_lpips": st_lpips}
        self._looks = {name: net for name, net in found.items() if net is not None}

    def __call__(self, made: Mapping[str, Picture], truth: Picture) -> dict[str, Score]:
        """The scores of `made` by their names, uint8 pictures of the truth's shape.

        Raises ValueError for pictures that cannot be compared, MachineError without
        pytorch-msssim.
        """
        scores = {name: Score(psnr(of, truth), ssim(of, truth)) for name, of in made.items()}
        for measure, net in self._looks.items():
            for name, value in _distances(net, made, truth).items():
                scores[name] = scores[name]._replace(**{measure: value})
        return scores

    @torch.no_grad()
    def wrong(self, made: Picture, truth: Picture) -> NDArray[np.float32]:
        """How wrong each pixel looks, (H, W), by LPIPS; its squared error without that."""
        net = self._looks.get("lpips")
        if net is not None:
            return net.places(_tensor(made), _tensor(truth))[0].numpy()
        return np.asarray(((made.astype(np.float32) - truth) ** 2).sum(axis=2))

    @property
    def conventions(self) -> str:
        """What the numbers are, in words."""
        return " ".join((CONVENTIONS, *(_LOOKS_CONVENTIONS[name] for name in self._looks)))


def open_scorer(judge: bool = False) -> Scorer:
    """Return a scorer by LPIPS too, where its weights are; a warning is logged if they are not.

    With `judge` it scores by ST-LPIPS as well. Raises MachineError without pytorch-msssim or the
    weights of the judge asked for.
    """
    require_ssim()
    return Scorer(open_lpips(), st_lpips=load_st_lpips() if judge else None)


def open_lpips() -> Lpips | None:
    """Return LPIPS, or None where its weights are not; a warning then says how to get them."""
    try:
        return load_lpips()
    except MachineError as missing:
        _log.warning("LPIPS is left out: %s (%s)", missing.why, missing.do)
        return None


@torch.no_grad()
def _distances(net: Lpips, made: Mapping[str, Picture], truth: Picture) -> dict[str, float]:
    """How far each picture looks from the truth, which is looked at once."""
    seen = net.features(_tensor(truth))
    return {name: float(net.compare(net.features(_tensor(of)), seen)) for name, of in made.items()}


def lpips(net: Lpips, made: Picture, truth: Picture) -> float:
    """How different two uint8 pictures of one shape look, from 0; ValueError for other ones."""
    _check_comparable(made, truth)
    return _distances(net, {"": made}, truth)[""]


def mean_score(scores: Sequence[Score]) -> Score:
    """Mean of each measure; ValueError if there are no scores."""
    if not scores:
        raise ValueError("no scores to take the mean of")
    values = {name: [score.measured[name] for score in scores] for name in scores[0].measured}
    return Score(**{name: sum(of) / len(of) for name, of in values.items()})


def rounded(picture: NDArray[np.floating]) -> Picture:
    """An (H, W, 3) picture of floats in [0, 1] as 8 bits: clipped, then rounded to the nearest."""
    return np.asarray(np.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def psnr(made: Picture, truth: Picture) -> float:
    """Peak signal to noise ratio in dB of two uint8 pictures of one shape, at most CEILING_DB.

    Raises ValueError if shapes differ or samples are not 8 bits: silent broadcasting or a
    picture of floats would give a number that means nothing.
    """
    _check_comparable(made, truth)
    difference = made.astype(np.int32) - truth
    error = float(np.mean(difference * difference))
    if error == 0.0:
        return CEILING_DB
    return min(CEILING_DB, 10.0 * math.log10(255.0**2 / error))


def mean_psnr(pairs: Iterable[tuple[Picture, Picture]]) -> float:
    """Mean of the dB of (made, truth) pairs; ValueError if there are none."""
    values = [psnr(made, truth) for made, truth in pairs]
    if not values:
        raise ValueError("no pictures to compare")
    return sum(values) / len(values)


@torch.no_grad()
def ssim(made: Picture, truth: Picture) -> float:
    """Structural similarity (Wang et al. 2004) of two uint8 pictures of one shape, at most 1.

    Raises ValueError for pictures that cannot be compared or are under SMALLEST_PX on a side,
    MachineError without pytorch-msssim.
    """
    _check_comparable(made, truth)
    if min(made.shape[:2]) < SMALLEST_PX:
        raise ValueError(f"pictures of {made.shape[:2]} are smaller than SSIM's window")
    structural_similarity = require_ssim()
    pair = (torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] for picture in (made, truth))
    # float64: variances are small differences of large numbers.
    return float(structural_similarity(*(picture.double() for picture in pair), data_range=255))


def require_ssim() -> Callable[..., torch.Tensor]:
    """Return what measures SSIM; MachineError, which says how to get it, if it is not there."""
    try:
        from pytorch_msssim import ssim as structural_similarity
    except ImportError as error:
        raise MachineError(
            "SSIM cannot be measured",
            "the package pytorch-msssim is not installed",
            "pip install 'filmcli[evaluate]'",
        ) from error
    measure: Callable[..., torch.Tensor] = structural_similarity
    return measure


def _tensor(picture: Picture) -> torch.Tensor:
    """As networks take it: float32 (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


def _check_comparable(made: Picture, truth: Picture) -> None:
    if made.shape != truth.shape or made.size == 0:
        raise ValueError(f"pictures of shapes {made.shape} and {truth.shape} cannot be compared")
    if made.dtype != np.uint8 or truth.dtype != np.uint8:
        raise ValueError(f"expected 8-bit pictures, got {made.dtype} and {truth.dtype}")
