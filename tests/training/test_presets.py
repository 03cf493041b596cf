"""Recipes by name, and their numbers set one by one."""

from __future__ import annotations

import math

import pytest

from filmcli.errors import UsageError
from filmcli.training.meta import MetaRecipe
from filmcli.training.presets import PRESETS, changed, preset
from filmcli.training.recipe import Recipe


def test_films_rates_are_the_published_ones() -> None:
    recipe = preset("film-l1")
    rates = [recipe.rate_at(step) for step in (0, 749_999, 750_000, 1_500_000, 2_999_999)]
    assert rates == pytest.approx([1e-4, 1e-4, 4.64158e-5, 2.15443e-5, 1e-5], rel=1e-4)
    assert recipe.weights_at(0) == {"l1": 1.0}
    assert recipe.steps * recipe.batch == 24_000_000


def test_films_losses_change_half_way() -> None:
    assert preset("film-vgg").weights_at(1_500_000) == {"l1": 1.0, "vgg": 1.0}
    assert preset("film-vgg").weights_at(1_500_001) == {"l1": 1.0, "vgg": 0.25}
    assert preset("film-style").weights_at(1_500_000) == {"l1": 1.0, "vgg": 1.0}
    late = {"l1": 1.0, "vgg": 0.25, "style": 40.0}
    assert preset("film-style").weights_at(2_999_999) == late


def test_every_preset_but_films_own_is_taught_the_flow() -> None:
    assert {name for name, recipe in PRESETS.items() if "flow" in recipe.weights_at(0)} == {"small"}
    assert {name for name, recipe in PRESETS.items() if recipe.config == "film"} == (
        PRESETS.keys() - {"small"}
    )
    assert PRESETS["small"] == Recipe()
    with pytest.raises(UsageError, match="no preset 'huge'"):
        preset("huge")


def test_numbers_are_set_by_name() -> None:
    recipe = changed(Recipe(), ("rate=3e-4", "steps=7", "bfloat16=false", "clip_norm=inf"))
    assert (recipe.rate, recipe.steps, recipe.bfloat16) == (3e-4, 7, False)
    assert recipe.clip_norm == math.inf
    assert changed(MetaRecipe(), ("order=2",)).order == 2
    assert changed(Recipe(), ()) == Recipe()


@pytest.mark.parametrize("setting", ["rate", "speed=1", "steps=2.5", "bfloat16=yes", "rate=fast"])
def test_what_makes_no_sense_is_refused(setting: str) -> None:
    with pytest.raises(UsageError, match="makes no sense"):
        changed(Recipe(), (setting,))
