"""A film's scenes, one after the other, from the file; and what is kept of them on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from filmcli.adaptation.film import FilmAdapter, adaptable, recipe_of
from filmcli.adaptation.lessons import Questions
from filmcli.adaptation.scene import Recipe, SceneAdaptation, scenes_of
from filmcli.adaptation.store import Writer, adapted_path, find, is_ours, key_facts
from filmcli.frames import Frame, Layout, Planes
from filmcli.network.interpolator import Interpolator
from filmcli.network.moment import Moment
from filmcli.network.weights import Weights
from filmcli.pipeline.render import Reel, render
from filmcli.survey.scenes import survey
from filmcli.timing import Slot, Timeline
from filmcli.video.decode import decode, thumbnails
from filmcli.video.prefetch import prefetch
from filmcli.video.probe import probe
from tests import nets
from tests.clips import write_film

GRAY = Layout("gray", "gray")
CUTS = (12, 15)
RECIPE = Recipe(
    learning_rate=0.01, crop_px=64, support=4, subset="fusion", questions=Questions(1, 0.2)
)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three scenes of 12, 3 and 12 frames, each brightening evenly over a texture of its own."""
    frames: list[Planes] = []
    for scene, length in enumerate((12, 3, 12)):
        texture = np.random.default_rng(scene).integers(0, 120, (72, 80))
        frames += [((texture + 4 * i).astype(np.uint8),) for i in range(length)]
    return write_film(tmp_path_factory.mktemp("film") / "a.mkv", frames, GRAY)


@pytest.fixture(scope="module")
def net() -> Moment:
    """A small network with a brightness that is off."""
    return nets.tinted(nets.still(nets.TINY), 0.03).requires_grad_(False)


def adapter(film: str, net: Moment, recipe: Recipe = RECIPE) -> FilmAdapter:
    info = probe(film)
    times = [thumbnail.time for thumbnail in thumbnails(info)]
    scenes = scenes_of(times, CUTS, [4.0] * len(times))
    return FilmAdapter(net, info, scenes, recipe, partial(decode, info))


def digest(net: Moment) -> str:
    total = hashlib.sha256()
    for value in net.state_dict().values():
        total.update(value.numpy().tobytes())
    return total.hexdigest()


def test_scenes_lie_between_the_cuts() -> None:
    times = [Fraction(i, 24) for i in range(27)]
    scenes = scenes_of(times, CUTS, [0.0] * 27)
    bounds = [(scene.number, scene.first, scene.last) for scene in scenes]
    assert bounds == [(0, 0, 12), (1, 12, 15), (2, 15, 27)]


def test_each_scene_is_adapted_from_its_own_frames(film: str, net: Moment) -> None:
    before = digest(net)
    with adapter(film, net) as film_adapter:
        results = [film_adapter.scene(number) for number in range(3)]
        params = film_adapter.params(2)
    assert [result.why for result in results] == ["", "too few frames", ""]
    assert [result.frames for result in results] == [12, 3, 12]
    for result in (results[0], results[2]):
        assert result.before is not None
        assert result.after is not None
        assert result.after > result.before + 1
    assert params is not None
    for name, delta in (results[2].deltas or {}).items():
        own = net.get_parameter(name)
        assert torch.equal(params[name], own + delta.float())
    assert digest(net) == before


def test_a_run_that_begins_later_finds_the_same(film: str, net: Moment) -> None:
    with adapter(film, net) as whole, adapter(film, net) as resumed:
        whole.scene(0)
        first, again = whole.params(2), resumed.params(2)
    assert first is not None
    assert again is not None
    for name, value in first.items():
        assert torch.equal(value, again[name])


def test_parameters_of_a_scene_stay_the_same_object(film: str, net: Moment) -> None:
    """The doorway knows by it that what it has computed still holds."""
    with adapter(film, net) as film_adapter:
        assert film_adapter.params(0) is film_adapter.params(0)
        assert film_adapter.params(1) is None


