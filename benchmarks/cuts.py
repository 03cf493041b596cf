"""How many cuts the survey finds among real shots, and how fast it looks.

    python benchmarks/cuts.py FOLDER [--clips N] [--seed S]

FOLDER holds short clips of one shot each, named SOURCE_NUMBER.EXT. They are joined in a random
order, neighbours from different sources, so the joins are the only cuts. The same film is then
made harder: two and three frames apart (fast motion), dark, noisy, dissolved, faded, flashing,
and cut to shots of one to four frames. Prints a table and one line of JSON; frames/s are per
second of one core's time, decoding not included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import cv2
import numpy as np
import scenedetect
from numpy.typing import NDArray

from filmcli.errors import InputError
from filmcli.survey.scenes import survey
from filmcli.video.decode import Thumbnail, thumbnails
from filmcli.video.probe import probe

Shot = NDArray[np.uint8]  # (N, 90, 160) luma
Film = tuple[list[Shot], set[int]]  # shots one after another, and the true cuts


def load(folder: str, most: int, seed: int) -> list[Shot]:
    """Thumbnails of up to `most` clips in random order, no two neighbours of one source."""
    names = sorted(os.listdir(folder))
    random.Random(seed).shuffle(names)
    shots: list[Shot] = []
    last = ""
    while names and len(shots) < most:
        name = next((n for n in names if n.rsplit("_", 1)[0] != last), None)
        if name is None:
            break
        names.remove(name)
        last = name.rsplit("_", 1)[0]
        try:
            small = [t.luma for t in thumbnails(probe(os.path.join(folder, name)))]
        except InputError:
            continue
        shots.append(
            np.stack([cv2.resize(s, (160, 90), interpolation=cv2.INTER_AREA) for s in small])
        )
    return shots


def joined(shots: list[Shot]) -> Film:
    starts = np.cumsum([0, *(len(shot) for shot in shots)])
    return shots, {int(start) for start in starts[1:-1]}


def changed(
    shots: list[Shot], change: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> Film:
    return joined(
        [change(s.astype(np.float32)).round().clip(0, 255).astype(np.uint8) for s in shots]
    )


def dissolved(shots: list[Shot], frames: int) -> Film:
    """Pairs of shots, each dissolving over its whole length; cuts between the pairs."""
    mixes = []
    for a, b in zip(shots[::2], shots[1::2], strict=False):
        n = min(len(a), len(b), frames + 1)
        share = np.linspace(0, 1, n, dtype=np.float32)[:, None, None]
        mixes.append((a[:n] * (1 - share) + b[:n] * share).round().astype(np.uint8))
    return joined(mixes)


def faded(shots: list[Shot], frames: int) -> Film:
    """Every shot fades in from black and out to it: no cut at all."""
    films = []
    for shot in shots:
        n = min(frames, len(shot) // 2)
        gain = np.ones((len(shot), 1, 1), np.float32)
        gain[:n, 0, 0] = np.linspace(0, 1, n + 1)[:-1]
        gain[-n:] = gain[:n][::-1]
        films.append((16 + (shot - np.float32(16)) * gain).round().clip(0, 255).astype(np.uint8))
    return films, set()


def flashing(shots: list[Shot]) -> Film:
    """A white frame in the middle of every shot: two cuts more each."""
    shots, cuts = joined([shot.copy() for shot in shots])
    start = 0
    for shot in shots:
        middle = len(shot) // 2
        shot[middle] = 235
        cuts |= {start + middle, start + middle + 1}
        start += len(shot)
    return shots, cuts


def films(shots: list[Shot], seed: int) -> Iterator[tuple[str, Film]]:
    noise = np.random.default_rng(seed)
    yield "joins", joined(shots)
    yield "every 2nd frame", joined([shot[::2] for shot in shots])
    yield "every 3rd frame", joined([shot[::3] for shot in shots])
    yield "dark: 7 % contrast", changed(shots, lambda s: 16 + (s - 16) * 0.07)
    yield "noise, sigma 6", changed(shots, lambda s: s + noise.normal(0, 6, s.shape))
    yield "shots of 1-4 frames", joined([shot[: 1 + k % 4] for k, shot in enumerate(shots)])
    yield "white flashes", flashing(shots)
    for frames in (6, 12):
        yield f"dissolves of {frames}", dissolved(shots, frames)
    for frames in (4, 10):
        yield f"fades of {frames}", faded(shots, frames)


def measure(name: str, film: Film) -> dict[str, float | str]:
    shots, truth = film
    pictures = [
        Thumbnail(Fraction(k, 24), luma, luma[..., None].repeat(3, axis=2))
        for k, luma in enumerate(np.concatenate(shots))
    ]
    started = time.process_time()  # of this process alone: a busy machine changes it little
    found = set(survey(pictures).cuts)
    rate = len(pictures) / (time.process_time() - started)
    hits, false = len(found & truth), len(found - truth)
    print(f"{name:20} {len(pictures):7} {len(truth):5} {hits:6} {false:6} {rate:8.0f}")
    return {"film": name, "frames": len(pictures), "cuts": len(truth), "found": hits,
            "false": false, "frames_per_second": round(rate)}  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("folder")
    options.add_argument("--clips", type=int, default=201)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    cv2.setNumThreads(1)
    shots = load(chosen.folder, chosen.clips, chosen.seed)
    print(f"{'film':20} {'frames':>7} {'cuts':>5} {'found':>6} {'false':>6} {'frames/s':>8}")
    rows = [measure(name, film) for name, film in films(shots, chosen.seed)]
    machine = {"cpu": platform.processor() or platform.machine(), "opencv": cv2.__version__,
               "scenedetect": scenedetect.__version__, "numpy": np.__version__}  # fmt: skip
    print(json.dumps({"benchmark": "cuts", "rows": rows, "machine": machine}))


if __name__ == "__main__":
    main()
