"""Synthetic motion keeps its promises: the flow fetches the picture, at any phase."""

from __future__ import annotations

from dataclasses import replace

import cv2
import footage
import numpy as np
import pytest
from numpy.typing import NDArray

from filmcli.training import synthetic
from filmcli.training.motion import Motion, Shake, Swing, Wave, random_motion, random_shake
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Field, Picture, Sample
from filmcli.training.synthetic import (
    FRAMES_AT,
    USUAL,
    Camera,
    Layer,
    Shares,
    flow_between,
    shot,
    synthetic_sample,
)
from filmcli.training.textures import opaque

ASSETS = footage.assets()


def draw(index: int, side: int = 64, shares: Shares = USUAL, **numbers: float) -> Sample:
    recipe = replace(Recipe(side=side), **numbers)  # type: ignore[arg-type]
    return synthetic_sample(ASSETS, recipe, np.random.default_rng((0, index)), shares)


def fetch(source: Picture, flow: Field) -> Picture:
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def median_error(a: Picture, b: Picture, where: NDArray[np.bool_]) -> float:
    return float(np.median(np.abs(a.astype(int) - b)[where]))


def inside(flow: Field) -> NDArray[np.bool_]:
    """Where `flow` leads to a place in the frame."""
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width)
    y = flow[..., 1] + np.arange(height)[:, None]
    return (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def ways(sample: Sample) -> list[Field]:
    """The flows from the target into left, right, before, after, `(H, W, 2)`."""
    assert sample.ways is not None
    return np.split(sample.ways, 4, axis=2)


def motion(sample: Sample) -> Field:
    """How far things go from left to right."""
    left, right, *_ = ways(sample)
    return right - left


@pytest.mark.parametrize("place", range(4))
def test_ways_fetch_the_target(place: int) -> None:
    explained, unmoved = [], []
    for index in range(40):
        sample = draw(index)
        frame = (sample.left, sample.right, sample.before, sample.after)[place]
        assert frame is not None
        if abs(frame.mean() / max(sample.target.mean(), 1) - 1) > 0.03:
            continue  # the light changed: pictures differ by more than motion
        way = ways(sample)[place]
        known = inside(way)
        if known.mean() > 0.1:
            explained.append(median_error(fetch(frame, way), sample.target, known))
            unmoved.append(median_error(frame, sample.target, known))
    assert len(explained) > 20
    assert np.mean(explained) < 2.5 < 6 < np.mean(unmoved)


def test_a_sample_is_a_function_of_its_generator() -> None:
    first, second, other = draw(3), draw(3), draw(4)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first.left, other.left)


def test_frames_may_be_larger_than_the_photographs() -> None:
    sample = draw(0, side=400)  # of textures of 240 lines
    assert sample.left.shape == (400, 400, 3)
    assert sample.left.std() > 5


def test_motion_spans_still_to_large() -> None:
    lengths = [
        np.percentile(np.hypot(*motion(draw(i, 128)).transpose(2, 0, 1)), 95) for i in range(60)
    ]
    assert min(lengths) < 4
    assert max(lengths) > 15


