"""The endless stream of batches: sample `index` of a seed is always the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch.utils.data import DataLoader, Dataset

from filmcli.errors import UsageError
from filmcli.training.clips import clip_sample
from filmcli.training.material import Material
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Batch, Sample, collate
from filmcli.training.synthetic import synthetic_sample

PREFETCHED = 8  # batches a worker may run ahead


class _Samples(Dataset[Sample]):
    def __init__(self, material: Material, recipe: Recipe) -> None:
        self._material = material
        self._recipe = recipe

    def __getitem__(self, index: int) -> Sample:
        recipe = self._recipe
        rng = np.random.default_rng((recipe.seed, index))
        synthetic = rng.random() < recipe.synthetic
        if not self._material.sources or (synthetic and self._material.assets.photographs):
            return synthetic_sample(self._material.assets, recipe, rng)
        return clip_sample(self._material.sources, recipe, rng)


@dataclass(frozen=True)
class _Shares:
    """The indices of the samples that one process draws, a list for each part of each batch."""

    recipe: Recipe
    first_step: int
    rank: int
    ranks: int

    def __iter__(self) -> Iterator[list[int]]:
        recipe = self.recipe
        share = recipe.batch // (recipe.accumulate * self.ranks)
        for step in range(self.first_step, recipe.steps):
            begin = step * recipe.batch + self.rank * share
            for start in range(begin, begin + recipe.batch, share * self.ranks):
                yield list(range(start, start + share))


def batches(
    material: Material,
    recipe: Recipe,
    first_step: int,
    workers: int,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[list[Batch]]:
    """Yield the batches of steps `first_step` to the recipe's last, each in its parts.

    `workers` processes draw ahead (0: in this process); the batches do not depend on it. Of
    `ranks` that train together, `rank` gets its share of every part. Raises UsageError if a
    batch cannot be parted evenly.
    """
    pieces = recipe.accumulate * ranks
    if recipe.batch % pieces:
        among = f" among {ranks} processes" if ranks > 1 else ""
        raise UsageError(
            f"A batch of {recipe.batch} has no {recipe.accumulate} equal parts{among}.",
            "",
            f"Set batch to a multiple of {pieces}.",
        )
    loader = DataLoader(
        _Samples(material, recipe),
        batch_sampler=_Shares(recipe, first_step, rank, ranks),
        num_workers=workers,
        collate_fn=collate,
        prefetch_factor=PREFETCHED if workers else None,
    )
    parts = iter(loader)
    for _ in range(first_step, recipe.steps):
        yield [next(parts) for _ in range(recipe.accumulate)]
