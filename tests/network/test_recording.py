"""Recordings: the same results as calls, whatever goes in, and plain calls where it cannot be."""

from __future__ import annotations

import logging
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from filmcli.frames import Color, Neighbour
from filmcli.network.interpolator import Interpolator
from filmcli.network.recording import Replayer
from filmcli.network.weights import load
from tests.network.test_interpolator import YUV420, levels_apart, noise


class Pair(NamedTuple):
    """Some tensors in a list, and one alone."""

    several: list[Tensor]
    one: Tensor


def on_cpu(function: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
    """Record as a CUDA graph does: the same work on the same memory, its result into the first."""
    result = function()

    def replay() -> None:
        for own, again in zip(tree_leaves(result), tree_leaves(function()), strict=True):
            if isinstance(own, Tensor):
                own.copy_(again)

    return replay, result


class Worker:
    """Counts how often it is called, and adds up."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, word: str, pair: Pair) -> Pair:
        self.calls += 1
        return Pair([pair.one, pair.several[0] * len(word)], sum(pair.several) + pair.one)


def pair(start: float, width: int = 3) -> Pair:
    return Pair([torch.full((2, width), start + k) for k in range(2)], torch.arange(width) * start)


def test_replays_what_was_called() -> None:
    worker, replayer = Worker(), Replayer(on_cpu)
    kept = []
    for start in (1.0, 2.0, 3.0, 4.0, 5.0):
        kept.append(replayer(worker, "word", pair(start)))
    for start, made in zip((1.0, 2.0, 3.0, 4.0, 5.0), kept, strict=True):
        expected = Worker()("word", pair(start))
        assert isinstance(made, Pair)
        assert all(map(torch.equal, tree_leaves(made), tree_leaves(expected)))


def test_other_shapes_words_and_functions_are_recorded_apart() -> None:
    replayer = Replayer(on_cpu)
    one, other = Worker(), Worker()
    for start in range(5):
        for worker, word, width in (
            (one, "a", 3), (one, "abc", 3), (one, "a", 2), (other, "a", 3),
        ):  # fmt: skip
            given = pair(float(start), width)
            made, expected = replayer(worker, word, given), Worker()(word, given)
            assert all(map(torch.equal, tree_leaves(made), tree_leaves(expected)))


@pytest.mark.parametrize(("words", "notices"), [("is capturing", 1), ("CUDA out of memory", 0)])
def test_what_cannot_be_recorded_is_called(
    words: str, notices: int, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        raise RuntimeError(words)

    worker, replayer = Worker(), Replayer(refuse)
    with caplog.at_level(logging.WARNING):
        for start in range(6):
            made = replayer(worker, "a", pair(float(start)))
            assert torch.equal(made.one, Worker()("a", pair(float(start))).one)
    assert worker.calls == 6
    assert len(caplog.records) == notices


def test_a_film_is_the_same_from_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    size = (64, 48)
    shot = [noise(YUV420, *size, seed) for seed in range(8)]
    plain, recorded = (
        Interpolator(load("film-m"), YUV420, Color(), *size, device="cpu") for _ in range(2)
    )
    replayer = Replayer(on_cpu)
    monkeypatch.setattr(recorded._painter, "_replayer", replayer)
    for k in range(5):
        around = {
            "before": Neighbour(shot[k], Fraction(1)),
            "after": Neighbour(shot[k + 3], Fraction(1)),
        }
        phases = [Fraction(1 + k % 2, 5), Fraction(3 + k % 2, 5)]
        expected, made = (
            doorway.between(shot[k + 1], shot[k + 2], phases, **around)
            for doorway in (plain, recorded)
        )
        assert all(levels_apart(a, b) == 0 for a, b in zip(expected, made, strict=True))
    assert replayer._recordings


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_film_on_cuda_is_recorded_and_the_cpus() -> None:
    size = (128, 96)
    shot = [noise(YUV420, *size, seed) for seed in range(8)]
    cpu, cuda = (
        Interpolator(load("film-m"), YUV420, Color(), *size, device=d, precision="float32")
        for d in ("cpu", "cuda")
    )
    for k in range(6):
        around = {
            "before": Neighbour(shot[k], Fraction(1)),
            "after": Neighbour(shot[k + 2], Fraction(1)),
        }
        pictures = (
            doorway.between(shot[k], shot[k + 1], [Fraction(2, 5), Fraction(4, 5)], **around)
            for doorway in (cpu, cuda)
        )
        assert all(levels_apart(a, b) <= 1 for a, b in zip(*pictures, strict=True))
    assert cuda._painter._replayer is not None
    assert cuda._painter._replayer._recordings