def test_some_things_nearly_stand_while_all_else_rushes_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a camera follows somebody."""
    shares = Shares(screens=0, shaken=0, titled=0)
    found = []
    for followed in (0.0, 1.0):
        monkeypatch.setattr(synthetic, "FOLLOWED", followed)
        paces = [
            np.linalg.norm(np.subtract(*ways(draw(i, shares=shares))[:2]), axis=2)
            for i in range(80)
        ]
        found.append(sum(np.quantile(pace, 0.05) < 0.25 * np.median(pace) for pace in paces))
    assert found[1] > found[0] + 12


def test_larger_motion_is_a_number_of_the_recipe() -> None:
    def mean_length(**numbers: float) -> float:
        flows = [motion(draw(i, **numbers)) for i in range(90)]
        return float(np.mean([np.median(np.hypot(*flow.transpose(2, 0, 1))) for flow in flows]))

    usual = mean_length()
    assert mean_length(largest_shift=1.0) > 1.6 * usual
    assert mean_length(pace_shape=1.0) > 1.2 * usual


SIDE = 96
TILT = np.array([[1.0, 0, 0], [0, 1, 0], [8e-4, -5e-4, 1]])
PLACED = np.array([[0.9, 0.1, -20], [-0.1, 0.9, -10], [0, 0, 1]])
MOVED = np.array([[0.9, 0.05, -8], [-0.05, 0.9, -16], [0, 0, 1]])
WAVE = Wave(
    np.array([3.0, 4.0]), 2 * np.pi / 120 * np.array([[1, 0.3], [-0.4, 1]]), np.array([0.0, 1.0])
)
SWING = Swing(np.array([50.0, 60.0]), 0.3)
SHAKE = Shake(
    np.full(2, SIDE / 2),
    np.array([[4.0, -3, 0.04]]),
    np.array([[2.0, 3, 4]]),
    np.array([[0.3, 1, 2]]),
)
WAYS = {
    "even": Motion(PLACED, MOVED),
    "tilting": Motion(PLACED, MOVED @ TILT),
    "bending": Motion(PLACED, MOVED, wave=WAVE),
    "gathering speed": Motion(PLACED, MOVED, gathering=0.5),
    "swinging": Motion(PLACED, MOVED, swing=SWING),
    "shaken": Motion(PLACED, MOVED, shake=SHAKE),
    "all of it": Motion(PLACED, MOVED @ TILT, gathering=-0.4, wave=WAVE, swing=SWING, shake=SHAKE),
}


def scene(motion: Motion) -> list[Layer]:
    """A background that moves, and a sharp-edged disc that moves another way."""
    disc = opaque(footage.texture(120, 120, 12))
    cv2.circle(mask := np.zeros((120, 120), np.uint8), (60, 60), 40, 255, -1)
    disc[..., 3] = mask
    shifted = np.array([[1.0, 0, 9], [0, 1, 4], [0, 0, 1]])
    over = motion._replace(start=np.eye(3), end=shifted)
    return [Layer(opaque(footage.texture(200, 240, 11)), motion), Layer(disc, over)]


def exposed(layers: list[Layer], phase: float, **camera: float) -> tuple[Picture, NDArray[np.intp]]:
    rng = np.random.default_rng(0)
    return shot(layers, Camera(**camera), phase, SIDE, rng)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("phase", "to"), [(0, 1), (1, 0), *((0.4, to) for to in FRAMES_AT)])
def test_flow_is_exact_for_every_kind_of_motion(way: str, phase: float, to: float) -> None:
    layers = scene(WAYS[way])
    (here, owner), (there, other_owner) = (exposed(layers, p) for p in (phase, to))
    flow = flow_between(layers, owner, phase, to)
    landed = fetch(other_owner.astype(np.uint8) * 100, flow)
    # seen at both ends, and away from the disc's edge, where two layers mix in a pixel
    seen = inside(flow) & (landed == owner * 100)
    near = cv2.dilate((owner != cv2.blur(owner.astype(np.float32), (5, 5))).astype(np.uint8), None)
    seen &= near == 0
    assert seen.mean() > 0.4
    errors = np.abs(fetch(there, flow).astype(int) - here)[seen]
    assert np.median(errors) <= 1 and np.percentile(errors, 99) <= 6
    assert np.hypot(*flow.transpose(2, 0, 1)).mean() > 2


@pytest.mark.parametrize("to", FRAMES_AT)
def test_following_and_coming_back_leads_to_where_it_began(
    to: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TILTED", "BENT", "GATHERING", "SWINGING"):
        monkeypatch.setattr(f"filmcli.training.motion.{name}", 1.0)
    x, y = np.float32([[5, 40, 80]]), np.float32([[10], [50], [90]])
    for seed in range(100):
        rng = np.random.default_rng(seed)
        motion = random_motion((240, 320), np.array([48, 48]), 0.3, rng.normal(0, 8, 2), rng)
        there = motion.follow((x, y), 0.4, to)
        back = motion.follow(there, to, 0.4)
        assert max(np.abs(back[0] - x).max(), np.abs(back[1] - y).max()) < 0.02


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("phase", [0.25, 0.5, 0.8])
def test_the_picture_is_exact_at_any_phase(way: str, phase: float) -> None:
    """Found by hand: which point of the texture is seen, by solving the motion's own equations."""
    motion = WAYS[way]
    picture, _ = exposed(scene(motion)[:1], phase)
    gone = phase + motion.gathering * phase * (phase - 1)
    texture = footage.texture(200, 240, 11)
    errors = []
    for x, y in [(10, 12), (48, 40), (80, 70), (30, 90)]:
        place = (1 - gone) * motion.start + gone * motion.end
        point = np.array([x, y, 1.0])
        if motion.shake is not None:  # brought back to where a steady camera would see it
            dx, dy, roll = SHAKE.reach[0] * np.sin(SHAKE.swiftness[0] * phase + SHAKE.begin[0])
            cosine, sine = np.cos(roll), np.sin(roll)
            away = point[:2] - SIDE / 2 - (dx, dy)
            point[:2] = np.array([[cosine, sine], [-sine, cosine]]) @ away + SIDE / 2
        q = np.linalg.solve(place, point)
        q = q[:2] / q[2]
        if motion.swing is not None:  # turned back about the joint
            angle = motion.swing.angle * (0.5 - gone)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            q = motion.swing.joint + turn @ (q - motion.swing.joint)
        if motion.wave is not None:
            wave = motion.wave
            q = q + gone * wave.reach * np.sin(wave.wave_numbers @ q + wave.begin)
        truth = cv2.remap(texture, *(np.float32([[v]]) for v in q), cv2.INTER_LINEAR)[0, 0]
        errors.append(np.abs(picture[y, x].astype(int) - truth).max())
    assert max(errors) <= 5  # a pixel is the mean of four exposures of the fine texture
    assert np.mean(errors) <= 3


