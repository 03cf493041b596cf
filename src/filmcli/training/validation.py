"""How good the network is on films it is not trained on, while it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import chain

import numpy as np
from torch import Tensor

from filmcli.evaluation.makers import Network, Run
from filmcli.evaluation.metrics import psnr
from filmcli.network.weights import Weights
from filmcli.training.clips import load_clips
from filmcli.training.samples import Picture

MIDDLES = 3  # frames that are dropped and rebuilt of each film
SMALLEST = 64  # px of a film's short side

_MIDDLE = (Fraction(1, 2),)


class Validation:
    """Rebuilds dropped frames of the films in a folder with the weights as they are.

    The first frames of every film are held in memory, and `weights` by reference: what the run
    changes in them is what is measured. Raises InputError if the folder holds no film.
    """

    def __init__(self, folder: str, config: str, weights: Mapping[str, Tensor]) -> None:
        films = [clip for source in load_clips(folder, SMALLEST) for clip in source]
        self._films = [_start(clip.frames) for clip in films]
        self._config, self._weights = config, weights

    def score(self) -> float:
        """Return the PSNR in dB, 8-bit RGB: mean over films of the mean over their frames.

        Frames are made as `filmcli evaluate` makes them, in float32.
        """
        device = next(iter(self._weights.values())).device
        weights = Weights(self._config, dict(self._weights), {}, "")
        network = Network(weights, str(device), "float32")
        return float(np.mean([_of_film(network, frames) for frames in self._films]))


def _start(frames: Sequence[Picture]) -> list[Picture]:
    """Return the first frames of a film that are kept, dropped, kept, ... and kept again."""
    middles = min(MIDDLES, (len(frames) - 1) // 2)
    return [frame.copy() for frame in frames[: 2 * middles + 1]]


def _of_film(network: Network, frames: list[Picture]) -> float:
    """Return the mean over the frames between `frames[0]`, `frames[2]`, ..."""
    kept, truth = frames[::2], frames[1::2]
    made = chain.from_iterable(network(Run(kept, [_MIDDLE] * len(truth))))
    return float(np.mean([psnr(*pair) for pair in zip(made, truth, strict=True)]))
