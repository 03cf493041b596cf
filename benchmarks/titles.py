"""What the rule for titles, `filmcli.network.titles`, does to real films, with and without words.

    python -m benchmarks.titles FOLDER [--weights NAME|PATH]

The rule is `film-m`'s; published FILM has none. From each film in FOLDER frames 2, 8 and 14 are
dropped and made again, with the rule and without. On the film as it is the rule has nothing to
find: how many pixels come out more than 8 levels nearer to the truth by it, and how many further
from it. Then words and a box stand over the film, and their mean error is compared. Prints a table,
in dB, pixels and levels, and one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
from fractions import Fraction
from unittest import mock

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from filmcli.evaluation.makers import Network, Run
from filmcli.network.weights import load
from filmcli.video.footage import read_rgb

DROPPED = 1, 7, 13
WORSE_LEVELS = 8
Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def letters(height: int, width: int) -> NDArray[np.uint8]:
    drawn = np.zeros((height, width), np.uint8)
    at = (round(width * 0.18), round(height * 0.6))
    cv2.putText(drawn, "Burnt-in words", at, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 2, cv2.LINE_AA)
    return drawn


def painted(frame: Picture, opaque: NDArray[np.uint8], color: tuple[int, int, int]) -> Picture:
    share = opaque[..., None] / 255
    return np.asarray((frame * (1 - share) + np.array(color) * share).round(), np.uint8)


def rimmed(frame: Picture) -> tuple[Picture, Mask]:
    drawn = letters(*frame.shape[:2])
    rim = np.where(cv2.dilate(drawn, np.ones((3, 3))) > 0, 230, 0).astype(np.uint8)
    return painted(painted(frame, rim, (16, 16, 16)), drawn, (235, 235, 235)), drawn > 127


def plain(frame: Picture) -> tuple[Picture, Mask]:
    drawn = letters(*frame.shape[:2])
    return painted(frame, drawn, (240, 220, 40)), drawn > 127


def boxed(frame: Picture) -> tuple[Picture, Mask]:
    height, width = frame.shape[:2]
    drawn = np.zeros((height, width), np.uint8)
    corners = (width // 5, height // 3), (width * 4 // 5, height * 3 // 4)
    cv2.rectangle(drawn, *corners, (255,), 3)
    return painted(frame, drawn, (60, 255, 60)), drawn > 127


def errors(net: Network, frames: list[Picture]) -> list[NDArray[np.float32]]:
    """How far the middle frame, made with the rule and without, is from the truth: `(H, W, 3)`."""
    left, truth, right = frames
    asked = Run([left, right], [(Fraction(1, 2),)])
    never = mock.patch(
        "filmcli.network.blending.laid_over", lambda *a: torch.zeros_like(a[0][:, :1])
    )
    (made,) = net(asked)[0]
    with never:
        (bare,) = net(asked)[0]
    return [picture.astype(np.float32) - truth for picture in (made, bare)]


def on_film(net: Network, film: NDArray[np.uint8]) -> dict[str, float]:
    """Means of PSNR with the rule and without, and pixels nearer to the truth by it, or further."""
    rows = []
    for k in DROPPED:
        pair = errors(net, list(film[k - 1 : k + 2]))
        psnr = [-10 * float(np.log10(np.mean((e / 255) ** 2))) for e in pair]
        worst, bare = (np.abs(e).max(axis=2) for e in pair)
        nearer, further = bare - worst > WORSE_LEVELS, worst - bare > WORSE_LEVELS
        rows.append([*psnr, float(nearer.sum()), float(further.sum())])
    names = "psnr", "without", "nearer", "further"
    return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))


def on_titles(net: Network, film: NDArray[np.uint8]) -> dict[str, float]:
    """Mean error in levels of each kind of title, with the rule and without."""
    row = {}
    for draw in (rimmed, plain, boxed):
        inside = draw(film[0])[1]
        pairs = [errors(net, [draw(f)[0] for f in film[k - 1 : k + 2]]) for k in DROPPED]
        for name, side in zip(("", " without"), zip(*pairs, strict=True), strict=True):
            means = [float(np.abs(error)[inside].mean()) for error in side]
            row[draw.__name__ + name] = float(np.mean(means))
    return row


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("folder")
    options.add_argument("--weights")
    chosen = options.parse_args()
    weights = load(chosen.weights)
    net = Network(weights, "cpu", "float32")
    rows: dict[str, dict[str, float]] = {}
    for name in sorted(os.listdir(chosen.folder)):
        film = read_rgb(os.path.join(chosen.folder, name))
        rows[name] = on_film(net, film) | on_titles(net, film)
        if len(rows) == 1:
            print(f"{'film':24}" + "".join(f"{column:>17}" for column in rows[name]))
        print(f"{name:24}" + "".join(f"{v:17.2f}" for v in rows[name].values()), flush=True)
    columns = next(iter(rows.values()))
    means = {c: float(np.mean([row[c] for row in rows.values()])) for c in columns}
    print(f"{'mean':24}" + "".join(f"{v:17.2f}" for v in means.values()))
    print(json.dumps({"benchmark": "titles", "weights": weights.config, "mean": means}))


if __name__ == "__main__":
    main()
