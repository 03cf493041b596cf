"""The doorway: known blends, the network's own answer, caching, params, tiles, failures."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from filmcli.errors import MachineError, RenderError, UsageError
from filmcli.frames import Color, Layout, Neighbour, Planes
from filmcli.network import machine
from filmcli.network.color import download, from_rgb, to_rgb, upload
from filmcli.network.interpolator import Interpolator
from filmcli.network.moment import Moment
from filmcli.network.networks import CONFIGS, build
from filmcli.network.weights import Weights, load
from tests import nets

CPU = torch.device("cpu")
HALF = Fraction(1, 2)
YUV420 = Layout("yuv420p", "yuv", 8, 1, 1)
GRAY = Layout("gray", "gray", 8)
LAYOUTS = [YUV420, Layout("yuv422p10le", "yuv", 10, 1, 0), GRAY, Layout("gbrp", "rgb", 8)]


def weights(still: bool, seed: int = 0, scale: float = 1.0) -> Weights:
    """Random film-m; `still`: it finds no motion and blends by the phase alone."""
    make = nets.still if still else nets.lively
    return nets.weights(make(seed=seed), scale)


def noise(layout: Layout, width: int, height: int, seed: int) -> Planes:
    generator = np.random.default_rng(seed)
    top = 1 << layout.depth
    return tuple(
        generator.integers(top // 4, 3 * top // 4, shape).astype(layout.dtype)
        for shape in layout.plane_shapes(width, height)
    )


def levels_apart(a: Planes, b: Planes) -> int:
    return max(int(np.abs(x.astype(int) - y.astype(int)).max()) for x, y in zip(a, b, strict=True))


def answer(
    left: Planes, right: Planes, phase: float, state: dict[str, Tensor], layout: Layout
) -> Planes:
    """The picture by the plainest way: the network on RGB padded to 8, with nothing shared."""
    net = build(CONFIGS["film-m"])
    net.load_state_dict(state)
    rgb = [to_rgb(upload(planes, CPU), layout, Color()) for planes in (left, right)]
    height, width = rgb[0].shape[-2:]
    padding = (0, -width % 8, 0, -height % 8)
    with torch.no_grad():
        padded = [F.pad(x, padding, mode="replicate") for x in rgb]
        made = net(*padded, torch.tensor([phase]))[:, :, :height, :width]
    (planes,) = download(from_rgb(made, layout, Color()), layout)
    return planes


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.pix_fmt)
@pytest.mark.parametrize("size", [(64, 64), (50, 38), (33, 17)])
def test_still_network_blends_by_the_phase(layout: Layout, size: tuple[int, int]) -> None:
    left, right = noise(layout, *size, 1), noise(layout, *size, 2)
    doorway = Interpolator(weights(still=True), layout, Color(), *size, device="cpu")
    phases = [Fraction(4, 5), Fraction(1, 3), HALF]
    for phase, made in zip(phases, doorway.between(left, right, phases), strict=True):
        p = float(phase)
        for i, plane in enumerate(made):
            if i and (size[0] % 2 or size[1] % 2) and layout.chroma_x:
                continue  # chroma's last column covers half a sample there
            blend = (1 - p) * left[i].astype(float) + p * right[i]
            assert np.abs(plane - blend).max() <= 0.51
            assert plane.dtype == layout.dtype


@pytest.mark.parametrize("size", [(128, 64), (90, 70)])
def test_agrees_with_the_network_called_plainly(size: tuple[int, int]) -> None:
    given = weights(still=False)
    left, right = noise(YUV420, *size, 1), noise(YUV420, *size, 2)
    doorway = Interpolator(given, YUV420, Color(), *size, device="cpu", precision="float32")
    for phase in (HALF, Fraction(1, 5)):
        (made,) = doorway.between(left, right, [phase])
        expected = answer(left, right, float(phase), given.state_dict, YUV420)
        assert levels_apart(made, expected) <= 1


@pytest.mark.parametrize("tile", [None, 192])
def test_alpha_is_mixed_as_the_colour_is_and_what_is_opaque_stays_so(tile: int | None) -> None:
    layout, size = Layout("rgba", "rgb", 8, alpha=True), (250, 40)
    left, right = noise(layout, *size, 1), noise(layout, *size, 2)
    still = Interpolator(weights(still=True), layout, Color(), *size, device="cpu", tile=tile)
    (made,) = still.between(left, right, [Fraction(1, 4)])
    assert np.abs(made[3] - (0.75 * left[3].astype(float) + 0.25 * right[3])).max() <= 0.51
    for code in (0, 255):
        left[3][:], right[3][:] = code, code
        moving = Interpolator(weights(still=False), layout, Color(), *size, device="cpu", tile=tile)
        (made,) = moving.between(left, right, [Fraction(1, 3)])
        assert (made[3] == code).all()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The network's stages, in the order of their calls."""
    calls: list[str] = []

    def counted(name: str) -> Callable[..., object]:
        original = getattr(Moment, name)

        def call(*args: object) -> object:
            calls.append(name)
            return original(*args)

        return call

    for name in ("features", "interval"):
        monkeypatch.setattr(Moment, name, counted(name))
    return calls


