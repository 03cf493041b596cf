"""Scenes that look like an earlier one: shot and reverse shot, a place that the film returns to.

Every such scene leans on the first of its kind and on no other, so that what is found of it hangs
on two scenes, however often the film returns, and a run that begins in the middle finds the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ALIKE = 16.0
"""Mean difference of two looks in grey levels, up to which scenes are of one kind. Of 76 clips, the
two halves of three quarters are nearer than that, and one in a thousand pairs of different ones."""


def firsts(looks: Sequence[str | None]) -> list[int | None]:
    """Return for each scene the first one of its kind, None if that is itself.

    `looks` are small pictures in brightness, as hex digits; None for a scene that neither leans on
    another nor is leaned on. Of several kinds that a scene is like, the nearest is its own.
    """
    leading: list[int] = []
    seen = np.zeros((0, 0), np.float32)
    found: list[int | None] = []
    for number, look in enumerate(looks):
        first = None
        if look is not None:
            cells = np.frombuffer(bytes.fromhex(look), np.uint8).astype(np.float32)
            if leading:
                distances = np.abs(seen - cells).mean(axis=1)
                nearest = int(distances.argmin())
                first = leading[nearest] if distances[nearest] <= ALIKE else None
            if first is None:
                leading.append(number)
                seen = np.vstack((seen.reshape(-1, cells.size), cells))
        found.append(first)
    return found
