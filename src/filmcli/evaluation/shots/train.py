"""Shot 1: the view from a train at dusk. Parallax, a sign to read, thin cables."""

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
    fill_shape,
    layered,
    lettering,
    noise,
    place,
    polar,
    tinted,
)


class Train:
    """Out of a train's window at dusk: layers glide at many speeds, thin cables in front."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.unit = width, height
        self.aspect = width / height
        self.sky = self._sky()
        self.hills = [
            (self._ridge(0.34, 0.22, ((92, 62, 120), (70, 52, 108)), 11), 0.70, 0.04),
            (self._ridge(0.30, 0.16, ((74, 58, 92), (44, 44, 70)), 12), 0.80, 0.16),
            (self._ridge(0.24, 0.07, ((118, 92, 48), (52, 48, 34)), 13), 0.92, 0.62),
        ]
        self.balloon = self._balloon()
        self.board = self._board()
        self.poles = self._poles()
        self.sun = self._sun()

    def draw(self, time: float) -> Canvas:
        """The canvas at `time`."""
        canvas = background(
            self.sky, self.width, self.unit, x=0.03 * time, y=0.0, degrees=0.0, zoom=1.0
        )
        place(canvas, self.sun, 0.72 * self.aspect, 0.47 + 0.02 * time)
        for sprite, y, speed in self.hills[:2]:
            place(canvas, sprite, self.aspect - speed * time, y)
        swing = math.sin(TAU * 0.45 * time)
        place(
            canvas,
            self.balloon,
            (0.22 + 0.07 * time) * self.aspect,
            0.36 - 0.05 * time - 0.03 * time * time,
            degrees=6 * swing,
        )
        for bird in range(5):
            self._bird(canvas, bird, time)
        sprite, y, speed = self.hills[2]
        place(canvas, sprite, self.aspect - speed * time, y)
        place(canvas, self.board, 1.05 * self.aspect - 0.78 * time, 0.72)
        place(canvas, self.poles, 1.5 * self.aspect - 0.98 * time, 0.5)
        return canvas

    def _sky(self) -> Canvas:
        wide = self.width + self.unit // 4
        rows = np.linspace(0, 1, self.unit, dtype=np.float32)[:, None]
        clouds = cv2.resize(noise(self.unit, wide // 3, self.unit * 0.1, 5, 3), (wide, self.unit))
        dusk = [
            (0.0, (30, 28, 78)),
            (0.3, (104, 60, 124)),
            (0.55, (226, 108, 100)),
            (0.75, (255, 196, 128)),
        ]
        return tinted(rows + 0.28 * (clouds - 0.5), dusk)

    def _sun(self) -> Sprite:
        radius, _ = polar(int(0.5 * self.unit))
        glow = np.clip(1 - radius, 0, 1) ** 2 * 150
        core = np.clip((0.36 - radius) * self.unit * 0.25 + 0.5, 0, 1) * 255
        return cut_out((255, 232, 170), np.maximum(glow, core).astype(np.uint8))

    def _ridge(
        self, tall: float, rough: float, colors: tuple[tuple[int, int, int], ...], seed: int
    ) -> Sprite:
        """A strip of hills, twice the canvas wide, with a textured slope."""
        rows, columns = int((tall + rough) * self.unit), 2 * self.width
        line = noise(1, columns, self.unit * 0.45, 6, seed)[0]
        top = (1 - line) * rough * self.unit
        y = np.arange(rows, dtype=np.float32)[:, None]
        mask = (np.clip(y - top + 0.5, 0, 1) * 255).astype(np.uint8)
        grain = noise(rows, columns, self.unit * 0.05, 5, seed + 50)
        slope = np.clip(0.55 * y / rows + 0.9 * (grain - 0.3), 0, 1)
        return cut_out(tinted(slope, [(0.0, colors[0]), (1.0, colors[1])]), mask)

    def _balloon(self) -> Sprite:
        size = int(0.3 * self.unit)
        radius, angle = polar(size)
        across = np.clip(radius * np.cos(angle), -1, 1)
        half_width = np.sqrt(np.clip(1 - (radius * np.sin(angle)) ** 2, 0.05, 1))
        stripe = np.sin(7 * np.arcsin(np.clip(across / half_width, -1, 1))) > 0
        paint = np.where(stripe[..., None], (214, 62, 58), (246, 224, 180))
        shade = np.clip(0.95 + 0.5 * radius * np.cos(angle - 2.4), 0.4, 1.1)
        envelope = np.clip(paint * shade[..., None], 0, 255).astype(np.uint8)
        picture = np.zeros((int(1.5 * size), size, 3), np.uint8)
        mask = np.zeros(picture.shape[:2], np.uint8)
        picture[:size], mask[:size] = envelope, disc(size)
        middle, foot, line = size / 2, 1.36 * size, 0.008 * self.unit
        for side in (-1, 1):
            rope = [(middle + side * 0.42 * size, 0.78 * size), (middle + side * 0.1 * size, foot)]
            draw_path(mask, rope, 255, line)
        corners = [(-0.11, 0), (0.11, 0), (0.09, 0.13), (-0.09, 0.13)]
        basket = [(middle + x * size, foot + y * size) for x, y in corners]
        fill_shape(mask, basket, 255)
        fill_shape(picture, basket, (120, 76, 40))
        return cut_out(picture, mask)

    def _board(self) -> Sprite:
        words = lettering("NEXT STOP 60 FPS", 0.055 * self.unit, (250, 240, 210), (30, 60, 74))
        tall, wide = words.rgba.shape[:2]
        rows, columns = int(0.5 * self.unit), int(wide + 0.08 * self.unit)
        mask = np.zeros((rows, columns), np.uint8)
        panel = int(tall + 0.05 * self.unit)
        mask[2:panel, 2:-2] = 255
        for leg in (0.2, 0.8):
            draw_path(mask, [(leg * columns, panel), (leg * columns, rows)], 255, 0.016 * self.unit)
        frame = cut_out((30, 60, 74), mask)
        place_at = ((panel - tall) // 2, (columns - wide) // 2)
        pad = np.zeros_like(frame.rgba)
        pad[place_at[0] : place_at[0] + tall, place_at[1] : place_at[1] + wide] = words.rgba
        return layered(frame, Sprite(pad))

    def _poles(self) -> Sprite:
        """Telegraph poles 0.9 heights apart with two sagging cables, three canvases wide."""
        columns = 3 * self.width
        mask = np.zeros((self.unit, columns), np.uint8)
        step, unit = 0.9 * self.unit, self.unit
        for x in np.arange(0.3 * step, columns, step):
            draw_path(mask, [(x, 0.16 * unit), (x, unit)], 255, 0.02 * unit)
            draw_path(mask, [(x - 0.07 * unit, 0.2 * unit), (x + 0.07 * unit, 0.2 * unit)], 255, 6)
            for y in (0.19, 0.26):
                sag = [
                    (x + s * step, (y + 0.28 * s * (1 - s)) * unit) for s in np.linspace(0, 1, 24)
                ]
                draw_path(mask, sag, 255, 0.006 * unit)
        return cut_out((26, 20, 34), mask)

    def _bird(self, canvas: Canvas, number: int, time: float) -> None:
        unit = self.unit
        x = (0.62 - 0.05 * number) * self.aspect + 0.16 * time
        y = 0.17 + 0.03 * number * (-1) ** number - 0.03 * time + 0.02 * math.sin(3 * time + number)
        lift = math.sin(TAU * 2.2 * time + 1.3 * number)
        span, rise = 0.035 + 0.004 * number, 0.02 * lift
        wings = [(-span, -rise), (-0.4 * span, -0.4 * rise - 0.008), (0, 0)]
        wings += [(-dx, dy) for dx, dy in reversed(wings[:2])]
        points = [((x + dx) * unit, (y + dy) * unit) for dx, dy in wings]
        draw_path(canvas, points, (34, 24, 46), 0.006 * unit)
