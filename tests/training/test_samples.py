"""Samples become a batch: what is known, what is not, and what is not taught."""

from __future__ import annotations

import numpy as np
import pytest

from filmcli.training.samples import Batch, Field, Picture, Sample, collate


def grey(level: int) -> Picture:
    return np.full((4, 6, 3), level, np.uint8)


def ways(*vectors: tuple[float, float]) -> Field:
    """The same flows everywhere, `(4, 6, 8)`."""
    return np.broadcast_to(np.array(vectors, np.float32).ravel(), (4, 6, 8)).copy()


WAYS = ways((1, 2), (-1, -2), (3, 6), (-3, -6))


def sample(ways: Field | None = WAYS, before: int | None = 10, after: int | None = 40) -> Sample:
    around = [None if level is None else grey(level) for level in (before, after)]
    return Sample(grey(20), grey(51), grey(30), 0.25, *around, ways)


def one(of: Sample) -> Batch:
    """The batch of it beside another, cut down to it."""
    return Batch(*(values[1:] for values in collate([sample(), of])))


def test_frames_are_of_one_unit_and_flows_of_pixels() -> None:
    batch = collate([sample()])
    assert batch.target.shape == (1, 3, 4, 6)
    assert batch.target.unique().tolist() == pytest.approx([0.2])
    assert [
        float(f.mean() * 255) for f in (batch.before, batch.left, batch.right, batch.after)
    ] == (pytest.approx([10, 20, 30, 40]))
    assert batch.ways.shape == (1, 8, 4, 6)
    assert batch.ways[0, :, 0, 0].tolist() == [1, 2, -1, -2, 3, 6, -3, -6]
    assert batch.phase.tolist() == [0.25]
    assert batch.known.tolist() == [[1, 1, 1, 1]]
    assert batch.taught.tolist() == [1]


@pytest.mark.parametrize(("before", "after"), [(None, 40), (10, None), (None, None)])
def test_frames_that_are_not_there_are_not_known(before: int | None, after: int | None) -> None:
    batch = one(sample(before=before, after=after))
    assert batch.known.tolist() == [[1, 1, before is not None, after is not None]]
    assert batch.taught.tolist() == [1]
    for frame, level in ((batch.before, before), (batch.after, after)):
        assert float(frame.mean() * 255) == pytest.approx(level or 0)


def test_without_ways_frames_are_known_and_flow_is_not_taught() -> None:
    batch = one(sample(None, after=None))
    assert batch.known.tolist() == [[1, 1, 1, 0]]
    assert batch.taught.tolist() == [0]
    assert not batch.ways.any()


@pytest.mark.parametrize("far", [400.0, -1e6, np.inf, np.nan])
@pytest.mark.parametrize(
    ("channel", "known", "taught"),
    [
        (0, [1, 1, 1, 1], 0),
        (3, [1, 1, 1, 1], 0),
        (4, [1, 1, 0, 1], 1),
        (7, [1, 1, 1, 0], 1),
    ],
)
def test_flows_too_far_to_follow_are_masked(
    far: float, channel: int, known: list[int], taught: int
) -> None:
    of = WAYS.copy()
    of[2, 3, channel] = far
    batch = one(sample(of))
    assert batch.known.tolist() == [known]
    assert batch.taught.tolist() == [taught]
    assert batch.ways.isfinite().all()
    assert batch.ways.abs().max() <= 400