@pytest.mark.parametrize("is_bent", [False, True])
def test_features_of_a_frame_are_computed_once(calls: list[str], is_bent: bool) -> None:
    frames = [noise(GRAY, 32, 32, seed) for seed in range(5)]
    around = [None, *(Neighbour(planes, Fraction(1)) for planes in frames), None]
    doorway = Interpolator(weights(still=False), GRAY, Color(), 32, 32, device="cpu")
    for index, (left, right) in enumerate(pairwise(frames)):
        before, after = (around[index], around[index + 3]) if is_bent else (None, None)
        phases = [Fraction(1, 4), HALF, Fraction(3, 4)]
        doorway.between(left, right, phases, before=before, after=after)
    assert calls.count("features") == 5
    assert calls.count("interval") == 4


def slid(places: Sequence[float], width: int) -> list[Planes]:
    """A waving grey texture that stands at `places`, px to the right."""
    columns = np.arange(width)[None] + np.zeros((64, 1))
    rows = np.arange(64)[:, None]
    return [
        (
            (
                32000
                + 12000 * np.sin((columns - place) / 3)
                + 9000 * np.cos((columns - place) / 7 + rows / 5)
            ).astype(np.uint16),
        )
        for place in places
    ]


@pytest.mark.parametrize("tile", [None, 192])
def test_frames_around_tell_how_the_motion_bends(tile: int | None) -> None:
    layout, width = Layout("gray16le", "gray", 16), 260
    speeding = [2 * t * t for t in (-1, 0, 0.5, 1, 2)]
    first, left, truth, right, last = slid(speeding, width)
    doorway = Interpolator(load(), layout, Color(), width, 64, device="cpu", tile=tile)

    def error(before: Neighbour | None, after: Neighbour | None) -> float:
        ((made,),) = doorway.between(left, right, [HALF], before=before, after=after)
        inside = slice(16, -16)
        return float(np.abs(made.astype(float) - truth[0])[:, inside].mean())

    before, after = Neighbour(first, Fraction(1)), Neighbour(last, Fraction(1))
    assert error(before, after) < 0.4 * error(None, None)
    assert error(before, None) < 0.6 * error(None, None)
    assert error(None, after) < 0.6 * error(None, None)


