"""Frames in memory: every kind comes back as itself, with the picture that the network makes."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import filmcli
from filmcli.errors import MachineError, UsageError
from filmcli.network import weights
from tests.nets import lively, still

SIZE = (48, 64)
Array = NDArray[Any]


@pytest.fixture(scope="module")
def blend(tmp_path_factory: pytest.TempPathFactory) -> filmcli.Interpolator:
    """The network that blends both neighbours by the phase."""
    path = tmp_path_factory.mktemp("weights") / "still.safetensors"
    weights.save(str(path), "film-m", still().state_dict(), dtype=torch.float32)
    return filmcli.Interpolator(path, "cpu", "float32")


def shade(level: float, dtype: Any = np.uint8) -> Array:
    """A frame of three grey stripes, in steps of a tenth of what the type holds, from `level`."""
    largest = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    frame = np.empty((*SIZE, 3), dtype)
    for channel in range(3):
        frame[..., channel] = (level + channel / 10) * largest
    return frame


def as_tensor(frame: Array) -> torch.Tensor:
    return torch.from_numpy(frame).movedim(-1, -3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
def test_numpy_comes_back_as_it_went_in(blend: filmcli.Interpolator, dtype: Any) -> None:
    left, right = shade(0.2, dtype), shade(0.6, dtype)
    made = blend.between(left, right, [0.25, Fraction(1, 2)])
    for frame, level in zip(made, (0.3, 0.4), strict=True):
        assert (frame.dtype, frame.shape) == (left.dtype, left.shape)
        truth = shade(level, dtype)
        step = 1 if np.issubdtype(dtype, np.integer) else 1e-3
        assert abs(frame.astype(np.float64) - truth).max() <= max(step, truth.max() * 1e-4)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16, torch.bfloat16])
def test_torch_comes_back_as_it_went_in(blend: filmcli.Interpolator, dtype: torch.dtype) -> None:
    scale = 255 if dtype == torch.uint8 else 1
    left, right = (as_tensor(shade(v, np.float32) * scale).to(dtype) for v in (0.2, 0.6))
    (made,) = blend.between(left, right)
    assert (made.dtype, made.shape, made.device) == (dtype, (3, *SIZE), left.device)
    truth = as_tensor(shade(0.4, np.float32) * scale)
    assert (made.float() - truth).abs().max() <= (2 if scale == 255 else 4e-3)


def test_numpy_and_torch_give_the_same_picture() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 256, (2, *SIZE, 3), np.uint8)
    interpolator = filmcli.Interpolator(device="cpu")
    (of_numpy,) = interpolator.between(left, right)
    (of_torch,) = interpolator.between(as_tensor(left), as_tensor(right))
    assert np.array_equal(of_numpy, of_torch.movedim(0, -1).numpy())


def test_a_batch_is_as_many_pairs() -> None:
    rng = np.random.default_rng(1)
    left, right = rng.integers(0, 256, (2, 3, *SIZE, 3), np.uint8)
    interpolator = filmcli.Interpolator(device="cpu")
    made = interpolator.between(left, right, [0.5, 0.75])
    alone = [interpolator.between(*pair, [0.5, 0.75]) for pair in zip(left, right, strict=True)]
    for at, batch in enumerate(made):
        assert np.array_equal(batch, np.stack([frames[at] for frames in alone]))


def test_planes_stay_planes_and_their_matrix_changes_no_grey(blend: filmcli.Interpolator) -> None:
    shapes = [SIZE, (24, 32), (24, 32)]
    left, right = (
        tuple(np.full(shape, code, np.uint8) for shape, code in zip(shapes, codes, strict=True))
        for codes in ((60, 128, 128), (120, 128, 128))
    )
    (made,) = blend.between(left, right)
    assert [plane.shape for plane in made] == shapes
    assert [int(np.median(plane)) for plane in made] == [90, 128, 128]


def test_ten_bits_and_a_matrix(tmp_path: Path) -> None:
    path = tmp_path / "lively.safetensors"
    weights.save(str(path), "film-m", lively().state_dict())
    rng = np.random.default_rng(2)
    shapes = [SIZE, (48, 32), (48, 32)]
    left, right = (
        tuple(rng.integers(64, 900, shape).astype(np.uint16) for shape in shapes) for _ in range(2)
    )
    made = {
        matrix: filmcli.Interpolator(
            path, "cpu", pix_fmt="yuv422p10le", color=filmcli.Color(matrix=matrix)
        ).between(left, right)[0]
        for matrix in ("bt709", "smpte170m")
    }
    assert all(plane.dtype == np.uint16 and plane.max() < 1024 for plane in made["bt709"])
    assert not np.array_equal(made["bt709"][0], made["smpte170m"][0])


def test_a_sequence_keeps_its_frames_and_rises_evenly(blend: filmcli.Interpolator) -> None:
    frames = [shade(level, np.uint16) for level in (0.1, 0.2, 0.3, 0.4)]
    new = list(blend.smooth(iter(frames), 2.5))
    assert len(new) == 8
    assert new[0] is frames[0] and new[5] is frames[2]
    steps = {int(later[0, 0, 0]) - int(earlier[0, 0, 0]) for earlier, later in pairwise(new)}
    assert all(abs(step - 0.1 / 2.5 * 65535) <= 2 for step in steps)


def test_a_sequence_bends_as_between_does_with_the_frames_around() -> None:
    rng = np.random.default_rng(3)
    texture = rng.integers(0, 256, (*SIZE, 3), np.uint8).repeat(2, 0).repeat(2, 1)
    frames = [np.roll(texture, shift, 1) for shift in (0, 1, 4, 9)]
    interpolator = filmcli.Interpolator(device="cpu")
    new = list(interpolator.smooth(frames))
    (around,) = interpolator.between(frames[1], frames[2], before=frames[0], after=frames[3])
    (alone,) = interpolator.between(frames[1], frames[2])
    assert np.array_equal(new[3], around)
    assert not np.array_equal(new[3], alone)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_sequences(blend: filmcli.Interpolator, count: int) -> None:
    frames = [shade(0.1 * index) for index in range(count)]
    new = list(blend.smooth(frames, 3))
    assert len(new) == max(0, 3 * count - 2)
    assert all(one is other for one, other in zip(new[::3], frames, strict=True))


WRONG: dict[str, tuple[Any, Any]] = {
    "other size": (shade(0), shade(0)[:, 1:]),
    "other type": (shade(0), shade(0, np.float32)),
    "other kind": (shade(0), as_tensor(shade(0))),
    "other batch": (np.stack([shade(0)] * 2), np.stack([shade(0)] * 3)),
    "grey": (shade(0)[..., 0], shade(0)[..., 0]),
    "alpha": (np.zeros((*SIZE, 4), np.uint8),) * 2,
    "channels first": (np.zeros((3, *SIZE), np.uint8),) * 2,
    "channels last": (torch.zeros(*SIZE, 3),) * 2,
    "signed": (np.zeros((*SIZE, 3), np.int32),) * 2,
    "nothing": (np.zeros((0, 64, 3), np.uint8),) * 2,
    "not a number": (np.full((*SIZE, 3), np.nan),) * 2,
    "a list": ([[0]], [[0]]),
    "one plane": ((np.zeros(SIZE, np.uint8),),) * 2,
    "deep planes": (tuple(np.zeros(shape, np.uint16) for shape in (SIZE, (24, 32), (24, 32))),) * 2,
}


@pytest.mark.parametrize(("left", "right"), WRONG.values(), ids=WRONG)
def test_what_is_no_pair_of_frames_is_said(
    blend: filmcli.Interpolator, left: Any, right: Any
) -> None:
    with pytest.raises(UsageError) as caught:
        blend.between(left, right)
    assert caught.value.why and caught.value.do


@pytest.mark.parametrize("phase", [0, 1, -0.5, 1.5, float("nan"), float("inf")])
def test_a_phase_lies_between_0_and_1(blend: filmcli.Interpolator, phase: float) -> None:
    with pytest.raises(UsageError, match="phase"):
        blend.between(shade(0), shade(0.5), [phase])


@pytest.mark.parametrize("multiple", [0, -2, 1001, float("nan")])
def test_a_multiple_is_a_number_of_times(blend: filmcli.Interpolator, multiple: float) -> None:
    with pytest.raises(UsageError, match="times the frames"):
        next(blend.smooth([shade(0)], multiple))


def test_what_is_not_there_is_said_at_once() -> None:
    with pytest.raises(MachineError):
        filmcli.Interpolator("missing.safetensors")
    with pytest.raises(MachineError):
        filmcli.Interpolator(device="cuda:99")
    with pytest.raises(UsageError):
        filmcli.Interpolator(precision="float8")
    with pytest.raises(UsageError):
        filmcli.Interpolator(pix_fmt="nv12")
