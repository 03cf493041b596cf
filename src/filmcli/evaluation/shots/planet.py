"""Shot 3: a ringed planet turns, a moon passes behind and in front, stars rush by, titles rise."""

from __future__ import annotations

import math

import cv2
import numpy as np

from filmcli.evaluation.scenery import (
    TAU,
    Canvas,
    Sprite,
    background,
    cut_out,
    disc,
    fill_circle,
    lettering,
    noise,
    place,
    polar,
    tinted,
)

TILT, SQUASH = -16.0, 0.28  # of the ring: degrees, and how much of a circle is left


class Planet:
    """A ball with a turning skin inside a tilted ring, in front of a growing nebula."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.unit = width, height
        self.aspect = width / height
        self.nebula = self._nebula()
        self.skin, self.shade = self._skin()
        self.read_x, self.read_y = self._globe()
        self.back, self.front = self._ring()
        self.moon = self._moon()
        random = np.random.default_rng(33)
        self.stars = random.uniform(-1, 1, (140, 2)) * (self.aspect, 1.0)
        self.depths = random.uniform(0.1, 1.0, 140)
        lines = ["BETWEEN TWO FRAMES", "THERE IS ALWAYS", "ONE MORE"]
        gold, night = (246, 226, 180), (20, 16, 40)
        self.titles = [lettering(line, 0.045 * height, gold, night) for line in lines]

    def draw(self, time: float) -> Canvas:
        """The canvas at `time`."""
        canvas = background(
            self.nebula,
            self.width,
            self.unit,
            x=0.04 * time,
            y=0.0,
            degrees=5 * time,
            zoom=1.1 + 0.1 * time,
        )
        self._rush(canvas, time)
        x, y = (0.6 - 0.05 * time) * self.aspect, 0.47
        orbit = TAU * (0.42 * time + 0.3)
        moon_x = x + 0.5 * math.cos(orbit)
        moon_y = y - 0.14 * math.cos(orbit) + 0.1 * math.sin(orbit)
        grow = 1 + 0.2 * math.sin(orbit)
        nearer = math.sin(orbit) > 0
        if not nearer:
            place(canvas, self.moon, moon_x, moon_y, scale=grow)
        tilt = TILT + 4 * time
        place(canvas, self.back, x, y, degrees=tilt, squash=SQUASH)
        place(canvas, self._turned(time), x, y, degrees=tilt)
        place(canvas, self.front, x, y, degrees=tilt, squash=SQUASH)
        if nearer:
            place(canvas, self.moon, moon_x, moon_y, scale=grow)
        for row, title in enumerate(self.titles):
            place(canvas, title, 0.27 * self.aspect, 0.72 + 0.14 * row - 0.3 * time)
        return canvas

    def _rush(self, canvas: Canvas, time: float) -> None:
        """Stars come nearer: their distance from the middle grows as 1 / depth."""
        for (x, y), depth in zip(self.stars, self.depths, strict=True):
            near = 1 / (0.25 + depth - 0.12 * time * (1 + 0.4 * time))
            at_x, at_y = self.aspect / 2 + 0.5 * x * near, 0.5 + 0.5 * y * near
            level = round(110 + 90 * min(near / 3, 1))
            radius = (0.0014 + 0.0012 * near) * self.unit
            middle = (at_x * self.unit, at_y * self.unit)
            if -9 < middle[0] < self.width + 9 and -9 < middle[1] < self.unit + 9:
                fill_circle(canvas, middle, radius, (level, level, min(255, level + 30)))

    def _turned(self, time: float) -> Sprite:
        """The globe with its skin turned by 50 degrees a second."""
        around = self.skin.shape[1]
        skin = cv2.remap(
            self.skin,
            self.read_x + np.float32(time * around * 50 / 360),
            self.read_y,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
        return cut_out(cv2.multiply(skin, self.shade, scale=1 / 255), disc(skin.shape[0]))

    def _globe(self) -> tuple[np.ndarray, np.ndarray]:
        """Where each pixel of the globe's square reads the skin, in the skin's pixels."""
        size = int(0.52 * self.unit)
        radius, angle = polar(size)
        inside = np.minimum(radius, 0.999)
        x, y = inside * np.cos(angle), inside * np.sin(angle)
        high, around = self.skin.shape[:2]
        longitude = np.arctan2(x, np.sqrt(1 - inside**2)) / TAU
        latitude = np.arcsin(np.clip(y, -1, 1)) / math.pi + 0.5
        return (
            (longitude * around).astype(np.float32),
            (latitude * (high - 1)).astype(np.float32),
        )

    def _skin(self) -> tuple[Canvas, Canvas]:
        """The planet's clouds, seamless around, and the shade of the globe."""
        high, around = int(0.6 * self.unit), int(1.4 * self.unit)
        random = noise(high, around * 3 // 2, self.unit * 0.16, 6, 31)
        fade = np.clip(np.arange(around) / (around / 2), 0, 1).astype(np.float32)
        seamless = random[:, :around] * fade
        seamless[:, : around // 2] += random[:, around:][:, : around // 2] * (
            1 - fade[: around // 2]
        )
        rows = np.arange(high, dtype=np.float32)[:, None] / high
        bands = 0.5 + 0.5 * np.sin(TAU * (4.5 * rows + 0.5 * seamless))
        stops = [
            (0.0, (94, 52, 70)),
            (0.35, (196, 112, 84)),
            (0.7, (240, 188, 130)),
            (1.0, (252, 236, 206)),
        ]
        skin = tinted(0.55 * bands + 0.45 * seamless, stops)
        radius, angle = polar(int(0.52 * self.unit))
        inside = np.minimum(radius, 1)
        light = 0.62 * inside * np.cos(angle - 3.9) + 0.7 * np.sqrt(1 - inside**2)
        level = np.clip(0.08 + 1.05 * light, 0.06, 1) * 255
        return skin, cv2.cvtColor(level.astype(np.uint8), cv2.COLOR_GRAY2RGB)

    def _ring(self) -> tuple[Sprite, Sprite]:
        """The ring seen from above, its far half and its near half."""
        size = int(1.06 * self.unit)
        radius, _ = polar(size)
        band = np.clip((radius - 0.6) * size * 0.4, 0, 1) * np.clip(
            (0.99 - radius) * size * 0.4, 0, 1
        )
        grooves = 0.6 + 0.4 * np.sin(70 * radius) * np.sin(23 * radius + 1)
        alpha = (band * np.clip(grooves, 0.12, 1) * 235).astype(np.uint8)
        paint = tinted(grooves, [(0.2, (150, 112, 104)), (1.0, (246, 226, 190))])
        far, near = alpha.copy(), alpha
        far[size // 2 :] = 0
        near[: size // 2] = 0
        return cut_out(paint, far), cut_out(paint, near)

    def _moon(self) -> Sprite:
        size = int(0.13 * self.unit)
        radius, angle = polar(size)
        grain = noise(size, size, size * 0.3, 5, 34)
        light = np.clip(0.75 - 0.55 * radius * np.cos(angle - 0.8), 0.15, 1)
        paint = tinted(grain * light, [(0.0, (40, 40, 56)), (0.8, (226, 226, 232))])
        return cut_out(paint, disc(size))

    def _nebula(self) -> Canvas:
        high, wide = int(1.2 * self.unit), int(1.2 * self.width)
        half = (high // 2 + 1, wide // 2 + 1)
        clouds = noise(*half, self.unit * 0.2, 6, 32)
        glow = noise(*half, self.unit * 0.45, 3, 35)
        stops = [
            (0.15, (8, 8, 26)),
            (0.45, (26, 24, 72)),
            (0.65, (88, 40, 112)),
            (0.85, (60, 118, 158)),
        ]
        small = tinted(0.55 * clouds + 0.45 * glow, stops)
        grown: Canvas = cv2.resize(small, (wide, high), interpolation=cv2.INTER_CUBIC)
        return grown
