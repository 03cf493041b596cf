"""`python -m filmcli.training.run CLIPS -o weights.safetensors`: train from a folder of videos."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields

import cv2

from filmcli.errors import FilmcliError, UsageError
from filmcli.training.clips import load_clips
from filmcli.training.loop import Run, train
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Picture
from filmcli.training.stream import Material
from filmcli.training.synthetic import Assets


def load_pictures(folder: str | None, channels: int) -> list[Picture]:
    """Return the pictures of `folder` that have `channels` (3 RGB, 4 RGB and alpha) channels."""
    pictures = []
    for name in sorted(os.listdir(folder)) if folder else []:
        picture = cv2.imread(os.path.join(folder or "", name), cv2.IMREAD_UNCHANGED)
        if picture is not None and picture.ndim == 3 and picture.shape[2] == channels:
            code = cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGRA2RGBA
            pictures.append(cv2.cvtColor(picture, code))
    return pictures


def load_material(
    clips: str | None, stills: str | None, cutouts: str | None, side: int
) -> Material:
    """Read everything that samples are drawn from; UsageError if that is nothing."""
    if not clips and not stills:
        raise UsageError("There is nothing to train on.", "", "Give clips, stills, or both.")
    sources = load_clips(clips, side) if clips else []
    return Material(sources, Assets(load_pictures(stills, 3), load_pictures(cutouts, 4)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m filmcli.training.run", description=__doc__)
    parser.add_argument("clips", nargs="?", help="folder of videos")
    parser.add_argument("-o", "--output", required=True, help="weights file to write")
    parser.add_argument("--stills", help="folder of photographs, for synthetic motion")
    parser.add_argument("--cutouts", help="folder of pictures with alpha, to move over them")
    parser.add_argument("--init", help="weights to begin with: a name or a file")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw samples")
    parser.add_argument("--save-every", type=int, default=500, help="steps between checkpoints")
    parser.add_argument("--data", default="", help="what the data is, for the weights' header")
    defaults = Recipe()
    for field in fields(Recipe):
        value = getattr(defaults, field.name)
        option, told = "--" + field.name.replace("_", "-"), f"default {value}"
        if isinstance(value, bool):
            choice = argparse.BooleanOptionalAction
            parser.add_argument(option, action=choice, default=value, help=told)
        else:
            parser.add_argument(option, type=type(value), default=value, help=told)
    chosen = vars(parser.parse_args(arguments))
    recipe = Recipe(**{field.name: chosen[field.name] for field in fields(Recipe)})
    said = {"recipe": repr(recipe), "data": chosen["data"] or "not told"}
    run = Run(
        chosen["output"],
        said,
        chosen["init"],
        chosen["workers"],
        save_every=chosen["save_every"],
    )
    try:
        material = load_material(chosen["clips"], chosen["stills"], chosen["cutouts"], recipe.side)
        train(recipe, run, material, _tell)
    except FilmcliError as failure:
        sys.stderr.write(f"{failure}\n")
        return failure.exit_code
    return 0


def _tell(line: dict[str, float]) -> None:
    told = " ".join(f"{name} {value:.5g}" for name, value in line.items())
    sys.stdout.write(told + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
