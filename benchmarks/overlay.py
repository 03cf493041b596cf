"""How much burnt-in words and logos tremble over motion, and what copying them would mend.

    python -m benchmarks.overlay [--weights NAME|PATH]

White words with a dark rim stand still over a texture that slides by 2 to 32 px a frame; the frame
half-way between two is made, and the words in it are compared with the truth. Beside it: the same
frame with those pixels copied from its left neighbour that stay equal over 2, 4 or 8 frames while
what surrounds them changes. A ball that crosses a still background must not be wiped out by that:
its mean brightness is printed, which is 240 in truth and 167 where it is gone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from filmcli.frames import Color, Layout, Neighbour
from filmcli.network.interpolator import Interpolator
from filmcli.network.weights import load

WIDTH, HEIGHT = 256, 144
SPANS = (2, 4, 8)  # frames that a pixel must stay equal in
EQUAL_LEVELS = 2
AROUND_PX = 15
Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def texture() -> NDArray[np.float32]:
    rng = np.random.default_rng(3)
    size = (WIDTH + 400, HEIGHT)
    total = np.zeros((HEIGHT, WIDTH + 400), np.float32)
    for scale in (3, 8, 20):
        coarse = rng.normal(size=(HEIGHT // scale + 2, size[0] // scale + 2)).astype(np.float32)
        total += cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) * scale**0.5
    return (total / total.std() * 38 + 120).clip(0, 255)


def words() -> NDArray[np.float32]:
    """How opaque the words are in each pixel, 0 to 1."""
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(drawn, "Burnt-in words", (24, 128), font, 0.8, 255, 2, cv2.LINE_AA)
    cv2.putText(drawn, "TV", (215, 24), font, 0.7, 255, 2, cv2.LINE_AA)
    return drawn.astype(np.float32) / 255


def titled(wall: NDArray[np.float32], at: int, letters: NDArray[np.float32]) -> Picture:
    rim = (cv2.dilate(letters, np.ones((3, 3))) > 0).astype(np.float32) * 0.9
    picture = wall[:, at : at + WIDTH] * (1 - rim) + 16 * rim
    return np.asarray((picture * (1 - letters) + 235 * letters).round(), np.uint8)


def crossing(wall: NDArray[np.float32], at: float) -> Picture:
    picture = np.ascontiguousarray(wall[:, :WIDTH]).astype(np.uint8)
    cv2.circle(picture, (round(at), 60), 10, (240,), -1, cv2.LINE_AA)
    return picture


def standing(frames: Sequence[Picture]) -> Mask:
    """Pixels equal in all `frames` with a quarter of what is around them changing in most."""
    steps = np.abs(np.diff(np.stack(frames).astype(np.float32), axis=0)) > EQUAL_LEVELS
    around = [cv2.blur(step.astype(np.float32), (AROUND_PX, AROUND_PX)) >= 0.25 for step in steps]
    return ~steps.any(axis=0) & (np.mean(around, axis=0) >= 0.5)


def made_and_mended(network: Interpolator, frames: Sequence[Picture]) -> list[Picture]:
    """The picture in the middle of eight, as made, and with what stands still copied, by span."""
    before, left, right, after = ((frame,) for frame in frames[2:6])
    one = Fraction(1)
    ((made,),) = network.between(
        left, right, [one / 2], before=Neighbour(before, one), after=Neighbour(after, one)
    )
    mended = [np.where(standing(frames[4 - n // 2 : 4 + n // 2]), frames[3], made) for n in SPANS]
    return [np.asarray(picture, np.uint8) for picture in (made, *mended)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--weights")
    chosen = options.parse_args()
    gray = Layout("gray", "gray")
    weights = load(chosen.weights)
    network = Interpolator(weights, gray, Color(range="pc"), WIDTH, HEIGHT, device="cpu")
    wall, letters = texture(), words()
    inside, outside = letters > 0.98, cv2.dilate(letters, np.ones((3, 3))) == 0
    columns = ["made", *(f"{n} frames" for n in SPANS)]
    rows = []
    print(f"{'mean error, levels':32}" + "".join(f"{name:>10}" for name in columns))
    for speed in (2, 4, 8, 16, 32):
        truth = titled(wall, 3 * speed + speed // 2, letters).astype(float)
        made = made_and_mended(network, [titled(wall, k * speed, letters) for k in range(8)])
        for where, mask in (("words", inside), ("elsewhere", outside)):
            errors = [round(float(np.abs(picture - truth)[mask].mean()), 2) for picture in made]
            rows.append({"speed_px": speed, "where": where, "errors": errors})
            print(f"{where + f' at {speed} px a frame':32}" + "".join(f"{e:10}" for e in errors))
    for speed in (12, 24, 48):
        zone = crossing(wall, 128).astype(int) - wall[:, :WIDTH] > 0
        zone &= np.hypot(*np.ogrid[-60 : HEIGHT - 60, -128 : WIDTH - 128]) < 10
        film = [crossing(wall, 128 + speed * (k - 3.5)) for k in range(8)]
        means = [round(float(p[zone].mean()), 1) for p in made_and_mended(network, film)]
        rows.append({"speed_px": speed, "where": "crossing ball", "brightness": means})
        print(f"{f'brightness of a ball at {speed} px':32}" + "".join(f"{m:10}" for m in means))
    print(json.dumps({"benchmark": "overlay", "weights": weights.config, "rows": rows}))


if __name__ == "__main__":
    main()