def test_params_stand_in_for_one_call_only() -> None:
    base, other = weights(still=False, seed=0), weights(still=False, seed=5)
    size = (64, 64)
    left, right = noise(GRAY, *size, 1), noise(GRAY, *size, 2)
    doorway = Interpolator(base, GRAY, Color(), *size, device="cpu", precision="float32")
    before = {name: tensor.clone() for name, tensor in base.state_dict.items()}
    (plain,) = doorway.between(left, right, [HALF])
    adapted = {n: t for n, t in other.state_dict.items() if n.startswith(("fuse", "extract"))}
    (changed,) = doorway.between(left, right, [HALF], adapted)
    expected = answer(left, right, 0.5, {**base.state_dict, **adapted}, GRAY)
    assert levels_apart(changed, expected) <= 1
    assert levels_apart(changed, plain) > 5
    (again,) = doorway.between(left, right, [HALF])
    assert levels_apart(again, plain) == 0
    for name, tensor in before.items():
        assert torch.equal(base.state_dict[name], tensor)


def test_recursion_goes_by_the_midpoint() -> None:
    given = weights(still=False)
    layout, size = Layout("gbrp16le", "rgb", 16), (64, 64)
    left, right = noise(layout, *size, 1), noise(layout, *size, 2)
    doorway = Interpolator(
        given, layout, Color(), *size, device="cpu", precision="float32", recursion=1
    )
    middle, quarter = doorway.between(left, right, [HALF, Fraction(1, 4)])
    # At 16 bits the rounding of the middle does not show.
    assert levels_apart(quarter, answer(left, middle, 0.5, given.state_dict, layout)) <= 66
    assert levels_apart(quarter, answer(left, right, 0.25, given.state_dict, layout)) > 500


def test_gradients_are_off_inside_and_as_before_outside() -> None:
    doorway = Interpolator(weights(still=False), GRAY, Color(), 32, 32, device="cpu")
    tuned = {"fuse.paint.bias": torch.zeros(32, requires_grad=True)}
    doorway.between(noise(GRAY, 32, 32, 1), noise(GRAY, 32, 32, 2), [HALF], tuned)
    assert torch.is_grad_enabled()
    assert tuned["fuse.paint.bias"].grad is None


@pytest.mark.parametrize("tile", [192, 256])
def test_tiles_leave_no_seams_in_a_still_network(tile: int) -> None:
    size = (420, 300)
    left, right = noise(YUV420, *size, 1), noise(YUV420, *size, 2)
    whole, tiled = (
        Interpolator(weights(still=True), YUV420, Color(), *size, device="cpu", tile=t)
        for t in (None, tile)
    )
    assert f"tiles of {tile} px" in tiled.describe()
    phases = [HALF, Fraction(1, 5)]
    for a, b in zip(*(d.between(left, right, phases) for d in (whole, tiled)), strict=True):
        assert levels_apart(a, b) <= 1


def test_tiles_are_taken_when_memory_runs_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = Moment.features

    def too_large(self: Moment, frame: Tensor) -> object:
        if frame.shape[-1] > 256:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return original(self, frame)

    monkeypatch.setattr(Moment, "features", too_large)
    left, right = noise(GRAY, 500, 64, 1), noise(GRAY, 500, 64, 2)
    doorway = Interpolator(weights(still=True), GRAY, Color(), 500, 64, device="cpu")
    assert "tiles" not in doorway.describe()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            (made,) = doorway.between(left, right, [HALF])
    assert np.abs(made[0] - (left[0].astype(float) + right[0]) / 2).max() <= 0.51
    assert [r.message for r in caplog.records] == [
        "not enough memory for whole pictures; working in 256 px tiles"
    ]
    fixed = Interpolator(weights(still=True), GRAY, Color(), 500, 64, device="cpu", tile=None)
    with pytest.raises(MachineError, match="does not suffice"):
        fixed.between(left, right, [HALF])


def test_tile_follows_from_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = []
    for gigabytes in (1, 4, 16, 64, 1000):
        monkeypatch.setattr(machine, "free_memory", lambda amount=gigabytes: amount << 30)
        tiles.append(machine.tile_that_fits("film", torch.float32, 2160, 3840))
    assert tiles[-1] is None
    sides = [t for t in tiles if t]
    assert sides == sorted(sides) and sides[0] >= 192 and all(t % 64 == 0 for t in sides)
    assert machine.tile_that_fits("film", torch.float32, 64, 64) is None


