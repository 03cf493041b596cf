"""How far a made picture is from the truth.

Published numbers differ in their conventions; ours are `CONVENTIONS`, which every table ends with.
Rounding alone costs about 0.02 dB at 36 dB against papers that compare floats: its noise is 1/12
of a squared level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from filmcli.errors import MachineError

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


class Score(NamedTuple):
    """How near a made picture, or the mean of many, is to the truth."""

    psnr: float
    ssim: float


def score(made: Picture, truth: Picture) -> Score:
    """Both measures of two uint8 pictures of one shape, 11 pixels or more on each side.

    Raises ValueError for pictures that cannot be compared, MachineError without pytorch-msssim.
    """
    return Score(psnr(made, truth), ssim(made, truth))


def mean_score(scores: Sequence[Score]) -> Score:
    """Mean of each measure; ValueError if there are no scores."""
    if not scores:
        raise ValueError("no scores to take the mean of")
    return Score(*(sum(values) / len(scores) for values in zip(*scores, strict=True)))


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


def _check_comparable(made: Picture, truth: Picture) -> None:
    if made.shape != truth.shape or made.size == 0:
        raise ValueError(f"pictures of shapes {made.shape} and {truth.shape} cannot be compared")
    if made.dtype != np.uint8 or truth.dtype != np.uint8:
        raise ValueError(f"expected 8-bit pictures, got {made.dtype} and {truth.dtype}")
