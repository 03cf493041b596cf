"""Which scenes are worth adapting to: what that costs is counted in made pictures, not timed.

So a run says the same every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from filmcli.adaptation.lessons import AROUND
from filmcli.adaptation.scene import Recipe
from filmcli.adaptation.support import crop_side

Steps = int | Literal["auto"]
"""How many steps every scene gets; "auto": one, where it is worth that."""

_MOST = 0.05  # of what making a scene's pictures costs
_CROPS = 45
"""Multiply-adds of one step of film-m in pictures of a crop's size: lessons, exams and LPIPS."""
_SLOWER = 1.4
"""Times as long as pictures of a film they take: small crops and gradients keep a core less busy.

One core took 3.8 pictures of 854x480 for 2.8 and 6.5 of 640x360 for 5.0.
"""
_READ = 1 / 64  # of a picture: decoding a frame and turning it to RGB


def steps_for(asked: Steps, made: Sequence[int], height: int, width: int, card: bool) -> list[int]:
    """Return the steps for each scene of a film, of which so many pictures are to be `made`.

    Pictures are `height` x `width` px. A graphics `card` makes them so fast that reading a scene
    once more takes longer than the twentieth of the time that adaptation may take.
    """
    if asked != "auto":
        return [asked] * len(made)
    price = _SLOWER * counted(height, width) + _READ * _frames()
    return [int(not card and price <= _MOST * count) for count in made]


def counted(height: int, width: int) -> float:
    """Return the multiply-adds of a scene's one step, in those of a made picture."""
    return _CROPS * crop_side(height, width, Recipe().crop_px) ** 2 / (height * width)


def _frames() -> int:
    """Return how many frames are seen at most."""
    recipe = Recipe()
    return (recipe.seen + recipe.held_out) * (3 + len(AROUND))
