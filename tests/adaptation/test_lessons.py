"""What the network is asked: both questions, what counts of the answer, and what is reused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from filmcli.adaptation.lessons import Exam, Lesson, Questions, Triplets
from filmcli.adaptation.making import Making
from filmcli.adaptation.support import stack
from filmcli.backbones.voxelflow import VoxelFlow
from filmcli.losses import charbonnier
from filmcli.network.film import Film
from filmcli.network.moment import Moment
from filmcli.network.networks import Network
from filmcli.network.synthesis import Beside
from tests import nets


class Shifted(nn.Module):
    """Blends by the phase and adds its one parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(()))

    def forward(self, left: Tensor, right: Tensor, phase: Tensor) -> Tensor:
        at = phase[:, None, None, None]
        return (1 - at) * left + at * right + self.offset


def flat(*levels: float, size: int = 4, margin: int = 0, phase: float = 0.5) -> Triplets:
    left, middle, right = (torch.full((1, 3, size, size), level) for level in levels)
    return Triplets(left, middle, right, torch.tensor([phase]), margin)


def noise(side: int = 64, batch: int = 1, seed: int = 0) -> Triplets:
    generator = torch.Generator().manual_seed(seed)
    frames = (torch.rand(batch, 3, side, side, generator=generator) for _ in range(3))
    return Triplets(*frames, torch.full((batch,), 0.5))  # type: ignore[misc]


def ours() -> Moment:
    return nets.lively(nets.TINY).requires_grad_(False)


def film() -> Film:
    torch.manual_seed(0)
    return Film(nets.TINY_FILM).requires_grad_(False)


@pytest.mark.parametrize(
    ("questions", "expected"),
    [
        # made from 0 and 0.8 at the middle: 0.4, true 0.5
        (Questions(1, 0), 0.1),
        # 0.25 and 0.65 are made first, then 0.45
        (Questions(0, 1), 0.05),
        (Questions(1, 2), 0.2),
    ],
)
def test_both_questions_by_hand(questions: Questions, expected: float) -> None:
    net = Shifted()
    lesson = Lesson(net, flat(0.0, 0.5, 0.8), questions, ["offset"])
    assert lesson.loss({}).item() == pytest.approx(expected, abs=1e-4)


def test_the_phase_of_uneven_times_counts() -> None:
    lesson = Lesson(Shifted(), flat(0.0, 0.25, 1.0, phase=0.25), Questions(1, 0), ["offset"])
    assert lesson.loss({}).item() == pytest.approx(1e-3)  # Charbonnier's foot


def test_the_gradient_passes_through_both_generations_of_the_cycle() -> None:
    # the offset enters the first generation and the second: 0.45 + 2 c
    offset = torch.zeros((), requires_grad=True)
    lesson = Lesson(Shifted(), flat(0.0, 0.5, 0.8), Questions(0, 1), ["offset"])
    (gradient,) = torch.autograd.grad(lesson.loss({"offset": offset}), offset)
    assert gradient.item() == pytest.approx(-2.0, rel=1e-3)


def test_the_margin_neither_teaches_nor_counts() -> None:
    triplets = flat(0.2, 0.2, 0.2, size=8, margin=2)
    triplets.middle[..., :2, :] = 1.0
    assert Lesson(Shifted(), triplets, Questions(), []).loss({}).item() == pytest.approx(2e-3)
    assert Exam(Shifted(), triplets, Questions(), []).scores({}).psnr == [[100.0], [100.0]]


@pytest.mark.parametrize(
    ("questions", "errors"),
    [(Questions(1, 0), [0.1]), (Questions(0, 1), [0.05]), (Questions(1, 0.3), [0.1, 0.05])],
)
def test_scores_by_hand(questions: Questions, errors: list[float]) -> None:
    triplets = stack([flat(0.0, 0.5, 0.8), flat(0.5, 0.5, 0.5)])
    found = Exam(Shifted(), triplets, questions, []).scores({}).psnr
    for scores, error in zip(found, errors, strict=True):
        assert scores == pytest.approx([-20 * math.log10(error), 100], abs=1e-2)


def test_the_score_of_broken_parameters_is_nan() -> None:
    exam = Exam(Shifted(), flat(0.0, 0.5, 0.8), Questions(), ["offset"])
    assert math.isnan(exam.scores({"offset": torch.tensor(math.nan)}).psnr[0][0])


@pytest.mark.parametrize("questions", [Questions(1, 0), Questions(0, 1), Questions(1, 0.5)])
@pytest.mark.parametrize(
    ("build", "parts"),
    [
        (ours, ("fuse",)),
        (ours, ("near", "far", "fuse")),
        (ours, ("far",)),
        (film, ("fuse",)),
        (film, ("predict_flow", "fuse")),
        (film, ("predict_flow",)),
    ],
)
def test_what_is_done_once_changes_nothing(
    questions: Questions, build: Callable[[], Network], parts: tuple[str, ...]
) -> None:
    net, triplets = build(), noise()
    params = {
        name: (value + 0.001).requires_grad_()
        for name, value in net.named_parameters()
        if name.startswith(parts)
    }
    cached = Lesson(net, triplets, questions, list(params))
    # a name of the extractor: nothing may be done in advance
    plain = Lesson(net, triplets, questions, [*params, "extract."])
    torch.testing.assert_close(cached.loss(params), plain.loss(params), atol=1e-5, rtol=1e-4)
    ours = torch.autograd.grad(cached.loss(params), list(params.values()))
    theirs = torch.autograd.grad(plain.loss(params), list(params.values()))
    for mine, other in zip(ours, theirs, strict=True):
        # Without gradients warping sums in another order, and convolution and ReLU are one
        # operator that rounds once: of noise, which turns signs of the loss, that shows.
        assert (mine - other).norm() <= 1e-2 * other.norm() + 1e-9


