"""Shot 4: a gentle pan over a map of thin contour lines; a compass turns, a lens wanders."""

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
    draw_path,
    fill_circle,
    fill_shape,
    layered,
    lettering,
    noise,
    place,
    tinted,
)

MARGIN = 1.35  # the map is so many canvases wide, for the pan and the turn


class Chart:
    """A relief map that is panned, turned and magnified, with a route and a running ticker."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.unit = width, height
        self.aspect = width / height
        self.map = self._map()
        self.compass = self._compass()
        self.rim = self._rim()
        self.lens = disc(int(0.5 * height))
        self.ticker = self._ticker()

    def draw(self, time: float) -> Canvas:
        """The canvas at `time`."""
        pan = {"x": -0.12 + 0.16 * time, "y": 0.06 - 0.1 * time}
        degrees, zoom = -4 + 5 * time, 1.02 + 0.06 * time
        canvas = background(self.map, self.width, self.unit, **pan, degrees=degrees, zoom=zoom)
        place(canvas, self.compass, 0.82 * self.aspect, 0.3, degrees=100 * time * time - 30)
        self._magnify(canvas, pan, degrees, zoom, time)
        place(canvas, self.ticker, 1.25 * self.aspect - 0.55 * time, 0.93)
        return canvas

    def _magnify(
        self, canvas: Canvas, pan: dict[str, float], degrees: float, zoom: float, time: float
    ) -> None:
        """A lens, on a round path, shows the map under its middle enlarged by 1.7."""
        angle = TAU * (0.3 * time - 0.1)
        x = (0.42 + 0.18 * math.cos(angle)) * self.aspect
        y = 0.47 + 0.16 * math.sin(angle)
        turn = math.radians(degrees)
        off_x, off_y = (x - self.aspect / 2) / zoom, (y - 0.5) / zoom
        under_x = pan["x"] + math.cos(turn) * off_x + math.sin(turn) * off_y
        under_y = pan["y"] - math.sin(turn) * off_x + math.cos(turn) * off_y
        size = self.lens.shape[0]
        # `background` counts in heights of what it fills, here the lens.
        ratio = self.unit / size
        inside = background(
            self.map,
            size,
            size,
            x=under_x * ratio,
            y=under_y * ratio,
            degrees=degrees,
            zoom=1.7 * zoom,
        )
        place(canvas, cut_out(inside, self.lens), x, y)
        place(canvas, self.rim, x, y)

    def _map(self) -> Canvas:
        high, wide = int(MARGIN * self.unit), int(MARGIN * self.width)
        land = noise(high, wide, self.unit * 0.55, 4, 41)
        land = cv2.GaussianBlur(land, (0, 0), 0.004 * self.unit)
        grain = noise(high, wide, self.unit * 0.03, 4, 42)
        stops = [
            (0.0, (58, 104, 140)),
            (0.36, (120, 176, 190)),
            (0.38, (206, 210, 160)),
            (0.6, (168, 186, 120)),
            (0.8, (190, 150, 104)),
            (1.0, (246, 240, 230)),
        ]
        paper = tinted(land, stops).astype(np.float32)
        slope = cv2.Sobel(land, cv2.CV_32F, 1, 0) + cv2.Sobel(land, cv2.CV_32F, 0, 1)
        relief = np.clip(1 - 14 * slope * self.unit / 720, 0.75, 1.25)
        picture = paper * (relief * (0.93 + 0.14 * grain))[..., None]
        levels = land * 26
        steep = cv2.magnitude(
            cv2.Sobel(levels, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(levels, cv2.CV_32F, 0, 1) / 8
        )
        apart = np.abs(levels - np.round(levels)) / np.maximum(steep, 1e-4)  # pixels from a line
        ink = np.clip(0.0022 * self.unit + 0.5 - apart, 0, 1)[..., None] * 0.75
        picture = picture * (1 - ink) + np.array((84, 60, 48), np.float32) * ink
        drawn: Canvas = np.clip(picture, 0, 255).astype(np.uint8)
        self._route(drawn)
        self._names(drawn)
        return drawn

    def _route(self, drawn: Canvas) -> None:
        """A dashed red line in a wave over the whole map."""
        high, wide = drawn.shape[:2]
        for dash in range(60):
            ends = np.linspace(dash / 60, (dash + 0.55) / 60, 6)
            points = [(s * wide, (0.52 + 0.2 * math.sin(7 * s)) * high) for s in ends]
            draw_path(drawn, points, (206, 44, 52), 0.009 * self.unit)

    def _names(self, drawn: Canvas) -> None:
        """Place names on the map itself, so they turn and grow with it."""
        high, wide = drawn.shape[:2]
        names = [("LAKE BILINEAR", 0.3, 0.3), ("MOUNT WARP", 0.66, 0.35), ("CAPE PHASE", 0.45, 0.7)]
        for name, x, y in names:
            word = lettering(name, 0.035 * self.unit, (60, 36, 40), (246, 240, 224))
            place(drawn, word, x * wide / high, y, degrees=-8 + 12 * x)

    def _compass(self) -> Sprite:
        size = int(0.34 * self.unit)
        paint = np.full((size, size, 3), (250, 244, 228), np.uint8)
        middle = size / 2
        fill_circle(paint, (middle, middle), 0.47 * size, (196, 60, 56))
        fill_circle(paint, (middle, middle), 0.42 * size, (250, 244, 228))
        for point in range(16):
            angle = TAU * point / 16
            long = (0.4, 0.18, 0.26, 0.18)[point % 4] * size
            tip = (middle + long * math.cos(angle), middle + long * math.sin(angle))
            side = [angle - 0.5, angle + 0.5]
            base = [
                (middle + 0.07 * size * math.cos(a), middle + 0.07 * size * math.sin(a))
                for a in side
            ]
            fill_shape(paint, [tip, base[0], (middle, middle)], (38, 52, 84))
            fill_shape(paint, [tip, base[1], (middle, middle)], (206, 120, 84))
        return cut_out(paint, disc(size))

    def _rim(self) -> Sprite:
        size = int(0.54 * self.unit)
        outer, inner = disc(size), np.zeros((size, size), np.uint8)
        fill_circle(inner, (size / 2, size / 2), 0.245 * self.unit, 255)
        ring = cut_out((58, 44, 40), cv2.subtract(outer, inner))
        shine = np.zeros((size, size), np.uint8)
        arc = [
            (size / 2 + 0.44 * size * math.cos(a), size / 2 + 0.44 * size * math.sin(a))
            for a in np.linspace(3.5, 4.4, 16)
        ]
        draw_path(shine, arc, 120, 0.014 * self.unit)
        return layered(ring, cut_out((255, 255, 255), shine))

    def _ticker(self) -> Sprite:
        words = "EVERY FRAME AT ITS OWN TIME - EVERY CUT A CUT - SOUND UNTOUCHED"
        line = lettering(words, 0.04 * self.unit, (252, 246, 232), (40, 30, 34))
        band = np.zeros(line.rgba.shape[:2], np.uint8)
        band[:] = 150
        return layered(cut_out((30, 26, 40), band), line)
