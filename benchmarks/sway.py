"""Teach a network to read motion blur: `python -m benchmarks.sway CLIPS --stills ... -o WEIGHTS`.

What reads it (`filmcli.network.sway`) is small and sees a few numbers a cell, so lessons are drawn
once and looked at many times, with the rest of the network left as it is. Synthetic ones, of a
camera that shakes, are exact; of real ones DIS flow says where things were. What is taught is how
far the cubic through the frames that are known, or the straight line, is off at the moment.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from filmcli.network.matching import Times, cubic_shares
from filmcli.network.moment import Moment
from filmcli.network.networks import CONFIGS, build
from filmcli.network.pyramids import image_pyramid
from filmcli.network.sway import CELL, Sway, fetched_smears, smear
from filmcli.network.weights import load, save
from filmcli.training import clips, synthetic
from filmcli.training.material import Material, load_material
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Picture, Sample

_SIDE = 192  # px of synthetic pictures
_CROP = 256, 352  # px of real ones
_SHARES = synthetic.Shares(screens=0.0, shaken=0.85, titled=0.1)
_SPANS = (0.7, 0.06, 0.2, 0.0, 0.04, 0.0, 0.0, 0.0)  # shares of `clips.SPANS`
_MIDDLE = 0.75  # share of phases that are one half
_ALIKE = 10.0  # grey levels; where what flow fetches differs by more, it is wrong
_FARTHEST = 300.0, 12.0  # px: of ways, and of what is taught
_REAL, _BATCH, _RATE = 0.65, 24, 3e-3
_KNOWN = ((0, 0, 0.25), (1, 0, 0.15), (0, 1, 0.15), (1, 1, 0.45))  # before, after, share
_FEWEST = 2 * _BATCH  # lessons of one size; fewer are left out


class Lesson(NamedTuple):
    """What is seen in the cells of a picture, and where things truly come from."""

    smears: Tensor  # (32, h, w), float16 as all of it
    ways: Tensor  # (8, h, w), px
    counts: Tensor  # (1, h, w), 1 where the ways are sure
    told: tuple[float, float, float]  # phase, and whether before and after are known


Draw = Callable[[np.random.Generator], Lesson | None]


def main() -> None:
    """Draw, teach, and write the weights with what was learned."""
    asked = _arguments()
    cv2.setNumThreads(1)
    material = load_material((asked.clips,), asked.stills, asked.cutouts, _SIDE)
    made_up, real = (
        list(_drawn(draw, seed, asked.draw / 2))
        for seed, draw in enumerate((_synthetic(material), _real(material)))
    )
    print(f"{len(made_up)} synthetic lessons, {len(real)} real ones")
    known = load(asked.weights)
    net = build(CONFIGS[known.config])
    assert isinstance(net, Moment), "of FILM's own network nothing reads motion blur"
    learned = net.sway.state_dict(prefix="sway.") if asked.anew else {}
    net.load_state_dict(known.state_dict | learned)
    teach(net.sway, made_up, real, asked.minutes)
    save(asked.output, known.config, net.state_dict(), dict(known.metadata))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sway", description=__doc__)
    parser.add_argument("clips", help="folder of films, as `filmcli train` takes it")
    parser.add_argument("--stills", required=True)
    parser.add_argument("--cutouts")
    parser.add_argument("--weights", help="what learns; by default the weights that ship")
    parser.add_argument("--anew", action="store_true", help="forget what is read already")
    parser.add_argument("--draw", type=float, default=28, help="minutes for lessons")
    parser.add_argument("--minutes", type=float, default=45, help="for learning")
    parser.add_argument("-o", "--output", required=True)
    return parser.parse_args()


def _drawn(draw: Draw, seed: int, minutes: float) -> Iterator[Lesson]:
    ends, index = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < ends:
        lesson = draw(np.random.default_rng((seed, index)))
        index += 1
        if lesson is not None:
            yield lesson


def _synthetic(material: Material) -> Draw:
    recipe = Recipe(side=_SIDE)

    def draw(rng: np.random.Generator) -> Lesson | None:
        sample = synthetic.synthetic_sample(material.assets, recipe, rng, _SHARES)
        ways = sample.ways
        if ways is None or not (np.abs(ways) < _FARTHEST[0]).all():
            return None
        return lesson_of(sample, ways, np.ones_like(ways[..., :1]))

    return draw


def _real(material: Material) -> Draw:
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def draw(rng: np.random.Generator) -> Lesson:
        window = clips.draw_window(
            material.sources, _MIDDLE, rng, span_weights=_SPANS, unknown=(0.0, 0.0, 0.0)
        )
        frames = _crop([window.clip.frames[index] for index in window.indices], rng)
        target, others = frames[1], [frames[i] for i in (0, 2, 3, 4)]
        grey = cv2.cvtColor(target, cv2.COLOR_RGB2GRAY)
        rows, columns = np.indices(grey.shape, np.float32)
        ways, wrong = [], []
        for other, is_known in zip(others, (True, True, *window.known), strict=True):
            there = cv2.cvtColor(other, cv2.COLOR_RGB2GRAY)
            ways.append(flow.calc(grey, there, None) * np.float32(is_known))
            way = ways[-1]
            fetched = cv2.remap(there, columns + way[..., 0], rows + way[..., 1], cv2.INTER_LINEAR)
            wrong.append(is_known * np.abs(fetched.astype(np.float32) - grey))
        left, right, before, after = others
        known = (before if window.known[0] else None), (after if window.known[1] else None)
        sample = Sample(left, target, right, window.phase, *known)
        worst = cv2.blur(np.max(wrong, axis=0), (CELL, CELL))
        return lesson_of(sample, np.concatenate(ways, axis=2), (worst < _ALIKE)[..., None])

    return draw


def _crop(frames: Sequence[Picture], rng: np.random.Generator) -> list[Picture]:
    """The same crop of all frames, of their size or, of large ones, sometimes of half of it."""
    height, width = frames[0].shape[:2]
    times = 1 if rng.random() < 0.65 or min(height, width) < 2 * _CROP[0] else 2
    rows, columns = (
        times * min(most, side // times // CELL * CELL)
        for most, side in zip(_CROP, (height, width), strict=True)
    )
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    size = columns // times, rows // times
    quarters, mirror = int(rng.integers(4)), rng.random() < 0.5
    found = []
    for frame in frames:
        crop = frame[top : top + rows, left : left + columns]
        crop = np.rot90(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), quarters)
        found.append(np.ascontiguousarray(crop[:, ::-1] if mirror else crop))
    return found


def lesson_of(sample: Sample, ways: NDArray[np.float32], counts: NDArray[np.generic]) -> Lesson:
    """Return a lesson of a sample whose `ways` `(H, W, 8)` are known where they count."""
    cells, sure = (
        F.avg_pool2d(torch.from_numpy(np.float32(of)).permute(2, 0, 1)[None], CELL)
        for of in (ways, counts)
    )
    left, right = (
        smear(image_pyramid(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255, 4))
        for picture in (sample.left, sample.right)
    )
    smears = fetched_smears(left, right, cells)
    told = sample.phase, float(sample.before is not None), float(sample.after is not None)
    smears, cells, sure = (of[0].half() for of in (smears, cells, sure > 0.5))
    return Lesson(smears, cells, sure, told)


def teach(
    sway: Sway, made_up: Sequence[Lesson], real: Sequence[Lesson], minutes: float, seed: int = 0
) -> None:
    """Teach `sway` for so many minutes; in place."""
    sets = [_by_size(lessons) for lessons in (made_up, real)]
    rng, began, step = np.random.default_rng(seed), time.monotonic(), 0
    optimiser = torch.optim.AdamW(sway.parameters(), _RATE, weight_decay=1e-4)
    told: dict[int, list[float]] = defaultdict(list)
    while (gone := (time.monotonic() - began) / (60 * minutes)) < 1:
        warm = min(1, (step + 1) / 100)
        for group in optimiser.param_groups:
            group["lr"] = _RATE * warm * (0.02 + 0.98 * (1 + math.cos(math.pi * gone)) / 2)
        which = int(rng.random() < _REAL)
        sizes = np.array([len(lessons) for lessons in sets[which]])
        lessons = sets[which][rng.choice(len(sizes), p=sizes / sizes.sum())]
        loss = loss_of(sway, [lessons[i] for i in rng.integers(len(lessons), size=_BATCH)], rng)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(sway.parameters(), 1.0)
        optimiser.step()
        step += 1
        told[which].append(float(loss.detach()))
        if step % 500 == 0:
            means = [float(np.mean(told.pop(which, [math.nan]))) for which in (0, 1)]
            print(f"step {step}: synthetic {means[0]:.4f}, real {means[1]:.4f}", flush=True)


def _by_size(lessons: Sequence[Lesson]) -> list[list[Lesson]]:
    found: dict[torch.Size, list[Lesson]] = defaultdict(list)
    for lesson in lessons:
        found[lesson.ways.shape].append(lesson)
    alike = [of for of in found.values() if len(of) >= _FEWEST]
    if not alike:
        sys.exit(f"Fewer than {_FEWEST} lessons of any size were drawn: give it more minutes.")
    return alike


def loss_of(sway: Sway, lessons: Sequence[Lesson], rng: np.random.Generator) -> Tensor:
    """Return how far what `sway` says is off, px; the frames around are known to some only."""
    smears, ways, counts = (
        torch.stack([lesson[i] for lesson in lessons]).float()  # type: ignore[misc]
        for i in range(3)
    )
    times = _times(lessons, rng)
    off = off_at(ways, times)
    said = sway.aside(smears, ways - off.repeat(1, 4, 1, 1), times)
    counts = counts * (off.abs().amax(dim=1, keepdim=True) < _FARTHEST[1])
    said = said[:, :, None, None].expand_as(off)
    wrong = F.smooth_l1_loss(said, -off, beta=0.1, reduction="none") * counts
    return wrong.sum() / counts.sum().clamp(min=1) / 2


def _times(lessons: Sequence[Lesson], rng: np.random.Generator) -> Times:
    """When frames stand, and which are known: as far as there are any, a few of them."""
    told = torch.tensor([lesson.told for lesson in lessons])
    shares = [share for *_, share in _KNOWN]
    chosen = [_KNOWN[i][:2] for i in rng.choice(len(_KNOWN), len(lessons), p=shares)]
    around = told[:, 1:] * torch.tensor(chosen)
    known = torch.cat((torch.ones_like(around), around), dim=1)
    frames = torch.tensor([0.0, 1.0, -1.0, 2.0]).expand(len(lessons), -1)
    return Times(told[:, 0], frames, known)


def off_at(ways: Tensor, times: Times) -> Tensor:
    """Return how far the curve through the known frames is from where things are, `(B, 2, ...)`."""
    moment = times.moment[:, None]
    straight = torch.cat((1 - moment, moment, 0 * moment, 0 * moment), dim=1)
    bends = times.known[:, 2:].amax(dim=1, keepdim=True) > 0
    shares = torch.where(bends, cubic_shares(times), straight)
    places = ways.view(len(ways), -1, 2, *ways.shape[2:])
    return (places * shares[:, :, None, None, None]).sum(dim=1)


if __name__ == "__main__":
    main()