def test_half_precision_that_overflows_falls_back(caplog: pytest.LogCaptureFixture) -> None:
    given = weights(still=False)
    state = dict(given.state_dict)
    name = "extract.stages.0.0.0"
    # Features of some 1e6, more than float16 holds.
    state[f"{name}.weight"] = state[f"{name}.weight"] * 1e6
    huge = Weights("film-m", state, {}, "")
    left, right = noise(GRAY, 32, 32, 1), noise(GRAY, 32, 32, 2)
    half, full = (
        Interpolator(huge, GRAY, Color(), 32, 32, device="cpu", precision=p)
        for p in ("float16", "float32")
    )
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            made = half.between(left, right, [HALF])
    assert levels_apart(made[0], full.between(left, right, [HALF])[0]) == 0
    assert len(caplog.records) == 1
    assert half.describe() == "cpu, float32"


def test_infinite_weights_are_an_error() -> None:
    broken = weights(still=False, scale=float("inf"))
    doorway = Interpolator(broken, GRAY, Color(), 32, 32, device="cpu", precision="float32")
    with pytest.raises(RenderError, match="not a picture"):
        doorway.between(noise(GRAY, 32, 32, 1), noise(GRAY, 32, 32, 2), [HALF])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_near(precision: str) -> None:
    size = (96, 64)
    left, right = noise(YUV420, *size, 1), noise(YUV420, *size, 2)
    half, full = (
        Interpolator(weights(still=True), YUV420, Color(), *size, device="cpu", precision=p)
        for p in (precision, "float32")
    )
    (a,), (b,) = (d.between(left, right, [Fraction(1, 3)]) for d in (half, full))
    assert levels_apart(a, b) <= 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"device": "cuda:77"}, MachineError),
        ({"device": "gpu"}, UsageError),
        ({"device": "meta"}, UsageError),
        ({"device": "cpu", "precision": "float8"}, UsageError),
        ({"device": "cpu", "tile": 100}, UsageError),
    ],
)
def test_what_is_not_there_is_told(words: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        Interpolator(weights(still=True), GRAY, Color(), 32, 32, **words)  # type: ignore[arg-type]


def test_float32_is_not_rounded_to_less(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = noise(GRAY, 32, 32, 1), noise(GRAY, 32, 32, 2)
    doorway = Interpolator(weights(still=True), GRAY, Color(), 32, 32, device="cpu")
    allowed = []
    forward = Moment.features
    monkeypatch.setattr(
        Moment,
        "features",
        lambda *of: allowed.append(torch.backends.cudnn.allow_tf32) or forward(*of),  # type: ignore[func-returns-value]
    )
    before = torch.backends.cudnn.allow_tf32
    doorway.between(left, right, [HALF])
    assert allowed
    assert not any(allowed)
    assert torch.backends.cudnn.allow_tf32 is before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_the_cpu() -> None:
    left, right = noise(YUV420, 128, 96, 1), noise(YUV420, 128, 96, 2)
    cpu, cuda = (
        Interpolator(weights(still=True), YUV420, Color(), 128, 96, device=d)
        for d in ("cpu", "cuda")
    )
    (a,), (b,) = (d.between(left, right, [HALF]) for d in (cpu, cuda))
    assert levels_apart(a, b) <= 1


def test_a_pickled_doorway_is_made_anew_and_makes_the_same() -> None:
    doorway = Interpolator(weights(still=False), YUV420, Color(), 32, 24, device="cpu", tile=None)
    left, right = (noise(YUV420, 32, 24, seed) for seed in (1, 2))
    again = pickle.loads(pickle.dumps(doorway))
    (one,), (other,) = (made.between(left, right, [HALF]) for made in (doorway, again))
    assert levels_apart(one, other) == 0
    assert again.describe() == doorway.describe()
