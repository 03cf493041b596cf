"""A short film whose picture is known at every instant, drawn by ourselves.

It is what `make demo` shows and what quality is measured on without any file: five seconds, four
shots, two hard cuts and one dissolve; panning, turning, zooming, falling, swinging; thin cables
and contour lines, words that move, and a logo that does not. `picture` gives the truth at any
time, so a made frame can be compared with what a camera would have seen at that very moment.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from filmcli.evaluation.metrics import Picture
from filmcli.evaluation.scenery import Sprite, lettering, place
from filmcli.evaluation.shots.chart import Chart
from filmcli.evaluation.shots.planet import Planet
from filmcli.evaluation.shots.toys import Toys
from filmcli.evaluation.shots.train import Train

DURATION = Fraction(5)
CUTS = (Fraction(5, 4), Fraction(5, 2))
"""Seconds at which a new shot begins at once: on a frame at 24, 48 and 60 a second."""
DISSOLVE = (Fraction(71, 20), Fraction(79, 20))
"""Seconds between which the third shot melts into the fourth."""

_STARTS = (0.0, 1.25, 2.5, 3.55)  # of the four shots' own clocks
_ENDS = (1.25, 2.5, 3.95, 5.0)
_FINER = 2  # canvas pixels for each of the picture's: smooth edges, motion in 64ths of a pixel


@lru_cache(maxsize=8)
def _shot(number: int, width: int, height: int) -> Train | Toys | Planet | Chart:
    """A shot for pictures of this size; painting its textures is most of the first call."""
    kinds = (Train, Toys, Planet, Chart)
    return kinds[number](width * _FINER, height * _FINER)


@lru_cache(maxsize=4)
def _logo(height: int) -> Sprite:
    solid = lettering("filmcli", 0.036 * height * _FINER, (255, 255, 255), (0, 0, 0))
    return Sprite((solid.rgba * 0.65).astype(np.uint8))


def picture(time: Fraction | float, width: int, height: int) -> Picture:
    """The film at `time` seconds (0 to DURATION): (height, width, 3) uint8, RGB.

    At a cut's own time the new shot is shown. The same time gives the same picture, always.
    Raises ValueError outside the film or below 32x32, where nothing can be told apart.
    """
    if not 0 <= time <= DURATION:
        raise ValueError(f"the film lasts from 0 to {DURATION} seconds, asked for {float(time)}")
    if min(width, height) < 32:
        raise ValueError(f"pictures of {width}x{height} are too small to draw; 32x32 at least")
    now = float(time)
    shown = [n for n in range(4) if _STARTS[n] <= now < _ENDS[n]] or [3]
    canvas = _shot(shown[0], width, height).draw(now - _STARTS[shown[0]])
    if len(shown) == 2:
        begin, end = map(float, DISSOLVE)
        weight = (now - begin) / (end - begin)
        other = _shot(shown[1], width, height).draw(now - _STARTS[shown[1]])
        canvas = cv2.addWeighted(canvas, 1 - weight, other, weight, 0)
    logo = _logo(height)
    inset = (0.03 * _FINER * height + logo.rgba.shape[1] / 2) / (_FINER * height)
    place(canvas, logo, width / height - inset, 0.07)
    small: Picture = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return small


def sound(duration: Fraction = DURATION, samples_per_second: int = 48000) -> NDArray[np.int16]:
    """The film's sound, (samples,) int16, one channel: a chord for each shot, a beep at each cut.

    A beep (1 kHz, 60 ms) begins at the first sample at or after its cut, and one at the start;
    sound and picture are in step when beep and cut come together.
    """
    count = math.floor(duration * samples_per_second + Fraction(1, 2))
    time = np.arange(count) / samples_per_second
    total = np.zeros(count)
    chords = ((220.0, 277.2, 329.6), (246.9, 311.1, 370.0), (196.0, 246.9, 293.7))
    bounds = (Fraction(0), *CUTS, max(duration, CUTS[-1]))
    for chord, (begin, end) in zip(chords, pairwise(bounds), strict=True):
        inside = (time >= float(begin)) & (time < float(end))
        age = time[inside] - float(begin)
        swell = np.minimum(age / 0.2, 1) * (0.8 + 0.2 * np.sin(2 * math.pi * 3 * age))
        for pitch in chord:
            total[inside] += 0.07 * swell * np.sin(2 * math.pi * pitch * age)
    for begin in bounds[:-1]:
        first = math.ceil(begin * samples_per_second)
        length = max(0, min(samples_per_second * 60 // 1000, count - first))
        age = np.arange(length) / samples_per_second
        total[first : first + length] += 0.5 * np.cos(2 * math.pi * 1000 * age)
    return np.asarray(np.clip(total, -1, 1) * 32767, np.int16)
