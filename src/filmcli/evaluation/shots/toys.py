"""Shot 2: a playroom. Turning, falling, swinging things that cover each other."""

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
    lettering,
    noise,
    place,
    polar,
    tinted,
)


class Toys:
    """A bouncing ball, a spinning pinwheel, a pendulum: turning, falling, covering each other."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.unit = width, height
        self.aspect = width / height
        self.wall = self._wall()
        self.floor, self.floor_x, self.floor_y = self._floor()
        self.ball = self._ball()
        self.pinwheel = self._pinwheel()
        self.bob = self._bob()
        self.words = lettering("24 > 60", 0.12 * height, (255, 214, 90), (52, 34, 60))
        shadow = np.clip(1 - polar(int(0.3 * height))[0], 0, 1) * 160
        self.shadow = cut_out((20, 14, 20), shadow.astype(np.uint8))

    def draw(self, time: float) -> Canvas:
        """The canvas at `time`."""
        canvas = background(
            self.wall, self.width, self.unit, x=0.0, y=0.0, degrees=0.0, zoom=1 + 0.08 * time
        )
        top = self.unit - self.floor_x.shape[0]
        canvas[top:] = cv2.remap(
            self.floor,
            self.floor_x + np.float32(0.35 * time * self.unit),
            self.floor_y,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
        place(canvas, self.words, (0.72 - 0.3 * time) * self.aspect, 0.2 + 0.05 * time * time)
        self._spin(canvas, time)
        self._bounce(canvas, time)
        self._swing(canvas, time)
        return canvas

    def _spin(self, canvas: Canvas, time: float) -> None:
        x, y = 0.3 * self.aspect, 0.46
        stick = [(x * self.unit, y * self.unit), (x * self.unit, 0.9 * self.unit)]
        draw_path(canvas, stick, (236, 226, 206), 0.016 * self.unit)
        place(canvas, self.pinwheel, x, y, degrees=70 * time + 110 * time * time)

    def _bounce(self, canvas: Canvas, time: float) -> None:
        """Three bounces of one height: between them the ball falls by a parabola."""
        period, ground = 0.66, 0.83
        fall = 2 * ((time + 0.2) % period) / period - 1
        high = 0.42 * (1 - fall * fall)
        x = (0.08 + 0.5 * time) * self.aspect
        place(canvas, self.shadow, x, ground + 0.1, squash=0.25, scale=1 - 0.5 * high)
        turn = math.degrees(0.5 * time * self.aspect / 0.11)
        place(canvas, self.ball, x, ground - high, degrees=turn)

    def _swing(self, canvas: Canvas, time: float) -> None:
        pivot, length = (0.66 * self.aspect, -0.15), 0.75
        lean = math.radians(34) * math.cos(TAU * time / 1.7)
        x, y = pivot[0] + length * math.sin(lean), pivot[1] + length * math.cos(lean)
        ends = [(pivot[0] * self.unit, pivot[1] * self.unit), (x * self.unit, y * self.unit)]
        draw_path(canvas, ends, (40, 30, 44), 0.008 * self.unit)
        place(canvas, self.bob, x, y, degrees=-math.degrees(lean))

    def _wall(self) -> Canvas:
        """Wallpaper: broad stripes with a faint cloudy grain and rows of dots."""
        grain = noise(self.unit, self.width, self.unit * 0.08, 5, 21)
        x = np.arange(self.width, dtype=np.float32) / self.unit
        stripe = 0.5 + 0.5 * np.tanh(12 * np.sin(TAU * x / 0.22))
        wall = tinted(0.5 * stripe + 0.5 * grain, [(0.0, (44, 98, 104)), (1.0, (122, 178, 160))])
        for row in range(6):
            for column in range(int(self.aspect / 0.11) + 2):
                middle = (column * 0.11 + 0.055, (row + 0.5) * 0.15 + 0.03 * (column % 2))
                at = (middle[0] * self.unit, middle[1] * self.unit)
                fill_circle(wall, at, 0.012 * self.unit, (226, 214, 170))
        return wall

    def _floor(self) -> tuple[Canvas, np.ndarray, np.ndarray]:
        """A chequered floor: its texture, and where each canvas pixel below 0.72 reads it."""
        cell, cells = self.unit // 4, 8
        y, x = np.mgrid[: cell * cells, : cell * cells] // cell
        dark = ((x + y) % 2).astype(np.float32)
        grain = noise(cell * cells, cell * cells, self.unit * 0.06, 5, 22)
        stops = [(0.0, (224, 196, 160)), (1.0, (110, 60, 50))]
        texture = tinted(np.clip(dark + 0.5 * (grain - 0.5), 0, 1), stops)
        texture = cv2.GaussianBlur(texture, (0, 0), 1.2)  # far tiles are shown smaller
        rows = np.arange(int(0.72 * self.unit), self.unit, dtype=np.float32)[:, None]
        depth = 1 / (rows / self.unit - 0.5)
        columns = np.arange(self.width, dtype=np.float32)[None] - self.width / 2
        read_x = columns * depth * 0.4 + 2 * self.unit
        read_y = np.broadcast_to(depth * 0.4 * self.unit, read_x.shape)
        return texture, read_x.astype(np.float32), np.ascontiguousarray(read_y, np.float32)

    def _ball(self) -> Sprite:
        size = int(0.22 * self.unit)
        radius, angle = polar(size)
        colors = np.array([(238, 76, 64), (250, 240, 226), (60, 120, 200), (250, 240, 226)])
        sector = ((angle + 0.9 * radius) / TAU * 8).astype(int) % 4
        shade = 1.08 - 0.45 * radius**2
        paint = np.clip(colors[sector] * shade[..., None], 0, 255).astype(np.uint8)
        fill_circle(paint, (size / 2, size / 2), 0.16 * size / 2, (248, 196, 60))
        return cut_out(paint, disc(size))

    def _pinwheel(self) -> Sprite:
        size = int(0.56 * self.unit)
        paint, mask = np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8)
        colors = [(240, 92, 70), (252, 196, 66), (96, 176, 120), (74, 120, 206)]
        middle = size / 2
        for blade in range(8):
            angle = TAU * blade / 8
            near, far = angle + TAU / 14, angle + TAU / 9
            tip = (middle + 0.48 * size * math.cos(angle), middle + 0.48 * size * math.sin(angle))
            belly = (middle + 0.3 * size * math.cos(near), middle + 0.3 * size * math.sin(near))
            root = (middle + 0.12 * size * math.cos(far), middle + 0.12 * size * math.sin(far))
            shape = [(middle, middle), tip, belly, root]
            fill_shape(mask, shape, 255)
            fill_shape(paint, shape, colors[blade % 4])
            draw_path(paint, [(middle, middle), tip], (255, 244, 220), 0.006 * size)
        fill_circle(mask, (middle, middle), 0.05 * size, 255)
        fill_circle(paint, (middle, middle), 0.05 * size, (250, 244, 232))
        return cut_out(paint, mask)

    def _bob(self) -> Sprite:
        size = int(0.2 * self.unit)
        y, x = np.mgrid[:size, :size].astype(np.float32) / size
        rings = 0.5 + 0.5 * np.tanh(5 * np.sin(TAU * (x + y) * 3.5))
        grain = noise(size, size, size * 0.15, 4, 23)
        paint = tinted(
            np.clip(0.8 * rings + 0.4 * (grain - 0.3), 0, 1),
            [(0.0, (58, 40, 66)), (1.0, (240, 170, 110))],
        )
        return cut_out(paint, disc(size))
