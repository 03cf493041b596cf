"""How a layer of synthetic motion moves: where its texture stands at every phase, exactly.

A place maps texture pixels to frame pixels, as a 3x3 homography. Between two places every entry
moves linearly, so every point moves along a straight line. On top of that a layer may gather
speed, bend in waves, and be shaken with the camera: all are known at any phase, and so is the flow
between the ends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from filmcli.training.samples import Picture

Place = NDArray[np.float64]  # (3, 3)
Axis = NDArray[np.float32]
Points = tuple[Axis, Axis]
"""x and y, which may be rows and columns that broadcast; float32 leaves 1e-4 px of 1000."""

TILTED, BENT, GATHERING, SWINGING = 0.15, 0.1, 0.4, 0.2  # shares of layers
_BENDS = 12  # rounds of fixed point: 0.004 px are left of the worst of 300 waves, twice as far on


class Wave(NamedTuple):
    """A bend: texture pixel q shows what lay at q + reach * sin(wave_numbers @ q + begin)."""

    reach: NDArray[np.float64]  # (2,), texture px
    wave_numbers: NDArray[np.float64]  # (2, 2), radians a texture px
    begin: NDArray[np.float64]  # (2,)

    def bent(self, q: Points) -> Points:
        """Return by how much the texture is bent at `q`."""
        angles = carried(np.column_stack((self.wave_numbers, self.begin)), q)
        across, down = (
            np.float32(reach) * np.sin(angle)
            for reach, angle in zip(self.reach, angles, strict=True)
        )
        return across, down


class Swing(NamedTuple):
    """A turn about a joint, as a limb's: by `angle` from phase 0 to phase 1."""

    joint: NDArray[np.float64]  # (2,), texture px
    angle: float  # radians

    def turned(self, gone: float) -> Place:
        """Return how the texture is turned when `gone` of the way is gone; not at all at 1/2."""
        return standing(self.joint, (0, 0), 1.0, self.angle * (gone - 0.5)) @ _shifted(-self.joint)


class Shake(NamedTuple):
    """How a camera that is held by hand strays: a few waves in time, at random.

    Four frames in a row do not tell where such a camera is between two of them. How far each frame
    is smeared, and which way, does: it is how fast the camera went there.
    """

    middle: NDArray[np.float64]  # (2,), of the picture, px
    reach: NDArray[np.float64]  # (W, 3): dx and dy in px, and roll in radians, of each wave
    swiftness: NDArray[np.float64]  # (W, 3), radians an interval
    begin: NDArray[np.float64]  # (W, 3)

    def strayed(self, phase: float) -> Place:
        """Return the homography that carries a picture to where it is seen at `phase`."""
        angles = self.swiftness * phase + self.begin
        *by, roll = (self.reach * np.sin(angles)).sum(axis=0)
        rolled = standing(self.middle + by, (0, 0), 1.0, roll)
        return rolled @ _shifted(-self.middle)

    def pace(self) -> float:
        """Return how fast it goes at most, px an interval."""
        return float(np.hypot(*(np.abs(self.reach) * self.swiftness).sum(axis=0)[:2]))


def random_shake(side: int, rng: np.random.Generator) -> Shake:
    """Return the shake of a picture of `side` px, by up to a tenth of it, often by little."""
    waves = 3
    reach = rng.normal(0, 1, (waves, 3)) * (0.7 * side, side, 0.15) * 0.03 * rng.beta(1, 2)
    swiftness = 2 * np.pi * rng.uniform(0.1, 0.9, (waves, 3))
    return Shake(np.full(2, side / 2), reach, swiftness, rng.uniform(0, 2 * np.pi, (waves, 3)))


class Motion(NamedTuple):
    """The way of a layer from phase 0 to phase 1.

    At phase s it has gone s + gathering * s * (s - 1) of it; so much of the `wave` has grown and of
    the `swing` is done. What the camera does comes on top.
    """

    start: Place
    end: Place
    gathering: float = 0.0
    wave: Wave | None = None
    swing: Swing | None = None
    shake: Shake | None = None

    def gone(self, phase: float) -> float:
        """Return the share of the way that lies behind at `phase`."""
        return phase + self.gathering * phase * (phase - 1)

    def place(self, phase: float) -> Place:
        """Return where the unbent texture stands at `phase`."""
        gone = self.gone(phase)
        place = (1 - gone) * self.start + gone * self.end
        if self.swing is not None:
            place = place @ self.swing.turned(gone)
        return place if self.shake is None else self.shake.strayed(phase) @ place

    def texture_at(self, points: Points, phase: float) -> Points:
        """Return which texture pixels are seen at the frame's `points`."""
        q = carried(np.linalg.inv(self.place(phase)), points)
        return q if self.wave is None else _moved(q, self.wave.bent(q), self.gone(phase))

    def follow(self, points: Points, phase: float, to: float) -> Points:
        """Return where what is at the frame's `points` at `phase` is at the phase `to`."""
        if self.wave is None:
            return carried(self.place(to) @ np.linalg.inv(self.place(phase)), points)
        texture, gone = self.texture_at(points, phase), self.gone(to)
        q = texture
        for _ in range(_BENDS):
            q = _moved(texture, self.wave.bent(q), -gone)
        return carried(self.place(to), q)


