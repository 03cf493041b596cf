"""A frame to look at: made by each network as it was meta-trained, then adapted, and the truth.

It is of the film that filmcli draws itself, of which every second frame is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from benchmarks.adaptation.courses import Course
from benchmarks.adaptation.measure import Model
from benchmarks.backbones.courses import columns
from filmcli.adaptation.inner import Params
from filmcli.adaptation.scene import Scene, applied, fits, lessons_of
from filmcli.backbones import BACKBONES
from filmcli.evaluation import clip
from filmcli.evaluation.metrics import Picture, psnr
from filmcli.evaluation.strips import Cell, draw_strip

_SIZE = (320, 180)
_FRAMES = range(33, 58)  # of the second shot, toys that swing and turn, at 24 a second
_SHOWN = 5  # the middle of this interval is shown
_STEPS = 1  # as the paper's
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 75)


def draw_strips(models: Mapping[str, Model], prefix: str) -> list[str]:
    """Draw a strip for each network that was meta-trained, one below the other; return the file."""
    pictures = [clip.picture(Fraction(frame, 24), *_SIZE) for frame in _FRAMES]
    kept, truth = [_tensor(picture) for picture in pictures[::2]], pictures[2 * _SHOWN + 1]
    blend = _picture((kept[_SHOWN] + kept[_SHOWN + 1]) / 2)
    wrong = np.abs(blend.astype(np.float32) - truth).mean(axis=2)
    strips = []
    for network in BACKBONES:
        label = f"{network} meta"
        if label in models:
            model, course = models[label], replace(columns(network)[2], counts=(_STEPS,))
            made = [_made(model, kept, deltas) for deltas in ({}, _deltas(model, kept, course))]
            told = [("the mean of both", blend), (f"{network}, meta-trained", made[0]),
                    (f"after {_STEPS} step", made[1])]  # fmt: skip
            cells = [Cell(f"{words}: {psnr(of, truth):.2f} dB", of) for words, of in told]
            strips.append(draw_strip([*cells, Cell("truth", truth)], wrong))
    if not strips:
        return []
    cv2.imwrite(f"{prefix}-strips.jpg", np.vstack(strips)[..., ::-1], _JPEG)
    return [f"{prefix}-strips.jpg"]


def _deltas(model: Model, kept: Sequence[Tensor], course: Course) -> Params:
    """What adapting to the kept frames adds, at the end of a course."""
    recipe = course.recipe(model.recipe)
    times = [Fraction(at) for at in range(len(kept))]
    scene = Scene(0, 0, len(kept), times, [1.0] * len(kept))
    found = lessons_of(scene, kept.__getitem__, recipe)
    assert not isinstance(found, str), found
    *_, (_, deltas) = fits(model.net, found[0], recipe)
    return deltas


@torch.no_grad()
def _made(model: Model, kept: Sequence[Tensor], deltas: Params) -> Picture:
    asked = kept[_SHOWN], kept[_SHOWN + 1], torch.tensor([0.5])
    return _picture(functional_call(model.net, applied(model.net, deltas), asked))


def _tensor(picture: Picture) -> Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


def _picture(frame: Tensor) -> Picture:
    """`(1, 3, H, W)` in [0, 1] as 8 bits."""
    rounded = (frame[0].clamp(0, 1) * 255).round().permute(1, 2, 0)
    return np.ascontiguousarray(rounded.numpy().astype(np.uint8))
