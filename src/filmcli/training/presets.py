"""Recipes by name: ours, and FILM's own.

FILM's (Reda et al. 2022) are the published schedules: three million steps of eight 256 px crops,
Adam at 1e-4 that falls to 4.6e-5, 2.2e-5 and 1e-5, plain L1 and float32, no clipping and no
running mean of the weights, midpoints of real triplets alone. What they leave out of the
published augmentation is the turn by up to 45 degrees, whose corners are black. The VGG and the
Gram loss come on top, at weights that change after half the steps.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any, TypeVar

from filmcli.errors import UsageError
from filmcli.training.recipe import Recipe

R = TypeVar("R")

_FILM_L1 = Recipe(
    config="film",
    steps=3_000_000,
    batch=8,
    side=256,
    rate=1e-4,
    final_rate=0.1,
    stairs=4,
    warmup=0,
    weight_decay=0.0,
    second_decay=0.999,
    epsilon=1e-7,
    clip_norm=math.inf,
    average_decay=0.0,
    synthetic=0.0,
    middle_share=1.0,
    largest_zoom=1.0,
    charbonnier_weight=0.0,
    l1_weight=1.0,
    laplacian_weight=0.0,
    ssim_weight=0.0,
    lpips_weight=0.0,
    fetched_weight=0.0,
    flow_weight=0.0,
    bfloat16=False,
)

PRESETS = {
    "small": Recipe(),
    "film-l1": _FILM_L1,
    "film-vgg": replace(_FILM_L1, vgg_weight=1.0, late_vgg_weight=0.25),
    "film-style": replace(_FILM_L1, vgg_weight=1.0, late_vgg_weight=0.25, late_style_weight=40.0),
}


def preset(name: str) -> Recipe:
    """Return the recipe of this name; UsageError if there is none."""
    if name not in PRESETS:
        known = ", ".join(PRESETS)
        raise UsageError(f"There is no preset '{name}'.", "", f"Give one of {known}.")
    return PRESETS[name]


def changed(recipe: R, settings: tuple[str, ...]) -> R:
    """Return `recipe` with single numbers set by "name=value".

    Raises UsageError for a name that the recipe has not, or a value of another kind.
    """
    now = {field.name: getattr(recipe, field.name) for field in fields(recipe)}  # type: ignore[arg-type]
    given: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in now:
            raise UsageError(
                f"--set {setting} makes no sense.",
                f"The recipe's numbers are {', '.join(now)}.",
                "Write --set name=value.",
            )
        given[name] = _parsed(setting, text, type(now[name]))
    return replace(recipe, **given)  # type: ignore[type-var]


def _parsed(setting: str, text: str, kind: type) -> Any:
    """Return `text` as a value of `kind` (bool, int, float or str)."""
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        return kind(text)
    except (KeyError, ValueError) as error:
        words = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise UsageError(f"--set {setting} makes no sense.", f"It must be {words}.", "") from error
