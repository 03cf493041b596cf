"""Scenes unlike the training: drawn animation, games and screens, old film, underwater, night.

Three are drawn, so that every frame is known. The others are `FOOTAGE`, clips of the training
films, made strange by what a camera, a lab or the sea does: what is scored is the frame as it would
have been filmed, its own grain included. The same call gives the same pictures.

    python -m benchmarks.adaptation.unlike FILMS FOLDER    writes them as films, to be looked at
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import cv2
import ffmpeg
import numpy as np

from filmcli.evaluation.metrics import Picture
from filmcli.evaluation.scenery import TAU, Canvas, draw_path, fill_circle, fill_shape
from filmcli.video.footage import read_rgb

WIDTH, HEIGHT = 480, 256
FRAMES = 21

FOOTAGE: Mapping[str, str] = MappingProxyType(
    {
        "old film": "p70-8CwuRmhm_PA_2_00",
        "underwater": "flu-butterfly_01",
        "night": "meshflow-video-1_03",
        "toon": "p70-aCx99cgrkVY_22_00",
    }
)
"""The clips that are made strange; weights that are to be judged here must not train on them."""

_INK = (24, 18, 30)
_FINER = 2  # canvas pixels for each of the picture's


def sequences(films: str, frames: int = FRAMES) -> Iterator[tuple[str, list[Picture]]]:
    """Yield the name and the first pictures, `(HEIGHT, WIDTH, 3)` RGB, of every sequence.

    The clips `FOOTAGE` lie in the folder `films`. Raises InputError if one cannot be read.
    """
    for name, draw in DRAWN.items():
        yield name, [draw(number) for number in range(frames)]
    for name, effect in EFFECTS.items():
        footage = read_rgb(str(Path(films) / f"{FOOTAGE[name]}.mp4"))[:frames]
        yield name, [effect(_cropped(frame), number) for number, frame in enumerate(footage)]


def cartoon(number: int) -> Picture:
    """A figure that hops over hills that pan: flat colours, outlines, one drawing a frame."""
    unit = _FINER * HEIGHT
    canvas = np.full((unit, _FINER * WIDTH, 3), (150, 214, 240), np.uint8)
    time = number / 24
    for turn in range(12):
        angle = TAU * (turn / 12 + time / 4)
        ray = [(0.3 + r * math.cos(angle), 0.25 + r * math.sin(angle)) for r in (0.13, 0.18)]
        draw_path(canvas, [(x * unit, y * unit) for x, y in ray], (250, 190, 40), 8)
    _outlined(canvas, (0.3 * unit, 0.25 * unit), 0.11 * unit, (255, 220, 80))
    for height, speed, color in ((0.55, 0.15, (120, 190, 110)), (0.75, 0.45, (70, 150, 80))):
        edge = [
            (x / 20 * unit, (height + 0.07 * math.sin(2.2 * x / 20 + 5 * speed * time)) * unit)
            for x in range(40)
        ]
        fill_shape(canvas, [(0, 2 * unit), *edge, (2 * unit, 2 * unit)], color)
        draw_path(canvas, edge, _INK, 6)
    _hopper(canvas, unit, time)
    return _reduced(canvas)


def _hopper(canvas: Canvas, unit: int, time: float) -> None:
    """A round figure whose hops are parabolas; arms and legs swing."""
    hop = (time / 0.45) % 1
    x, y = (0.4 + 1.1 * time) * unit, (0.68 - 0.9 * hop * (1 - hop)) * unit
    for side in (-1, 1):
        swing = side * 0.9 * math.sin(TAU * time / 0.9)
        for root, length in ((-0.02, 0.13), (0.06, 0.17)):
            start = (x + side * 0.05 * unit, y + root * unit)
            end = (start[0] + length * unit * math.sin(swing), start[1] + length * unit)
            draw_path(canvas, [start, end], _INK, 14)
    _outlined(canvas, (x, y), 0.1 * unit, (226, 84, 70))
    for side in (-1, 1):
        eye = (x + (0.02 + 0.035 * side) * unit, y - 0.03 * unit)
        _outlined(canvas, eye, 0.028 * unit, (255, 255, 255))
        fill_circle(canvas, (eye[0] + 5, eye[1]), 0.01 * unit, _INK)


def _outlined(
    canvas: Canvas, middle: tuple[float, float], radius: float, color: tuple[int, int, int]
) -> None:
    fill_circle(canvas, middle, radius + 6, _INK)
    fill_circle(canvas, middle, radius, color)


def game(number: int) -> Picture:
    """A level of tiles that scrolls, by whole pixels of a small screen, each shown as 2x2."""
    sky, hills, tiles, hero = _level()
    rows, columns = HEIGHT // 2, WIDTH // 2
    screen = sky[:, number // 2 : number // 2 + columns].copy()
    for layer, step in ((hills, number), (tiles, 3 * number)):
        seen = layer[:, step : step + columns]
        screen[seen[..., 3] > 0] = seen[seen[..., 3] > 0][:, :3]
    hop = (number % 14) / 14
    top, left = rows - 40 - round(150 * hop * (1 - hop)), 60 + number
    under = screen[top : top + 16, left : left + 16]
    under[hero[number // 4 % 2] > 0] = (250, 240, 90)
    return np.ascontiguousarray(screen.repeat(2, axis=0).repeat(2, axis=1))


@lru_cache(maxsize=1)
def _level() -> tuple[Canvas, Canvas, Canvas, Canvas]:
    """Sky, hills and tiles (with alpha), and two pictures of the hero, of 16 px."""
    rng = np.random.default_rng(5)
    rows, columns = HEIGHT // 2, WIDTH // 2 + 3 * FRAMES
    kinds = rng.integers(40, 220, (6, 1, 1, 3)) + rng.integers(-30, 30, (6, 4, 4, 1))
    palette = kinds.astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2)
    sky = np.zeros((rows, columns, 3), np.uint8)
    sky[:] = np.linspace((40, 30, 90), (120, 90, 170), rows)[:, None].astype(np.uint8) // 12 * 12
    hills, tiles = (np.zeros((rows, columns, 4), np.uint8) for _ in range(2))
    for x in range(columns):
        hills[rows - 60 - round(14 * math.sin(x / 17)) :, x] = (60, 110, 90, 255)
    for column in range(columns // 8):
        for row in range(rows // 8 - 3 - int(rng.integers(0, 3) > 1), rows // 8):
            tile = palette[rng.integers(6)]
            place = np.s_[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            tiles[place][..., :3], tiles[place][..., 3] = tile, 255
    half = rng.integers(0, 3, (2, 8, 4), dtype=np.uint8).repeat(2, axis=1).repeat(2, axis=2)
    return sky, hills, tiles, np.concatenate([half, half[:, :, ::-1]], axis=2)


def screen(number: int) -> Picture:
    """Two windows: words that scroll, and a window that is dragged over them, with its pointer."""
    desk = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    desk[:] = np.linspace((40, 70, 110), (20, 30, 60), WIDTH).astype(np.uint8)
    _window(desk, 24, 16, 300, 220, 5 * number, 1)
    ease = (1 - math.cos(math.pi * number / (FRAMES - 1))) / 2
    x, y = round(120 + 190 * ease), round(40 + 70 * math.sin(2 * ease))
    _window(desk, x, y, 150, 110, 0, 2)
    pointer = np.array([(0, 0), (0, 16), (4, 12), (10, 12)]) + np.array([x + 60, y + 6])
    cv2.fillPoly(desk, [pointer.astype(np.int32)], (255, 255, 255), cv2.LINE_AA)
    return desk


def _window(
    desk: Picture, x: int, y: int, width: int, height: int, scrolled: int, seed: int
) -> None:
    """A window with a bar and lines of words, of which so many pixels have scrolled away."""
    rng = np.random.default_rng(seed)
    page = np.full((height - 16 + scrolled + 32, width, 3), 248, np.uint8)
    for line in range(0, len(page), 16):
        words = " ".join("".join(rng.choice(list("abcdeinorst"), size)) for size in (5, 3, 8, 4, 6))
        ink = tuple(int(c) for c in rng.integers(0, 140, 3))
        cv2.putText(page, words, (8, line + 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink, 1, cv2.LINE_AA)
    desk[y : y + 16, x : x + width] = (70, 90, 130)
    desk[y + 16 : y + height, x : x + width] = page[scrolled : scrolled + height - 16]
    cv2.rectangle(desk, (x, y), (x + width - 1, y + height - 1), (30, 30, 40), 1)


def old_film(frame: Picture, number: int) -> Picture:
    """Grey, weaving in the gate, flickering, with grain, scratches and dust of this frame alone."""
    rng = np.random.default_rng((1, number))
    weave = np.array([[1, 0, rng.normal(0, 0.4)], [0, 1, rng.normal(0, 0.6)]])
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    size = (WIDTH, HEIGHT)
    grey = cv2.warpAffine(grey, weave, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    grain = cv2.GaussianBlur(rng.normal(0, 16, grey.shape).astype(np.float32), (0, 0), 0.8)
    grey = grey * rng.normal(1, 0.03) + grain
    grey[:, int(160 + 3 * math.sin(number))] += 40
    for _ in range(4):
        at = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))
        cv2.circle(grey, at, int(rng.integers(1, 3)), float(rng.choice([10, 240])), -1, cv2.LINE_AA)
    return _rounded(grey[..., None] * (1.0, 0.94, 0.8))


def underwater(frame: Picture, number: int) -> Picture:
    """Blue and dim, seen through waves that bend it, with light that dances and motes that rise."""
    time = number / 24
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    bent = [
        (axis + 2.5 * np.sin(other / 23 + 5 * time + phase)).astype(np.float32)
        for axis, other, phase in ((x, y, 0.0), (y, x, 1.0))
    ]
    seen = cv2.remap(frame, bent[0], bent[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    light = np.sin(x / 19 + 4 * time + np.sin(y / 13 - 3 * time)) * np.sin(y / 17 - 5 * time)
    light = 1 + 0.35 * np.maximum(light, 0) ** 3
    hazy = seen * (0.35, 0.8, 0.9) * 0.7 * light[..., None] + (0, 24, 46)
    rng = np.random.default_rng(2)
    for _ in range(40):
        left, low, speed = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(20, 60)
        at = round(left + 5 * math.sin(3 * time + left)), round((low - speed * time) % HEIGHT)
        cv2.circle(hazy, at, 1, (170, 200, 210), -1, cv2.LINE_AA)
    return _rounded(hazy)


def night(frame: Picture, number: int) -> Picture:
    """Dark, with the noise of a sensor at its limit, and what little of colour it leaves."""
    rng = np.random.default_rng((3, number))
    light = (frame / 255.0) ** 2.2 * 0.08 * (0.8, 0.9, 1.2)
    electrons = rng.poisson(light * 900) + rng.normal(0, 3, light.shape)
    return _rounded(255 * np.clip(electrons / 900 * 2.5, 0, 1) ** (1 / 2.2))


def toon(frame: Picture, number: int) -> Picture:  # noqa: ARG001 (every effect is told)
    """Film drawn over: smooth surfaces in a few colours, with outlines, each frame by itself."""
    smooth = frame
    for _ in range(3):
        smooth = cv2.bilateralFilter(smooth, 7, 30, 5)
    grey = cv2.medianBlur(cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY), 3)
    edges = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 9, 5)
    flat = cv2.cvtColor(smooth, cv2.COLOR_RGB2HSV)
    flat[..., 1:] = flat[..., 1:] // 51 * 51 + 25
    flat = cv2.cvtColor(flat, cv2.COLOR_HSV2RGB)
    return np.where(edges[..., None] > 0, flat, np.uint8(20)).astype(np.uint8)


def _cropped(frame: Picture) -> Picture:
    top, left = (frame.shape[0] - HEIGHT) // 2, (frame.shape[1] - WIDTH) // 2
    return np.ascontiguousarray(frame[top : top + HEIGHT, left : left + WIDTH])


def _reduced(canvas: Canvas) -> Picture:
    return np.asarray(cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _rounded(levels: np.ndarray) -> Picture:
    return np.asarray(np.clip(levels, 0, 255).round(), np.uint8)


DRAWN: Mapping[str, Callable[[int], Picture]] = MappingProxyType(
    {"cartoon": cartoon, "game": game, "screen": screen}
)
EFFECTS: Mapping[str, Callable[[Picture, int], Picture]] = MappingProxyType(
    {"old film": old_film, "underwater": underwater, "night": night, "toon": toon}
)


def write(films: str, folder: str) -> None:
    """Write every sequence to `folder` as a film without loss, 24 pictures a second."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    given = {"format": "rawvideo", "pix_fmt": "rgb24", "s": f"{WIDTH}x{HEIGHT}", "r": 24}
    for name, pictures in sequences(films):
        path = Path(folder) / f"{name.replace(' ', '_')}.mkv"
        film = ffmpeg.input("pipe:", **given).output(str(path), vcodec="ffv1", pix_fmt="bgr0")
        film.overwrite_output().run(input=b"".join(map(bytes, pictures)), quiet=True)


if __name__ == "__main__":
    write(*sys.argv[1:])