class Layer(NamedTuple):
    """A texture with coverage `(h, w, 4)`, and how it moves."""

    texture: Picture
    motion: Motion


def carried(place: NDArray[np.floating], points: Points) -> Points:
    """Return `points` as `place` maps them, a homography (3, 3) or an affine map (2, 3)."""
    (x, y), m = points, place.astype(np.float32)
    across, down = (m[i, 0] * x + (m[i, 1] * y + m[i, 2]) for i in (0, 1))
    if len(place) == 2 or (place[2, :2] == 0).all():
        return across, down
    w = m[2, 0] * x + (m[2, 1] * y + m[2, 2])
    return across / w, down / w


def _moved(points: Points, by: Points, times: float) -> Points:
    factor = np.float32(times)
    return points[0] + factor * by[0], points[1] + factor * by[1]


def _shifted(by: NDArray[np.float64]) -> Place:
    place = np.eye(3)
    place[:2, 2] = by
    return place


def standing(
    centre: NDArray[np.float64], size: tuple[int, int], scale: float, angle: float
) -> Place:
    """Return the place that puts a texture of `size` (h, w) at `centre`, scaled and turned."""
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    place = np.eye(3)
    place[:2, :2], place[:2, 2] = turn, centre - turn @ (size[1] / 2, size[0] / 2)
    return place


def random_motion(
    size: tuple[int, int],
    centre: NDArray[np.float64],
    scale: float,
    shift: NDArray[np.float64],
    rng: np.random.Generator,
) -> Motion:
    """Return the motion of a texture of `size` by `shift` px over `centre`, the middle of its way.

    It sometimes grows and turns besides, tilts, bends, or gathers speed.
    """
    angle = rng.uniform(-np.pi, np.pi) if rng.random() < 0.3 else rng.normal(0, 0.1)
    lively = rng.random() < 0.5
    turn, growth = (rng.normal(0, 0.06), rng.normal(0, 0.05)) if lively else (0.0, 0.0)
    ends = [
        standing(centre + s * shift, size, scale * np.exp(s * growth), angle + s * turn)
        for s in (-0.5, 0.5)
    ]
    if rng.random() < TILTED:
        ends = [_tilted(end, size, rng) for end in ends]
    gathering = rng.uniform(-0.5, 0.5) if rng.random() < GATHERING else 0.0
    wave = _wave(size, rng) if rng.random() < BENT else None
    swing = _swing(size, rng) if rng.random() < SWINGING else None
    return Motion(ends[0], ends[1], gathering, wave, swing)


def _swing(size: tuple[int, int], rng: np.random.Generator) -> Swing:
    """Return a turn by some tens of degrees about a joint somewhere in the texture."""
    height, width = size
    return Swing(rng.uniform(0, 1, 2) * (width, height), rng.normal(0, 0.35))


def _tilted(place: Place, size: tuple[int, int], rng: np.random.Generator) -> Place:
    """Return `place` with the texture's sides up to 15 % nearer or farther than its middle."""
    height, width = size
    nearer = rng.uniform(-0.15, 0.15, 2) * (2 / width, 2 / height)
    tilt = np.eye(3)
    tilt[2, :2] = nearer
    to_middle, back = np.eye(3), np.eye(3)
    to_middle[:2, 2], back[:2, 2] = (-width / 2, -height / 2), (width / 2, height / 2)
    tilted = place @ back @ tilt @ to_middle
    return np.asarray(tilted / tilted[2, 2], np.float64)


def _wave(size: tuple[int, int], rng: np.random.Generator) -> Wave:
    """Return a bend of one to three waves over the texture, of slopes under 0.3."""
    lengths = max(size) / rng.uniform(1, 3, 2)
    directions = rng.uniform(0, 2 * np.pi, 2)
    numbers = 2 * np.pi / lengths[:, None] * np.stack((np.cos(directions), np.sin(directions)), 1)
    return Wave(lengths * rng.uniform(0.005, 0.03, 2), numbers, rng.uniform(0, 2 * np.pi, 2))
