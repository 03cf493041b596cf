"""The main path with a mixture of four frames in place of the network: who is in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.frames import Neighbour, Planes
from filmcli.network.interpolator import Interpolator
from filmcli.pipeline.making import Progress
from filmcli.pipeline.request import Settings
from filmcli.pipeline.upsample import Event, upsample
from tests.clips import ffmpeg, pattern


def mixture(
    self: Interpolator,  # noqa: ARG001
    left: Planes,
    right: Planes,
    phases: Sequence[Fraction],
    params: object = None,  # noqa: ARG001
    *,
    before: Neighbour | None = None,
    after: Neighbour | None = None,
) -> list[Planes]:
    """A quarter of each frame, whatever the phase: without a neighbour it is darker."""
    around = [neighbour.planes for neighbour in (before, after) if neighbour]
    picture = tuple(sum(p // 4 for p in four) for four in zip(left, right, *around, strict=True))
    return [picture] * len(phases)  # type: ignore[list-item]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Interpolator, "begin", mixture)


def made(source: str, output: Path, **asked: object) -> list[str]:
    """A hash for every picture."""
    upsample(source, Settings(output=str(output), codec="ffv1", **asked))  # type: ignore[arg-type]
    return hashes(output)


def hashes(film: Path) -> list[str]:
    out = ffmpeg("-i", film, "-map", "0:v", "-f", "framemd5", "-").decode()
    return [line.split(",")[-1].strip() for line in out.splitlines() if not line.startswith("#")]


def test_the_ends_of_a_span_see_the_film_around_it(tmp_path: Path) -> None:
    source = pattern(tmp_path / "in.mkv", 1, size="64x48")
    whole = made(source, tmp_path / "whole.mkv", fps="60")
    for start, end in (("0.31", "0.7"), ("0.25", None), (None, "0.75")):
        span = {"start": start and Fraction(start), "end": end and Fraction(end)}
        part = made(source, tmp_path / f"{start}-{end}.mkv", fps="60", **span)
        first = -(-Fraction(start or 0) * 60 // 1)
        assert 0 < len(part) < len(whole)
        assert part == whole[int(first) : int(first) + len(part)]


class _StrikeError(Exception):
    pass


def test_a_film_made_in_two_goes_is_the_same(tmp_path: Path) -> None:
    """Struck down in the second of two segments of one scene; the border lies in an interval."""
    source = pattern(tmp_path / "in.mkv", 25, size="32x32")
    asked = {"fps": "51", "cuts": "off"}
    whole = made(source, tmp_path / "whole.mkv", **asked)
    output = tmp_path / "out.mkv"

    def strike(event: Event) -> None:
        if isinstance(event, Progress) and event.segment == 2:
            assert (event.segments, event.done) == (2, 638)
            raise _StrikeError

    settings = Settings(output=str(output), codec="ffv1", **asked)  # type: ignore[arg-type]
    with pytest.raises(_StrikeError):
        upsample(source, settings, strike)
    resumed: list[Event] = []
    upsample(source, settings, resumed.append)
    assert min(event.done for event in resumed if isinstance(event, Progress)) == 638
    assert hashes(output) == whole
    assert len(whole) == 1275