def test_learned_rates_are_used_where_there_are_some() -> None:
    bare = Weights("film-m", {}, {}, "")
    assert recipe_of(bare, 3).rates is None
    assert recipe_of(bare, 3).steps == 3
    rates = ({"w": torch.ones(())},)
    learned = replace(bare, rates=rates)
    assert recipe_of(learned, 1).rates is rates
    assert recipe_of(learned, 1).questions == Questions(0, 1)
    told = replace(learned, metadata={"lessons": "1 0.25"})
    assert recipe_of(told, 1).questions == Questions(1, 0.25)


def test_what_is_written_comes_back(film: str, net: Moment, tmp_path: Path) -> None:
    with adapter(film, net) as film_adapter:
        results = [film_adapter.scene(number) for number in range(3)]
    path = str(tmp_path / "a.adapted.safetensors")
    with Writer(path, "key") as writer:
        for result in results:
            writer.add(result)
        assert os.listdir(tmp_path) == []
        writer.done()
    assert os.listdir(tmp_path) == ["a.adapted.safetensors"]
    stored = find(path, "key")
    assert stored is not None
    assert len(stored) == 3
    for result in results:
        again = stored.scene(result.scene)
        assert replace(again, deltas=None) == replace(result, deltas=None)
        assert (again.deltas or {}).keys() == (result.deltas or {}).keys()
        for name, delta in (result.deltas or {}).items():
            assert torch.equal(delta, (again.deltas or {})[name])

    def no_frames(index: int) -> Iterator[Frame]:
        raise AssertionError(f"frame {index} was read although all is stored")

    with FilmAdapter(net, probe(film), [], RECIPE, no_frames, stored=stored) as from_disk:
        params = from_disk.params(2)
    with adapter(film, net) as anew:
        for name, value in (anew.params(2) or {}).items():
            assert torch.equal(value, (params or {})[name])