def test_speed_gathers_between_ends_that_stay() -> None:
    even, gathering = WAYS["even"], WAYS["gathering speed"]
    points = (np.float32([50]), np.float32([40]))
    assert np.allclose(even.follow(points, 0, 1), gathering.follow(points, 0, 1))
    assert np.array_equal(even.place(1), gathering.place(1))
    half, late = even.place(0.5)[0, 2], gathering.place(0.5)[0, 2]
    assert half == pytest.approx(-14) and late == pytest.approx(-14 - 0.125 * 12)


def test_an_open_shutter_smears_what_moves_only() -> None:
    still = Motion(PLACED, PLACED)
    for motion, is_smeared in ((still, False), (WAYS["even"], True)):
        layers = [Layer(opaque(footage.texture(200, 240, 11)), motion)]
        sharp, _ = exposed(layers, 0.5)
        smeared, _ = exposed(layers, 0.5, shutter=0.5)
        detail = [float(np.abs(np.diff(p.astype(int), axis=1)).mean()) for p in (sharp, smeared)]
        assert (detail[1] < 0.9 * detail[0]) == is_smeared
        assert abs(float(smeared.mean()) - sharp.mean()) < 1


def test_a_smear_tells_how_fast_the_camera_went_there() -> None:
    """A camera that sways sideways: sharp where it turns round, smeared where it is fastest."""
    sway = Shake(
        np.full(2, SIDE / 2), np.array([[12.0, 0, 0]]), np.full((1, 3), np.pi), np.zeros((1, 3))
    )
    layers = [Layer(opaque(footage.texture(200, 240, 11)), Motion(PLACED, PLACED, shake=sway))]

    def kept(phase: float, axis: int) -> float:
        """The share of detail along an axis that an open shutter leaves."""
        smeared, sharp = (
            exposed(layers, phase, shutter=shutter, exposures=12)[0] for shutter in (0.3, 0.0)
        )
        detail = [np.abs(np.diff(p.astype(int), axis=axis)).mean() for p in (smeared, sharp)]
        return float(detail[0] / detail[1])

    assert sway.pace() == pytest.approx(12 * np.pi)
    turning, fastest = 0.5, 1.0
    assert kept(turning, axis=1) > 0.85
    assert kept(fastest, axis=1) < 0.45 < 0.6 < kept(fastest, axis=0)


def test_a_shake_is_never_faster_than_it_says() -> None:
    times = np.linspace(-1, 2, 3001)
    for seed in range(50):
        shake = random_shake(200, np.random.default_rng(seed))
        middle = np.array([[100.0], [100.0], [1.0]])
        seen = np.array([(shake.strayed(at) @ middle)[:2, 0] for at in times])
        assert np.hypot(*np.diff(seen, axis=0).T).max() <= shake.pace() * 0.001 * 1.001


def test_grain_is_of_its_size_and_unsharpness_leaves_sprites_sharp() -> None:
    layers = scene(WAYS["even"])
    clean, owner = exposed(layers, 0.0)
    grainy, _ = exposed(layers, 0.0, grain=5.0)
    assert np.std(grainy.astype(int) - clean) == pytest.approx(5, rel=0.1)
    soft, _ = exposed(layers, 0.0, unsharp=3.0)
    inner = cv2.erode((owner == 1).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert np.abs(soft.astype(int) - clean)[inner].mean() < 0.05
    assert np.abs(soft.astype(int) - clean)[owner == 0].mean() > 3


def test_a_swing_turns_about_its_joint() -> None:
    """A joint that glides by 8 px: a point 10 px from it goes round by the angle besides."""
    glide = np.array([[1.0, 0, 8], [0, 1, 0], [0, 0, 1]])
    motion = Motion(np.eye(3), glide, swing=Swing(np.array([20.0, 30.0]), np.pi / 2))

    def at(phase: float) -> NDArray[np.float64]:
        """Where two points of the texture are: the joint, and one 10 px right of it."""
        held = motion.follow((np.float32([20 + 4, 30 + 4]), np.float32([30, 30])), 0.5, 0.5)
        assert np.allclose(held, ([24, 34], [30, 30]), atol=1e-4)  # half-way nothing is turned
        points = np.float32([24, 34]), np.float32([30, 30])
        return np.stack(motion.follow(points, 0.5, phase), axis=1).astype(np.float64)

    for phase, angle in ((0.0, -45), (0.25, -22.5), (0.5, 0), (1.0, 45), (2.0, 135)):
        joint, arm = at(phase)
        assert np.allclose(joint, [20 + 8 * phase, 30], atol=1e-4)
        turned = np.deg2rad(angle)
        assert np.allclose(arm - joint, [10 * np.cos(turned), 10 * np.sin(turned)], atol=1e-4)


def test_titles_stand_over_what_moves() -> None:
    shares = []
    for share in (0.0, 1.0):
        standing = []
        for index in range(12):
            sample = draw(index, shares=USUAL._replace(titled=share), pace_shape=0.5)  # lively
            still = (np.concatenate(ways(sample), axis=2) == 0).all(axis=2)
            standing.append(still.mean())
            if still.any() and sample.left[still].std() > 0:
                assert median_error(sample.left, sample.target, still) <= 8  # grain, light, edges
        shares.append(float(np.mean(standing)))
    assert shares[0] < 0.01 < shares[1]
