"""How good the network is on films it is not trained on, while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import chain

import numpy as np
from torch import Tensor

from filmcli.errors import UsageError
from filmcli.evaluation.makers import Network, Run
from filmcli.evaluation.metrics import lpips, open_lpips, psnr
from filmcli.network.networks import CONFIGS
from filmcli.network.weights import Weights
from filmcli.training.clips import load_clips
from filmcli.training.samples import Picture

MIDDLES = 3  # frames that are dropped and rebuilt of each film
SMALLEST = 64  # px of a film's short side

_MIDDLE = (Fraction(1, 2),)


class Validation:
    """Rebuilds dropped frames of the films in a folder with the weights as they are.

    The first frames of every film are held in memory, and `weights` by reference: what the run
    changes in them is what is measured. Raises InputError if the folder holds no film,
    UsageError for a network that makes none.
    """

    def __init__(self, folder: str, config: str, weights: Mapping[str, Tensor]) -> None:
        if config not in CONFIGS:
            what = f"A '{config}' cannot be scored while it is trained."
            raise UsageError(what, "It makes no films.", "Leave --validate out.")
        films = [clip for source in load_clips(folder, SMALLEST) for clip in source]
        self._films = [_start(clip.frames) for clip in films]
        self._config, self._weights = config, weights
        self._looks = open_lpips()

    def score(self) -> dict[str, float]:
        """Return PSNR in dB, 8-bit RGB, as "validated", and LPIPS as "validated_lpips".

        Both are means over films of the means over their frames, which are made as `filmcli
        evaluate` makes them, in float32. LPIPS is left out where its weights are not installed.
        """
        device = next(iter(self._weights.values())).device
        weights = Weights(self._config, dict(self._weights), {}, "")
        network = Network(weights, str(device), "float32")
        pairs = [_rebuilt(network, frames) for frames in self._films]
        measures: dict[str, Callable[[Picture, Picture], float]] = {"validated": psnr}
        if self._looks is not None:
            measures["validated_lpips"] = partial(lpips, self._looks)
        return {
            name: float(np.mean([np.mean([measure(*pair) for pair in of]) for of in pairs]))
            for name, measure in measures.items()
        }


def _start(frames: Sequence[Picture]) -> list[Picture]:
    """Return the first frames of a film that are kept, dropped, kept, ... and kept again."""
    middles = min(MIDDLES, (len(frames) - 1) // 2)
    return [frame.copy() for frame in frames[: 2 * middles + 1]]


def _rebuilt(network: Network, frames: list[Picture]) -> list[tuple[Picture, Picture]]:
    """Return the frames between `frames[0]`, `frames[2]`, ... as made, each with its truth."""
    kept, truth = frames[::2], frames[1::2]
    made = chain.from_iterable(network(Run(kept, [_MIDDLE] * len(truth))))
    return list(zip(made, truth, strict=True))
