"""What motion blur tells: turned as the scene is, nothing where nothing moves, and right."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from filmcli.adaptation.film import adaptable
from filmcli.network.matching import Matched, Times
from filmcli.network.pyramids import image_pyramid, resize_like, warp
from filmcli.network.sway import Sway, moved, smear
from filmcli.network.weights import load
from tests.training import footage

HEIGHT, WIDTH = 96, 128


def lively() -> Sway:
    """One that says something, by random weights."""
    torch.manual_seed(3)
    sway = Sway(8)
    torch.nn.init.normal_(sway.leave.weight, std=12.0)
    return sway


def scene(seed: int, pace: float = 8.0) -> tuple[Tensor, Tensor, Tensor]:
    """Left, right and the ways of level 2, smooth and at random."""
    generator = torch.Generator().manual_seed(seed)
    left, right = torch.rand(2, 1, 3, HEIGHT, WIDTH, generator=generator)
    ways = pace * torch.randn(1, 8, 4, 5, generator=generator)
    return left, right, resize_like(ways, left[..., ::4, ::4])


def strayed(sway: Sway, left: Tensor, right: Tensor, ways: Tensor, moment: float = 0.4) -> Tensor:
    known = Matched(ways, ways[:, :1], ways[:, :1])
    times = Times(
        torch.tensor([moment]), torch.tensor([[0.0, 1, -1, 2]]), torch.tensor([[1.0, 1, 1, 0]])
    )
    with torch.no_grad():
        return sway(*(smear(image_pyramid(of, 4)) for of in (left, right)), known, times)


def mirrored(x: Tensor) -> Tensor:
    """A picture, or a field of vectors, as a mirror shows it."""
    x = x.flip(-1)
    if x.shape[1] % 2 == 0:
        x = x * torch.tensor([-1.0, 1]).repeat(x.shape[1] // 2)[:, None, None]
    return x


def transposed(x: Tensor) -> Tensor:
    """A picture, or a field of vectors, with x and y changed."""
    x = x.transpose(-1, -2)
    if x.shape[1] % 2 == 0:
        x = x.unflatten(1, (-1, 2)).flip(2).flatten(1, 2)
    return x


@pytest.mark.parametrize("turned", [mirrored, transposed])
def test_a_turned_scene_strays_as_the_scene_does(turned: object) -> None:
    assert callable(turned)
    sway, given = lively(), scene(1)
    once = strayed(sway, *given)
    assert once.shape == (1, 2) and once.abs().max() > 0.05
    with torch.no_grad():
        for layer in (sway.near[0], sway.far[0]):  # 3x3: look alike whichever way they are turned
            kernel = layer.weight
            kernel[:] = (
                sum(torch.rot90(k, n, (2, 3)) for k in (kernel, kernel.flip(3)) for n in range(4))
                / 8
            )
    once = strayed(sway, *given)
    again = strayed(sway, *(turned(of) for of in given))
    assert torch.allclose(again, turned(once[..., None, None])[..., 0, 0], atol=1e-5)


def test_nothing_strays_where_nothing_moves_nor_at_the_frames_themselves() -> None:
    sway, (left, right, ways) = lively(), scene(2)
    assert (strayed(sway, left, right, 0 * ways) == 0).all()
    for moment in (0.0, 1.0):
        assert (strayed(sway, left, right, ways, moment) == 0).all()


def test_what_is_moved_fetches_the_same_further_on() -> None:
    picture = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(4))
    ways = torch.full((1, 8, 40, 48), 1.0)
    mask = torch.zeros(1, 1, 40, 48)
    mask[..., 20, 30] = 1
    after = moved(Matched(ways, mask, mask.repeat(1, 5, 1, 1)), torch.tensor([[3.0, -2.0]]))
    before, shifted = warp(picture, ways[:, :2]), warp(picture, after.ways[:, :2])
    assert torch.allclose(shifted[..., 4:-6, 6:-4], before[..., 6:-4, 3:-7], atol=1e-5)
    for told in (after.mask[0, 0], after.state[0, 4]):
        assert float(told[18, 33]) == pytest.approx(1, abs=1e-4)
        assert float(told.sum()) == pytest.approx(1, abs=1e-4)


TEXTURE = footage.texture(420, 520, 5).astype(np.float32)


def exposed(x: float, y: float, speed_x: float, speed_y: float, shutter: float) -> Tensor:
    """A picture that stands at (x, y) while it goes on at a speed, px an interval."""
    moments = np.linspace(-0.5, 0.5, 25) * shutter
    seen: list[NDArray[np.float32]] = [
        cv2.warpAffine(
            TEXTURE,
            np.float32([[1, 0, x + s * speed_x - 90], [0, 1, y + s * speed_y - 80]]),
            (320, 240),
        )
        for s in moments
    ]
    mean = torch.from_numpy(np.mean(seen, axis=0) / 255)
    return mean.permute(2, 0, 1)[None].float()


@pytest.mark.parametrize("bend", [-20.0, 20.0])
def test_the_network_that_ships_reads_the_sway_of_a_camera(bend: float) -> None:
    """From (0, 0) to (30, 12): at the first end `bend` faster downwards than in the mean."""
    net = adaptable(load(None), "cpu")
    first, last = 12 + bend, 12 - bend
    left, right = exposed(0, 0, 30, first, 0.3), exposed(30, 12, 30, last, 0.3)
    with torch.no_grad():
        made = net(left, right, torch.tensor([0.5]))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [
        (255 * of[0].mean(dim=0)).round().byte().numpy()
        for of in (exposed(15, 6, 30, 12, 0.3), made)
    ]
    aside = np.median(flow.calc(*grey, None)[40:-40, 50:-50].reshape(-1, 2), axis=0)  # type: ignore[call-overload]
    truth = np.array([0, bend / 4])
    assert np.hypot(*(aside - truth)) < 0.75 * abs(bend / 4)
