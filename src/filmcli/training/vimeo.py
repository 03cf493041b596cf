"""Vimeo-90k (Xue et al. 2019) as it lies on disk: triplets, septuplets, or both.

The archives unpack to `sequences/00001/0001/im1.png` and on, 448x256, beside the lists
`tri_trainlist.txt` or `sep_trainlist.txt`. Only what these lists name is trained on. Frames stay
on disk and are read as they are drawn: together they would fill 50 GB of memory.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import overload

import numpy as np

from filmcli.errors import InputError
from filmcli.training.clips import Clip
from filmcli.training.listing import lines_of, read_frame
from filmcli.training.samples import Picture

PREFIX = "vimeo90k:"
SIZE = 256, 448  # (H, W)
_LISTS = {"tri_trainlist.txt": 3, "sep_trainlist.txt": 7}  # and the frames of each sequence
_CHANGE = 4.0  # grey levels between neighbours, taken for all alike: none of them is still


class _OnDisk(Sequence[Picture]):
    """The frames of one sequence, read when they are asked for."""

    def __init__(self, folder: str, count: int) -> None:
        self._folder, self._count = folder, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        return read_frame(os.path.join(self._folder, f"im{index + 1}.png"))


def load_vimeo90k(folder: str) -> list[list[Clip]]:
    """Return the training sequences under `folder`, by the film they were cut from.

    Raises InputError if there is neither list, or a sequence of one is not there.
    """
    sources: dict[str, list[Clip]] = {}
    for name, count in _LISTS.items():
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            continue
        change = np.full(count - 1, _CHANGE, np.float32)
        for sequence in lines_of(path):
            frames = _OnDisk(os.path.join(folder, "sequences", sequence), count)
            film = sequence.partition("/")[0]
            sources.setdefault(film, []).append(Clip(frames, change, SIZE))
    if not sources:
        raise InputError(
            f"'{folder}' is no Vimeo-90k.",
            f"It holds none of {', '.join(_LISTS)}.",
            "Unpack vimeo_triplet.zip or vimeo_septuplet.zip of toflow.csail.mit.edu there.",
        )
    first = next(iter(sources.values()))[0].frames[0]
    if first.shape[:2] != SIZE:
        why = f"Its first picture is {first.shape[1]}x{first.shape[0]}, not {SIZE[1]}x{SIZE[0]}."
        raise InputError(f"'{folder}' is no Vimeo-90k.", why, "Unpack it again.")
    return list(sources.values())
