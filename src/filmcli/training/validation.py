"""How good the network is on films it is not trained on, while it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from filmcli.evaluation.metrics import psnr, rounded
from filmcli.network.film import CONFIGS, Film
from filmcli.training.clips import load_clips
from filmcli.training.samples import Picture

MIDDLES = 2  # frames that are dropped and rebuilt of each film
SMALLEST = 64  # px of a film's short side


class Validation:
    """Rebuilds dropped frames of the films in a folder with the weights as they are.

    The first frames of every film are held in memory, and `weights` by reference: what the run
    changes in them is what is measured. Raises InputError if the folder holds no film.
    """

    def __init__(self, folder: str, config: str, weights: Mapping[str, Tensor]) -> None:
        films = [clip for source in load_clips(folder, SMALLEST) for clip in source]
        self._films = [np.stack(clip.frames[: 2 * MIDDLES + 1]) for clip in films]
        with torch.device("meta"):
            self._net = Film(CONFIGS[config])
        self._net.load_state_dict(weights, assign=True)
        self._net.eval().requires_grad_(False)

    def score(self) -> float:
        """Return the PSNR in dB, 8-bit RGB: mean over films of the mean over their frames."""
        return float(np.mean([self._of_film(frames) for frames in self._films]))

    def _of_film(self, frames: Picture) -> float:
        """Return the mean over the frames between `frames[0]`, `frames[2]`, ..."""
        count = (len(frames) - 1) // 2
        kept = [self._tensor(frame) for frame in frames[: 2 * count + 1 : 2]]
        made = [self._middle(left, right) for left, right in pairwise(kept)]
        truth = frames[1 : 2 * count : 2]
        return float(np.mean([psnr(*pair) for pair in zip(made, truth, strict=True)]))

    def _tensor(self, frame: Picture) -> Tensor:
        device = next(self._net.parameters()).device
        return torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].to(device).float() / 255

    @torch.no_grad()
    def _middle(self, left: Tensor, right: Tensor) -> Picture:
        made = self._net(left, right, left.new_full((1,), 0.5))
        return rounded(made[0].permute(1, 2, 0).cpu().numpy())
