"""What is trained, in which order, by which settings of `filmcli train`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filmcli.training.loop import Run
from filmcli.training.loop import train as train_network
from filmcli.training.material import Material
from filmcli.training.meta import MetaRecipe
from filmcli.training.meta_run import meta_train_film
from filmcli.training.presets import changed, preset
from filmcli.training.watch import Line

SIDE_PX = 96
_BATCH = 4
_TASKS = 2
_BASE = (
    f"side={SIDE_PX}", f"batch={_BATCH}", "synthetic=0", "middle_share=1",
    "longest_span=2", "laplacian_weight=0", "ssim_weight=0", "lpips_weight=0",
)  # fmt: skip
"""A Charbonnier loss of the middle frame alone; the papers' other losses are left out."""

_META = (
    f"side={SIDE_PX}", f"tasks={_TASKS}", "queries=1", "subset=all", "doubled=1", "cycle=0",
    "learning_rate=1e-4", "first_inner_rate=3e-5",
)  # fmt: skip
"""As the paper: one step on two triplets of the doubled gap, then one triplet between."""

_LENGTHS: Mapping[str, tuple[tuple[int, str], tuple[int, str], int]] = {
    "voxelflow": ((18000, "4e-4"), (14000, "4e-4"), 750),
    "superslomo": ((14000, "1e-3"), (12000, "1e-3"), 750),
    "sepconv": ((11000, "4e-4"), (10000, "4e-4"), 750),
    "dain": ((5000, "4e-4"), (4000, "1e-4"), 500),  # from 4e-4 the second diverged
}
"""Steps and rates of the base's two legs, about an hour of a core, and steps of the others.

Each leg lets its rate fall on half a cosine, the second from the top once more (Loshchilov and
Hutter, "SGDR", ICLR 2017).
"""

_TINY = 2
_SAVED_EVERY = 250

VARIANTS: Mapping[str, tuple[str, ...]] = {
    "three inner steps": ("inner_steps=3",),
    "second order": ("order=2",),
}
"""Other ways to meta-train `VARIED`."""
VARIED = "voxelflow"


@dataclass(frozen=True)
class Stage:
    """One training; `label` names its weights, `begins` is the one that it goes on from."""

    label: str
    settings: tuple[str, ...]
    begins: Stage | None = None
    is_meta: bool = False

    @property
    def file(self) -> str:
        """The name of its weights file."""
        return f"{self.label.replace(' ', '-').replace(',', '')}.safetensors"


def stages(network: str, size: str) -> list[Stage]:
    """Return the trainings of one network, in the order in which they build on each other."""
    *legs, then = _LENGTHS[network]
    if size == "tiny":
        legs, then = [(_TINY, rate) for _, rate in legs], _TINY
    each = [(f"config={network}", f"steps={steps}", f"rate={rate}", *_BASE) for steps, rate in legs]
    leg = Stage(f"{network}, first leg", each[0])
    base = Stage(network, (*each[1], "seed=1000"), leg)
    meta = partial(Stage, begins=base, is_meta=True)
    later = (f"steps={then}", *_META)
    found = [
        leg,
        base,
        meta(f"{network} re-trained", (*later, "inner_steps=0")),
        meta(f"{network} meta", later),
    ]
    if network == VARIED:  # the quickest
        found += [
            meta(f"{network} meta, {name}", (*later, *settings))
            for name, settings in VARIANTS.items()
        ]
    return found


def every_stage(networks: Sequence[str], size: str) -> list[Stage]:
    """Return the trainings of all `networks`, one after the other."""
    return [stage for name in networks for stage in stages(name, size)]


def train(stage: Stage, material: Callable[[], Material], folder: Path) -> None:
    """Do what `filmcli train` does with these settings, or go on with it, if it is not done."""
    if is_done(stage, folder):
        return
    settings = " ".join(f"--set {setting}" for setting in stage.settings)
    print(f"{stage.label}: {'--meta ' if stage.is_meta else ''}{settings}", flush=True)
    output = str(folder / stage.file)
    begun = str(folder / stage.begins.file) if stage.begins else None
    if stage.is_meta:
        meta = changed(MetaRecipe(), stage.settings)
        run = Run(output, {"meta_recipe": repr(meta)}, begun, save_every=_SAVED_EVERY)
        meta_train_film(meta, run, material().sources, _tell)
    else:
        recipe = changed(preset("small"), stage.settings)
        run = Run(output, {"recipe": repr(recipe)}, begun, workers=0, save_every=_SAVED_EVERY)
        train_network(recipe, run, material(), _tell)


def _tell(line: Line) -> None:
    if "steps_per_second" in line:
        print(" ".join(f"{name} {value:.4g}" for name, value in line.items()), flush=True)


def is_done(stage: Stage, folder: Path) -> bool:
    """Tell whether the last step of a stage was reached, which is when its log says so."""
    lines = _log(stage, folder)
    is_written = (folder / stage.file).exists()
    return is_written and bool(lines) and lines[-1]["step"] == lines[-1]["steps"]


def cost(stage: Stage, folder: Path) -> dict[str, float]:
    """Return the steps, the samples or tasks a step, and the minutes that a training took.

    Of a base both legs count, of the others what they add to it.
    """
    legs = [stage] if stage.is_meta or stage.begins is None else [stage.begins, stage]
    spent = [_spent(leg, folder) for leg in legs]
    steps, seconds = (sum(parts) for parts in zip(*spent, strict=True))
    drawn = _TASKS if stage.is_meta else _BATCH
    return {"steps": steps, "drawn": drawn, "minutes": round(seconds / 60, 1)}


def _spent(stage: Stage, folder: Path) -> tuple[float, float]:
    """Return the steps that were made, and the seconds of all of them."""
    lines = {line["step"]: line for line in _log(stage, folder)}
    before, seconds = 0.0, 0.0
    for step in sorted(lines):
        seconds += (step - before) / lines[step]["steps_per_second"]
        before = step
    return before, seconds


def _log(stage: Stage, folder: Path) -> list[dict[str, float]]:
    path = folder / f"{stage.file}.log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
