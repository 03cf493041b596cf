"""What adaptation to a scene is for, shown on two scenes that are drawn on the spot.

One is unlike what the weights were trained on, and teaches them something; the other is a film like
others, of which the gate takes only what helps. Each is drawn at twice its rate: the network adapts
to every second frame, and what it makes between them is compared with the truth, before and after.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from statistics import fmean
from types import MappingProxyType

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from filmcli.adaptation.film import FilmSettings, adaptable, recipe_of
from filmcli.adaptation.scene import (
    Recipe,
    Scene,
    SceneAdaptation,
    adapt_scene,
    applied,
    fits,
    lessons_of,
)
from filmcli.errors import OutputExistsError
from filmcli.evaluation import clip
from filmcli.evaluation.makers import Network, Run
from filmcli.evaluation.metrics import Picture, psnr
from filmcli.evaluation.strips import Cell, draw_strip
from filmcli.network.weights import load
from filmcli.video.animation import read_mark, write_mark

PICTURE = "filmcli-demonstration.png"
"""What the picture is called, in the folder where one is."""

_MARK = "filmcli demonstration"
_WIDTH, _HEIGHT = 320, 240
_BLOCK = 4  # px
_KEPT = 22  # frames, of 24 a second
_LOOKED_AT = (6, 10, 14)  # intervals of kept frames


def game(number: int) -> Picture:
    """A level of tiles, of blocks with hard edges, that scrolls by two pixels a frame."""
    return np.ascontiguousarray(_level()[:, 2 * number : 2 * number + _WIDTH])


@lru_cache(maxsize=1)
def _level() -> Picture:
    """Seven kinds of tiles, each of 4x4 blocks in shades of its colour, at random."""
    random, side = np.random.default_rng(3), 4 * _BLOCK
    kinds = random.integers(50, 200, (7, 1, 1, 3)) + random.integers(-60, 60, (7, 4, 4, 1))
    tiles = kinds.clip(0, 255).astype(np.uint8).repeat(_BLOCK, axis=1).repeat(_BLOCK, axis=2)
    columns = (_WIDTH + 4 * _KEPT) // side + 1
    rows = random.integers(0, len(tiles), (_HEIGHT // side, columns))
    return np.vstack([np.hstack(tiles[row]) for row in rows])


def toys(number: int) -> Picture:
    """The built-in film's second shot."""
    return clip.picture(clip.CUTS[0] + Fraction(number, 48), _WIDTH, _HEIGHT)


SCENES: Mapping[str, Callable[[int], Picture]] = MappingProxyType(
    {"a game that scrolls": game, "toys that fall": toys}
)
"""How the frames of each scene are drawn, by their numbers at 48 a second."""


@dataclass(frozen=True)
class Shown:
    """A scene, and the PSNR in dB of true frames that nobody saw.

    These are made `before` and `after` the steps, also where the gate refuses what they led to.
    """

    name: str
    scene: SceneAdaptation
    before: float
    after: float


@dataclass(frozen=True)
class Demonstration:
    """All scenes are shown; `picture` is the file that shows them before, after and in truth."""

    picture: str
    scenes: int
    kept: int
    seconds: float


def demonstrate(settings: FilmSettings, report: Callable[[Shown], None]) -> Demonstration:
    """Adapt to both scenes, and write the picture into this folder.

    `report` hears of each scene. Raises OutputExistsError if something else has the picture's name.
    """
    started = time.monotonic()
    _check_name()
    weights = load(settings.weights)
    net, recipe = adaptable(weights, settings.device), recipe_of(weights, settings.steps)
    params: dict[str, Tensor] | None = None
    make = Network(weights, settings.device, params_of=lambda _: params)
    kept, rows = 0, []
    for number, (name, draw) in enumerate(SCENES.items()):
        drawn = [draw(at) for at in range(2 * _KEPT - 1)]
        params = None
        before = _between(make, drawn[::2])
        result, params = _adapted(net, number, drawn[::2], recipe)
        after = _between(make, drawn[::2])
        truth = [drawn[2 * left + 1] for left in _LOOKED_AT]
        old, new = (fmean(map(psnr, made, truth)) for made in (before, after))
        kept += result.deltas is not None
        report(Shown(name, result, old, new))
        said = "kept" if result.deltas is not None else "refused"
        words = (f"{name}, before: {old:.2f} dB", f"after: {new:.2f} dB, {said}", "truth")
        rows.append(_row(words, before, after, truth))
    cv2.imwrite(PICTURE, np.vstack(rows)[..., ::-1])
    write_mark(PICTURE, _MARK)
    return Demonstration(PICTURE, len(SCENES), kept, time.monotonic() - started)


def _check_name() -> None:
    if os.path.lexists(PICTURE) and read_mark(PICTURE) != _MARK:
        raise OutputExistsError(
            f"{PICTURE} exists already",
            "it was not written by filmcli adapt",
            "move it away; only its own pictures are replaced",
        )


def _adapted(
    net: nn.Module, number: int, frames: Sequence[Picture], recipe: Recipe
) -> tuple[SceneAdaptation, dict[str, Tensor] | None]:
    """Return what became of a scene, and the parameters that its steps led to, refused or not."""
    device = next(net.parameters()).device
    small = [cv2.resize(frame, (160, 90), interpolation=cv2.INTER_AREA) for frame in frames]
    motion = [float(cv2.absdiff(a, b).mean()) for a, b in pairwise(small)]
    times = [Fraction(at, 24) for at in range(len(frames))]
    scene = Scene(number, 0, len(frames), times, [0.0, *motion])

    def frame_at(index: int) -> Tensor:
        frame = torch.from_numpy(frames[index]).to(device)
        return frame.permute(2, 0, 1)[None].float() / 255  # (1, 3, H, W)

    result = adapt_scene(net, scene, frame_at, recipe)
    deltas = result.deltas
    found = lessons_of(scene, frame_at, recipe)
    if deltas is None and not isinstance(found, str):
        *_, (_, deltas) = fits(net, found[0], recipe)
    return result, None if deltas is None else applied(net, deltas)


def _between(make: Network, frames: Sequence[Picture]) -> list[Picture]:
    """Return what is made half-way in each of the intervals that are looked at."""
    half = [(Fraction(1, 2),)]
    made = [
        make(Run(frames[left : left + 2], half, 0, frames[left - 1], frames[left + 2]))
        for left in _LOOKED_AT
    ]
    return [frame for ((frame,),) in made]


def _row(
    words: Sequence[str],
    before: Sequence[Picture],
    after: Sequence[Picture],
    truth: Sequence[Picture],
) -> Picture:
    """The frame that changed most, thrice, under these words; enlarged below where it changed."""
    changes = [cv2.absdiff(*pair).mean(axis=2) for pair in zip(before, after, strict=True)]
    most = max(range(len(changes)), key=lambda at: float(changes[at].mean()))
    shown = (before[most], after[most], truth[most])
    cells = [Cell(*cell) for cell in zip(words, shown, strict=True)]
    return draw_strip(cells, changes[most].astype(np.float32))