@pytest.fixture(scope="module")
def returning(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Shot and reverse shot, twice: A, B, A, B of eight frames; one is bright left, one below."""
    rows, columns = np.indices((72, 80))
    light = {"A": 100 - columns, "B": rows}
    frames: list[Planes] = []
    for kind in "ABAB":
        texture = np.random.default_rng(ord(kind)).integers(0, 60, (72, 80)) + light[kind]
        frames += [((texture + 4 * i).astype(np.uint8),) for i in range(8)]
    return write_film(tmp_path_factory.mktemp("returning") / "a.mkv", frames, GRAY)


def returning_adapter(film: str, net: Moment, told: list[int] | None = None) -> FilmAdapter:
    info = probe(film)
    found = survey(thumbnails(info), [8, 16, 24])
    looks = [look.hex() for look in found.looks]
    scenes = scenes_of(found.times, found.cuts, found.motion.tolist(), looks)
    recipe = replace(RECIPE, steps=2)
    heard = (lambda result: told.append(result.scene)) if told is not None else None
    return FilmAdapter(net, info, scenes, recipe, partial(decode, info), on_scene=heard)


def test_a_scene_that_returns_takes_up_what_was_learned(returning: str, net: Moment) -> None:
    with returning_adapter(returning, net) as adapter:
        results = [adapter.scene(number) for number in range(4)]
    assert [result.like for result in results] == [None, None, 0, 1]
    for again in results[2:]:
        assert again.before is not None and again.after is not None
        assert again.after > again.before + 3


def test_the_last_of_a_kind_is_the_same_wherever_a_run_begins(returning: str, net: Moment) -> None:
    told: list[int] = []
    with returning_adapter(returning, net) as whole, returning_adapter(returning, net, told) as on:
        expected = [whole.scene(number) for number in range(4)]
        resumed = [on.scene(number) for number in (2, 3)]
    assert told == [2, 3]  # the first of their kind are adapted to again, but not told of
    for result, again in zip(expected[2:], resumed, strict=True):
        assert replace(again, deltas=None, seconds=0) == replace(result, deltas=None, seconds=0)
        for name, delta in (result.deltas or {}).items():
            assert torch.equal(delta, (again.deltas or {})[name])


def test_another_key_or_another_file_is_of_no_use(tmp_path: Path) -> None:
    path = tmp_path / "a.adapted.safetensors"
    assert find(str(path), "key") is None
    path.write_text("no tensors")
    assert find(str(path), "key") is None
    assert not is_ours(str(path))
    result = SceneAdaptation(0, 5, None, 30.0, None, 0.5, "no motion", like=3, steps=2)
    with Writer(str(path), "key") as writer:
        writer.add(result)
        writer.done()
    assert is_ours(str(path))
    assert find(str(path), "other") is None
    stored = find(str(path), "key")
    assert stored is not None
    assert stored.scene(0) == result


def test_a_run_that_is_cut_short_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Writer(str(tmp_path / "a"), "key") as writer:
        writer.add(SceneAdaptation(0, 5, {"w": torch.ones(3).half()}))
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_the_key_tells_all_that_matters_and_is_the_same_again() -> None:
    facts = key_facts("a" * 64, Recipe(), (1, 1, 1), CUTS, True, False)
    assert facts == key_facts("a" * 64, Recipe(rates=[{"w": 1.0}]), (1, 1, 1), CUTS, True, False)
    others = [
        key_facts("b" * 64, Recipe(), (1, 1, 1), CUTS, True, False),
        key_facts("a" * 64, Recipe(steps=2), (1, 1, 1), CUTS, True, False),
        key_facts("a" * 64, Recipe(seed=1), (1, 1, 1), CUTS, True, False),
        key_facts("a" * 64, Recipe(), (1, 1, 1), (12,), True, False),
        key_facts("a" * 64, Recipe(), (1, 0, 1), CUTS, True, False),
        key_facts("a" * 64, Recipe(judge="sharpness"), (1, 1, 1), CUTS, True, False),
        key_facts("a" * 64, Recipe(), (1, 1, 1), CUTS, False, False),
        key_facts("a" * 64, Recipe(), (1, 1, 1), CUTS, True, True),
    ]
    assert facts not in others
    assert "0x" not in str(facts)  # no address in memory


def test_the_adaptation_stands_beside_the_film() -> None:
    assert adapted_path("films/a b.c.mp4") == "films/a b.c.adapted.safetensors"


def test_adapting_and_rendering_side_by_side_leave_the_weights_as_they_are(film: str) -> None:
    net = nets.tinted(nets.still(), 0.03)
    weights = Weights("film-m", {n: t.clone() for n, t in net.state_dict().items()}, {}, "")
    info = probe(film)
    interpolator = Interpolator(weights, info.layout, info.color, info.width, info.height)
    times = [thumbnail.time for thumbnail in thumbnails(info)]
    scenes = scenes_of(times, CUTS, [4.0] * len(times))
    timeline = Timeline(times, Fraction(1, 24), Fraction(48), frozenset(CUTS))
    slots = [Slot("make", i, Fraction(1, 2)) for i in range(4)]

    def pictures(params: dict[str, torch.Tensor] | None) -> list[bytes]:
        with prefetch(decode(info), 2) as frames:
            made = render(Reel(frames, 0), slots, timeline.outer, interpolator, params)
            return [planes[0].tobytes() for planes in made]

    before = pictures(None)
    recipe = replace(RECIPE, learning_rate=0.003)
    with FilmAdapter(
        adaptable(weights, "cpu"), info, scenes, recipe, partial(decode, info)
    ) as film_adapter:
        params = film_adapter.params(0)
        adapted = pictures(params)
    assert params is not None
    assert adapted != before
    assert pictures(None) == before
    for name, value in net.state_dict().items():
        assert torch.equal(weights.state_dict[name], value)
