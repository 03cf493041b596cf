"""Matching at the moment: the cubic, and a matcher whose last layer answers constants."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from filmcli.network.matching import Matched, Matcher, Times, batched, cubic_shares


def times(moment: float, before: float = 1.0, after: float = 1.0, known: str = "1111") -> Times:
    frames = torch.tensor([[0.0, 1.0, -before, 1 + after]])
    return Times(torch.tensor([moment]), frames, torch.tensor([[float(k) for k in known]]))


def places(when: Times, power: int) -> Tensor:
    """Where something that is at t ** power at t is at the four frames, seen from the moment."""
    return when.frames**power - when.moment[:, None] ** power


@pytest.mark.parametrize("moment", [0.2, 0.5, 0.9])
@pytest.mark.parametrize(("before", "after"), [(1.0, 1.0), (0.6, 1.7)])
def test_four_places_tell_a_cubic_and_three_a_parabola(
    moment: float, before: float, after: float
) -> None:
    for known, powers in (("1111", (1, 2, 3)), ("1110", (1, 2)), ("1101", (1, 2))):
        when = times(moment, before, after, known)
        shares = cubic_shares(when)
        assert shares.sum().item() == pytest.approx(1, abs=1e-5)
        for power in powers:
            assert (shares * places(when, power)).sum().item() == pytest.approx(0, abs=1e-5)
        assert all(share == 0 for share, k in zip(shares[0], known, strict=True) if k == "0")


def test_two_frames_do_not_tell_how_motion_bends() -> None:
    assert cubic_shares(times(0.3, known="1100")).tolist() == [[0, 0, 0, 0]]


def answering(**values: list[float]) -> Matcher:
    """A matcher that answers constants: velocity 2, own 8, follow 1, side 1."""
    matcher = Matcher(features=2, width=16, depth=2, reach=1, state=3)
    told = [*values.get("velocity", [0, 0]), *values.get("own", [0] * 8)]
    told += [*values.get("follow", [0]), *values.get("side", [0])]
    with torch.no_grad():
        matcher.leave.weight.zero_()
        matcher.leave.bias[: len(told)] = torch.tensor(told)
    return matcher


def nothing(size: int = 8) -> Matched:
    ways = torch.zeros(1, 8, size, size)
    return Matched(ways, ways[:, :1], torch.zeros(1, 3, size, size))


def looked(matcher: Matcher, known: Matched, when: Times) -> Matched:
    features = [torch.rand(1, 2, *known.ways.shape[-2:]) for _ in range(4)]
    return matcher(batched(features), known, when, cubic_shares(when))  # type: ignore[no-any-return]


def test_a_velocity_moves_every_frame_by_the_time_that_has_passed() -> None:
    found = looked(answering(velocity=[8.0, -4.0]), nothing(), times(0.25, 0.5, 1.0))
    expected = [-2, 1, 6, -3, -6, 3, 14, -7]  # (0, 1, -0.5, 2) - 0.25 times the velocity
    assert found.ways[0, :, 4, 4].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("follow", "share"), [(-90.0, 0.0), (-2.0, 0.5), (90.0, 1.0)])
def test_the_network_says_how_far_the_cubic_moves_the_match(follow: float, share: float) -> None:
    when = times(0.5)
    own = torch.zeros(8)
    own[::2] = 4 * places(when, 2)[0]  # of even acceleration, matched a pixel off
    own[::2] += 1.0
    found = looked(answering(own=own.tolist(), follow=[follow]), nothing(), when)
    moved = own[::2] - found.ways[0, ::2, 4, 4]
    assert moved.tolist() == pytest.approx([share] * 4, abs=1e-5)


def test_what_is_known_is_carried_to_the_finer_level() -> None:
    coarse = nothing(4)._replace(ways=torch.full((1, 8, 4, 4), 3.0), mask=torch.ones(1, 1, 4, 4))
    fine = coarse.on(torch.zeros(1, 2, 9, 8))
    assert fine.ways.shape == (1, 8, 9, 8) and fine.ways.unique().tolist() == [6.0]
    assert fine.mask.unique().tolist() == [1.0]
    assert fine.state.shape == (1, 3, 9, 8)


def test_unknown_frames_are_not_looked_at() -> None:
    torch.manual_seed(0)
    matcher = Matcher(features=2, width=16, depth=2, reach=1, state=3)
    features = [torch.rand(1, 2, 8, 8) for _ in range(4)]
    others = [*features[:2], torch.rand(1, 2, 8, 8), torch.rand(1, 2, 8, 8)]
    for known, is_same in (("1100", True), ("1111", False)):
        when = times(0.5, known=known)
        with torch.no_grad():
            found, again = (
                matcher(batched(maps), nothing(), when, cubic_shares(when))
                for maps in (features, others)
            )
        assert torch.equal(found.ways, again.ways) == is_same


def test_moments_are_matched_each_by_its_own_frames() -> None:
    torch.manual_seed(0)
    matcher = Matcher(features=2, width=16, depth=2, reach=1, state=3)
    features = [torch.rand(2, 2, 8, 8) for _ in range(4)]
    whens = [times(0.3, known="1110"), times(0.7)]
    both = Times(*(torch.cat(parts) for parts in zip(*whens, strict=True)))
    blank = nothing()._replace(ways=torch.rand(1, 8, 8, 8))
    blanks = Matched(*(torch.cat((part, part)) for part in blank))
    with torch.no_grad():
        at_once = matcher(batched(features), blanks, both, cubic_shares(both))
        for number, when in enumerate(whens):
            maps = batched([of_frame[number : number + 1] for of_frame in features])
            alone = matcher(maps, blank, when, cubic_shares(when))
            torch.testing.assert_close(at_once.ways[number : number + 1], alone.ways)


def test_flows_stay_in_float32() -> None:
    matcher = answering(velocity=[0.1, 0.0]).to(torch.bfloat16)
    known = nothing()._replace(state=torch.zeros(1, 3, 8, 8, dtype=torch.bfloat16))
    when = times(0.5)
    features = [torch.rand(1, 2, 8, 8).bfloat16() for _ in range(4)]
    found = matcher(batched(features), known, when, cubic_shares(when))
    assert found.ways.dtype == found.mask.dtype == torch.float32
    assert found.state.dtype == torch.bfloat16
