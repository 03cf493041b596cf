"""`python -m filmcli.evaluation.score FOLDER`: drop every second frame, rebuild it, compare.

Beside the network stand the old ways of `rivals`. Frames are compared as 8-bit RGB; a
sequence's score is the mean of its frames' PSNR, the last line the mean over sequences.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import torch

from filmcli.errors import FilmcliError, InputError
from filmcli.evaluation.metrics import Picture, psnr, rounded
from filmcli.evaluation.rivals import blend, dis_flow, minterpolate
from filmcli.network import weights
from filmcli.network.film import CONFIGS, Film
from filmcli.video.footage import read_rgb

Maker = Callable[[list[Picture]], list[Picture]]
"""Every second frame of a sequence -> the frames midway between them."""


def pairwise(make: Callable[[Picture, Picture, float], Picture]) -> Maker:
    """Return the maker that calls `make(left, right, 0.5)` for every pair of neighbours."""

    def middles(kept: list[Picture]) -> list[Picture]:
        return [make(left, right, 0.5) for left, right in itertools.pairwise(kept)]

    return middles


def network(name_or_path: str) -> Maker:
    """Return the maker that runs the network of these weights, in float32 on the CPU."""
    loaded = weights.load(name_or_path)
    net = Film(CONFIGS[loaded.config])
    net.load_state_dict(loaded.state_dict)

    @torch.no_grad()
    def middle(left: Picture, right: Picture, phase: float) -> Picture:
        frames = (
            torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float() / 255
            for frame in (left, right)
        )
        made = net(*frames, torch.tensor([phase]))
        return rounded(made[0].permute(1, 2, 0).numpy())

    return pairwise(middle)


def ffmpeg_minterpolate(kept: list[Picture]) -> list[Picture]:
    """The midway frames that ffmpeg's minterpolate makes of the whole sequence."""
    return minterpolate(kept, Fraction(12), Fraction(24))[1 : 2 * len(kept) - 1 : 2]


def score(path: str, makers: dict[str, Maker], limit: int | None = None) -> dict[str, float]:
    """Return the mean PSNR in dB of each maker's frames of the clip at `path`.

    `limit` bounds the number of frames rebuilt, counted from the start. Raises
    InputError for a clip of fewer than three frames.
    """
    frames = list(read_rgb(path))
    frames = frames[: len(frames) - (len(frames) + 1) % 2]
    if limit is not None:
        frames = frames[: 2 * limit + 1]
    if len(frames) < 3:
        raise InputError(f"'{path}' is too short to score.", "It has under three frames.")
    truth = frames[1::2]
    return {
        name: float(np.mean([psnr(*pair) for pair in zip(make(frames[::2]), truth, strict=True)]))
        for name, make in makers.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a Markdown table of scores; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m filmcli.evaluation.score", description=__doc__)
    parser.add_argument("folder", help="folder of short, near-lossless videos")
    parser.add_argument("--weights", nargs="*", default=[], help="shipped names or weights files")
    parser.add_argument("--rivals", action="store_true", help="score the old ways too")
    parser.add_argument("--limit", type=int, help="frames to rebuild of each sequence")
    chosen = parser.parse_args(arguments)
    try:
        makers = {os.path.basename(name): network(name) for name in chosen.weights}
        if chosen.rivals:
            makers |= {
                "blend": pairwise(blend),
                "DIS flow": pairwise(dis_flow),
                "minterpolate": ffmpeg_minterpolate,
            }
        names = sorted(os.listdir(chosen.folder))
        _table(chosen.folder, names, makers, chosen.limit)
    except FilmcliError as failure:
        sys.stderr.write(f"{failure}\n")
        return failure.exit_code
    return 0


def _table(folder: str, names: list[str], makers: dict[str, Maker], limit: int | None) -> None:
    sys.stdout.write(f"| sequence | {' | '.join(makers)} |\n|---|{'---|' * len(makers)}\n")
    rows = []
    for name in names:
        row = score(os.path.join(folder, name), makers, limit)
        rows.append(list(row.values()))
        sys.stdout.write(_line(os.path.splitext(name)[0], rows[-1]))
        sys.stdout.flush()
    sys.stdout.write(_line("mean", np.mean(rows, axis=0).tolist()))


def _line(name: str, values: list[float]) -> str:
    return f"| {name} | {' | '.join(f'{value:.2f}' for value in values)} |\n"


if __name__ == "__main__":
    sys.exit(main())