@pytest.mark.parametrize(
    ("build", "matcher", "name", "features", "matched"),
    [
        # features of three frames; motion of the whole interval and of its halves
        (ours, "near", "fuse.paint.bias", 3, 3),
        (ours, "near", "near.leave.bias", 3, 0),
        (ours, "near", "far.leave.bias", 3, 0),
        (ours, "near", "extract.join_far.bias", 0, 0),
        (film, "predict_flow", "fuse.output_conv.bias", 3, 3),
        (film, "predict_flow", "predict_flow._predictor._convs.0.0.bias", 3, 0),
        (film, "predict_flow", "extract.extract_sublevels.convs.0.0.0.bias", 0, 0),
    ],
)
def test_what_stays_as_it_is_is_computed_once_a_support_set(
    build: Callable[[], Network], matcher: str, name: str, features: int, matched: int
) -> None:
    net, triplets = build(), noise()
    calls = {"extract": 0, matcher: 0}

    def count(part: str) -> None:
        calls[part] += 1

    net.extract.register_forward_hook(lambda *_: count("extract"))
    net.get_submodule(matcher).register_forward_hook(lambda *_: count(matcher))
    lesson = Lesson(net, triplets, Questions(), [name])
    assert calls == {"extract": features, matcher: matched}
    for _ in range(3):
        lesson.loss({name: net.get_parameter(name)})
    # a made frame is another one every time: the last generation of the cycle
    anew = {"extract": 2 + 2 * (3 - features), matcher: 1 + 3 - matched}
    assert calls == {
        "extract": features + 3 * anew["extract"],
        matcher: matched + 3 * anew[matcher],
    }


def made_of_four(
    net: Network, frames: Sequence[Tensor], distance: float = 1.0, at: float = 0.5
) -> Tensor:
    """The frame between the inner two of four, by the network's own stages."""
    before, left, right, after = (net.features(frame) for frame in frames)
    away = torch.full((len(frames[0]),), distance)
    interval = net.interval(left, right, Beside(before, away), Beside(after, away))
    return net.synthesize(interval, torch.full_like(away, at)).frame


@pytest.mark.parametrize("build", [ours, film])
@pytest.mark.parametrize("part", ["fuse", "near", "predict_flow", "extract"])
def test_a_frame_is_made_as_by_the_network_itself(build: Callable[[], Network], part: str) -> None:
    net = build()
    names = [name for name, _ in net.named_parameters() if name.startswith(f"{part}.")]
    params = {name: net.get_parameter(name) + 0.01 for name in names}
    before, left, right, after = torch.rand(4, 2, 3, 64, 48)
    phase = torch.tensor([0.25, 0.6])
    making = Making(net, names)
    alone, framed = (making.between(left, right, phase, a) for a in (None, (before, after)))
    anew = making.anew(left, right, phase, params, (before, after))
    net.load_state_dict(net.state_dict() | params)
    torch.testing.assert_close(alone(params), net(left, right, phase), atol=1e-5, rtol=0)
    for way, distance in ((framed(params), 1.0), (anew, 0.5)):
        for i in range(2):
            frames = [frame[i : i + 1] for frame in (before, left, right, after)]
            expected = made_of_four(net, frames, distance, float(phase[i]))
            torch.testing.assert_close(way[i : i + 1], expected, atol=1e-4, rtol=0)
    # the frames around tell ours how motion bends, and published FILM nothing
    bends = not torch.allclose(framed(params), alone(params), atol=1e-3)
    assert bends == net.looks_beside


@pytest.mark.parametrize("name", ["fuse.paint.bias", "near.leave.bias", "extract.join_far.bias"])
def test_frames_around_bend_the_motion_of_every_answer(name: str) -> None:
    net = ours()
    frames = dict(zip((-3, -2, -1, 0, 1, 2, 3), torch.rand(7, 1, 3, 64, 64), strict=True))
    around = torch.stack([frames[k] for k in (-3, -2, 2, 3)], dim=1)
    triplets = Triplets(frames[-1], frames[0], frames[1], torch.tensor([0.5]), 0, around)
    params = {name: net.get_parameter(name)}

    def loss(questions: Questions, of: Triplets) -> Tensor:
        return Lesson(net, of, questions, [name]).loss(params)

    doubled = made_of_four(net, [frames[k] for k in (-3, -1, 1, 3)])
    torch.testing.assert_close(loss(Questions(1, 0), triplets), charbonnier(doubled, frames[0]))
    before, after = (
        made_of_four(net, [frames[k + step] for k in (-2, -1, 0, 1)]) for step in (0, 1)
    )
    cycle = made_of_four(net, [frames[-1], before, after, frames[1]], 0.5)
    torch.testing.assert_close(loss(Questions(0, 1), triplets), charbonnier(cycle, frames[0]))
    for questions in (Questions(1, 0), Questions(0, 1)):
        alone = loss(questions, triplets._replace(around=None))
        assert not torch.isclose(loss(questions, triplets), alone, rtol=1e-4)


@pytest.mark.parametrize("build", [ours, film, VoxelFlow])
def test_any_network_of_films_call_signature_can_be_asked(build: type) -> None:
    net, triplets = build(), noise(batch=2)
    params = {name: value.detach() for name, value in net.named_parameters()}
    make = Making(net, list(params)).between(triplets.left, triplets.right, triplets.phase)
    made = net(triplets.left, triplets.right, triplets.phase)
    torch.testing.assert_close(make(params), made)
    loss = Lesson(net, triplets, Questions(1, 0), list(params)).loss(params)
    torch.testing.assert_close(loss, charbonnier(made, triplets.middle))
