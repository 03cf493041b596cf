"""Everyone who makes frames: in the right order, at the right phase, in the right colours."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
import torch

from filmcli.evaluation.makers import RIVALS, Network, Run, by_pairs
from filmcli.evaluation.metrics import Picture, psnr
from filmcli.evaluation.rivals import blend
from filmcli.frames import Neighbour, Planes
from filmcli.network.weights import Weights
from tests import nets
from tests.evaluation.footage import gliding

HALF, THIRDS = (Fraction(1, 2),), (Fraction(1, 3), Fraction(2, 3))


@pytest.fixture(scope="module")
def even() -> Weights:
    """Weights whose flows are zero: an even blend."""
    return nets.weights(nets.still())


@pytest.mark.parametrize("name", ["dis", "minterpolate"])
@pytest.mark.parametrize("phases", [HALF, THIRDS])
def test_motion_is_followed_to_every_frame_wanted(name: str, phases: tuple[Fraction, ...]) -> None:
    step = len(phases) + 1
    frames = gliding(5 * step + 1, speed=2)
    made = RIVALS[name](Run(frames[::step], [phases] * 5))
    assert [len(of) for of in made] == [len(phases)] * 5
    inner = np.s_[16:-16, 16:-16]
    nearest = [
        max(range(len(frames)), key=lambda at: psnr(frame[inner], frames[at][inner]))
        for of in made
        for frame in of
    ]
    assert nearest == [at for at in range(len(frames)) if at % step]


@pytest.mark.parametrize("phases", [HALF, THIRDS])
def test_repeat_and_blend_are_what_they_say(phases: tuple[Fraction, ...]) -> None:
    frames = gliding(4)
    run = Run(frames, [phases] * 3)
    for left, of in zip(frames, RIVALS["repeat"](run), strict=False):
        assert all(frame is left for frame in of)
        assert len(of) == len(phases)
    for at, of in enumerate(RIVALS["blend"](run)):
        for phase, frame in zip(phases, of, strict=True):
            assert np.array_equal(frame, blend(frames[at], frames[at + 1], float(phase)))


def test_a_network_without_flow_blends_in_the_right_colours(even: Weights) -> None:
    frames = gliding(7)
    frames = [frame // np.array([1, 2, 4], np.uint8) for frame in frames]  # red is not blue
    run = Run(frames[::2], [HALF] * 3)
    network, blended = Network(even, "cpu", "float32")(run), by_pairs(blend)(run)
    for (made,), (other,) in zip(network, blended, strict=True):
        assert made.dtype == np.uint8
        assert psnr(made, other) > 45


def test_adapted_parameters_are_asked_for_by_scene(even: Weights) -> None:
    tinted = {"fuse.paint.bias": even.state_dict["fuse.paint.bias"] + 0.5}
    asked: list[int] = []

    def params_of(scene: int) -> dict[str, torch.Tensor] | None:
        asked.append(scene)
        return tinted if scene else None

    frames = gliding(3)
    network = Network(even, "cpu", "float32", params_of)
    ((plain,),) = network(Run(frames[::2], [HALF], 0))
    ((adapted,),) = network(Run(frames[::2], [HALF], 1))
    assert asked == [0, 1]
    assert not np.array_equal(plain, adapted)


def test_a_network_takes_films_of_any_size(even: Weights) -> None:
    network = Network(even, "cpu", "float32")
    for height, width in ((96, 128), (51, 77)):
        frames = [frame[:height, :width] for frame in gliding(3)]
        ((made,),) = network(Run(frames[::2], [HALF]))
        assert made.shape == (height, width, 3)


class Doorway:
    """In place of the network's: gives the left frame, remembers what stands around it."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def between(
        self,
        left: Planes,
        right: Planes,
        phases: Sequence[Fraction],
        params: object = None,  # noqa: ARG002
        *,
        before: Neighbour | None = None,
        after: Neighbour | None = None,
    ) -> list[Planes]:
        beside = [one and (level(one.planes), one.distance) for one in (before, after)]
        self.seen.append((beside[0], level(left), level(right), beside[1]))
        return [left] * len(phases)


def level(planes: Planes) -> int:
    return int(planes[0][0, 0])


def flat(value: int) -> Picture:
    return np.full((32, 32, 3), value, np.uint8)


@pytest.fixture
def doorway(monkeypatch: pytest.MonkeyPatch) -> Doorway:
    stands_in = Doorway()
    monkeypatch.setattr("filmcli.evaluation.makers.Interpolator", lambda *_, **__: stands_in)
    return stands_in


def test_a_network_sees_the_frames_beside_an_interval(even: Weights, doorway: Doorway) -> None:
    one = Fraction(1)
    ((made,), nothing, (third,)) = Network(even)(
        Run([flat(1), flat(2), flat(3), flat(4)], [HALF, (), HALF])
    )
    assert (int(made[0, 0, 0]), nothing, int(third[0, 0, 0])) == (1, [], 3)
    assert doorway.seen == [
        (None, 1, 2, (3, one)),
        ((1, one), 2, 3, (4, one)),
        ((2, one), 3, 4, None),
    ]


def test_a_network_sees_the_frames_beside_a_run_at_their_distance(
    even: Weights, doorway: Doorway
) -> None:
    times = [Fraction(ms) for ms in (0, 40, 120, 200, 400)]
    inside = [flat(2), flat(3), flat(4)]
    Network(even)(Run(inside, [HALF] * 2, before=flat(1), after=flat(5), times=times))
    assert doorway.seen == [
        ((1, Fraction(1, 2)), 2, 3, (4, Fraction(1))),
        ((2, Fraction(1)), 3, 4, None),  # 5 is two and a half intervals away
    ]


def test_a_frame_that_repeats_its_neighbour_is_not_seen(even: Weights, doorway: Doorway) -> None:
    run = Run([flat(1), flat(2), flat(2)], [HALF] * 2, before=flat(1), after=flat(3))
    Network(even)(run)
    one = Fraction(1)
    assert doorway.seen == [(None, 1, 2, None), ((1, one), 2, 2, (3, one))]


def test_two_frames_have_nothing_beside_them(even: Weights, doorway: Doorway) -> None:
    Network(even)(Run([flat(1), flat(2)], [HALF]))
    assert doorway.seen == [(None, 1, 2, None)]


@pytest.mark.parametrize("name", RIVALS)
def test_the_old_ways_look_at_nothing_beside_a_run(name: str) -> None:
    frames = gliding(9, speed=2)
    bare = Run(frames[2:7:2], [HALF] * 2)
    beside = bare._replace(before=frames[0], after=frames[8])
    assert np.array_equal(RIVALS[name](bare), RIVALS[name](beside))
