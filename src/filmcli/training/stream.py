"""The endless stream of batches: sample `index` of a seed is always the same."""

from __future__ import annotations

from collections.abc import Iterator

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
        stage, _ = recipe.stage(index // recipe.batch)
        share = recipe.picture_synthetic if stage else recipe.flow_synthetic
        synthetic = rng.random() < share
        if not self._material.sources or (synthetic and self._material.assets.photographs):
            return synthetic_sample(self._material.assets, recipe.side, rng)
        return clip_sample(self._material.sources, recipe.side, rng)


def batches(
    material: Material, recipe: Recipe, first_step: int, workers: int
) -> Iterator[list[Batch]]:
    """Yield the batches of steps `first_step` to the recipe's last, each in its parts.

    `workers` processes draw ahead (0: in this process); the batches do not depend on it. Raises
    UsageError if a batch cannot be parted evenly.
    """
    if recipe.batch % recipe.accumulate:
        raise UsageError(
            f"A batch of {recipe.batch} has no {recipe.accumulate} equal parts.",
            "",
            "Set batch to a multiple of accumulate.",
        )
    loader = DataLoader(
        _Samples(material, recipe),
        batch_size=recipe.batch // recipe.accumulate,
        sampler=range(first_step * recipe.batch, recipe.steps * recipe.batch),
        num_workers=workers,
        collate_fn=collate,
        prefetch_factor=PREFETCHED if workers else None,
    )
    parts = iter(loader)
    for _ in range(first_step, recipe.steps):
        yield [next(parts) for _ in range(recipe.accumulate)]
