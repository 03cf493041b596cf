"""`filmcli train`: train a network from films and photographs, or teach one to adapt."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from filmcli.cli import options
from filmcli.cli.console import (
    clock,
    library_warnings,
    new_bar,
    printable,
    show_error,
)
from filmcli.cli.objects import JsonTeller
from filmcli.errors import FilmcliError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from filmcli.training.loop import Run
    from filmcli.training.watch import Line


@click.command()
@click.argument("data", nargs=-1, metavar="[DATA]...", type=click.Path())
@click.option("-o", "--output", required=True, type=click.Path(), help="The weights file to write.")
@click.option("--exclude", type=click.Path(), help="A list of clips to leave out, a name a line.")
@click.option("--stills", type=click.Path(), help="Photographs, for synthetic motion.")
@click.option("--cutouts", type=click.Path(), help="Pictures with alpha, to move over them.")
@click.option("--init", "initial", metavar="NAME|PATH", help="Weights to begin with.")
@click.option("--preset", "name", default="small", show_default=True, help="A recipe by name.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set one number of the recipe."
)
@click.option("--meta", is_flag=True, help="Teach the weights to adapt in a few steps.")
@click.option("--about", default="not told", help="What the data is, for the header.")
@click.option(
    "--workers", type=click.IntRange(0), default=1, show_default=True, metavar="N",
    help="Processes that draw samples.",
)  # fmt: skip
@click.option("--vgg", type=click.Path(), help="Weights of VGG-19, for the presets that need it.")
@click.option("--validate", type=click.Path(), help="Films to score on, by rebuilt middle frames.")
@click.option(
    "--validate-every",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    metavar="STEPS",
    help="Steps from one score to the next.",
)
@click.option(
    "--save-every",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    metavar="STEPS",
    help="Steps from one checkpoint to the next.",
)
@click.option(
    "--report-every",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="STEPS",
    help="Steps from one line of losses to the next.",
)
@click.option("-d", "--device", default="auto", show_default=True, help="auto, cuda, mps, cpu.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
@options.progress
def train(data: tuple[str, ...], as_json: bool, progress: str, **options: Any) -> int:
    """Train a network, from nothing or from other weights.

    \b
    filmcli train films/ -o weights.safetensors --stills photographs/ --cutouts objects/
    filmcli train films/ -o on.safetensors --init film-m --set steps=20000 --set rate=1e-4
    filmcli train films/ -o meta.safetensors --init film-m --meta
    torchrun --nproc-per-node 8 -m filmcli train films/ -o weights.safetensors

    DATA is a folder of videos and of folders with frames, or vimeo90k:FOLDER. What exclude.txt in
    such a folder names, a name a line, is left out.

    The same command goes on where an interrupted run stopped, to the bit. Beside the weights stand
    their log, a line of JSON every hundred steps, its curves as a picture, and the checkpoint.
    """
    teller = _teller(as_json, progress)
    output = options["output"]
    with library_warnings():
        try:
            (_meta if options.pop("meta") else _base)(data, options, teller)
        except FilmcliError as error:
            teller.fail(output, error)
            return error.exit_code
        finally:
            teller.close()
    teller.done(output)
    return 0


def _base(data: tuple[str, ...], options: dict[str, Any], teller: _Lines) -> None:
    from filmcli.training.loop import train as train_network
    from filmcli.training.material import load_material
    from filmcli.training.presets import changed, preset

    recipe = changed(preset(options["name"]), options["settings"])
    said = {"recipe": repr(recipe), "data": options["about"]}
    run = _run(options, said)
    material = load_material(
        data, options["stills"], options["cutouts"], recipe.side, options["exclude"]
    )
    train_network(recipe, run, material, teller)


def _meta(data: tuple[str, ...], options: dict[str, Any], teller: _Lines) -> None:
    from filmcli.training.material import load_material
    from filmcli.training.meta import MetaRecipe
    from filmcli.training.meta_run import meta_train_film
    from filmcli.training.presets import changed

    foreign = ("stills", "cutouts", "vgg", "validate")
    if any(options[name] for name in foreign) or options["name"] != "small":
        why = "It learns from real films, by a recipe of its own, and does not score itself."
        what = "--meta takes no --stills, --cutouts, --vgg, --validate or --preset."
        raise UsageError(what, why, "Leave them out.")
    recipe = changed(MetaRecipe(), options["settings"])
    run = _run(options, {"meta_recipe": repr(recipe), "meta_data": options["about"]})
    material = load_material(data, None, None, recipe.side, options["exclude"])
    meta_train_film(recipe, run, material.sources, teller)


def _run(options: dict[str, Any], said: dict[str, str]) -> Run:
    from filmcli.training.loop import Run

    names = ("output", "initial", "device", "workers", "vgg", "validate")
    every = ("report_every", "validate_every", "save_every")
    folder = os.path.dirname(options["output"]) or "."
    if not os.path.isdir(folder):
        raise UsageError(f"There is no folder '{folder}' to write to.", "", "Make it first.")
    return Run(metadata=said, **{name: options[name] for name in names + every})


def _teller(as_json: bool, progress: str) -> _Lines:
    """Return who speaks; of the processes that torchrun started, all but the first are silent."""
    if os.environ.get("RANK", "0") != "0":
        return _Silence("off")
    return _JsonLines() if as_json else _Lines(progress)


class _Lines:
    """Tells a person how far the run is: a bar on a terminal, and a line every so many steps."""

    def __init__(self, mode: str) -> None:
        if mode == "auto":
            mode = "bar" if sys.stderr.isatty() else "lines"
        self._mode = mode
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __call__(self, line: Line) -> None:
        """Hear of one step."""
        full = len(line) > 2
        if self._mode == "bar":
            self._move(line, _speed(line) if "samples_per_second" in line else None)
        if self._mode != "off" and full:
            self._print(_words(line))

    def _move(self, line: Line, end: str | None) -> None:
        if self._bar is None or self._task is None:
            self._bar = new_bar()
            self._bar.start()
            self._task = self._bar.add_task("training", total=line["steps"], end="")
        self._bar.update(self._task, completed=line["step"])
        if end is not None:
            self._bar.update(self._task, end=end)

    def _print(self, words: str) -> None:
        if self._bar is not None:
            self._bar.console.print(words, markup=False, highlight=False)
        else:
            click.echo(f"filmcli: {words}", err=True)

    def done(self, output: str) -> None:
        """The weights are written."""
        click.echo(output)

    def fail(self, output: str, error: FilmcliError) -> None:  # noqa: ARG002
        """Say why the run ended."""
        self.close()
        show_error(error)

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None


class _Silence(_Lines):
    """Says nothing but why it failed."""

    def done(self, output: str) -> None:
        """The first process says so."""


class _JsonLines(_Lines):
    """The same as one JSON object a line."""

    def __init__(self) -> None:
        super().__init__("off")
        self._json = JsonTeller()

    def __call__(self, line: Line) -> None:
        """Hear of one step."""
        if len(line) > 2:
            self._json.tell("progress", **line)

    def done(self, output: str) -> None:
        """The weights are written."""
        self._json.tell("done", output=output)

    def fail(self, output: str, error: FilmcliError) -> None:
        """Tell why the run ended, to program and person."""
        self._json.tell("error", output=output, exit_code=error.exit_code, text=str(error))
        show_error(error)


def _speed(line: Line) -> str:
    left = (line["steps"] - line["step"]) / line["steps_per_second"]
    return f"{line['samples_per_second']:.1f} samples/s  {clock(left)} left"


def _words(line: Line) -> str:
    """All of a full line's numbers in one row."""
    from filmcli.training.watch import SPEEDS, TOLD_APART

    numbers = (f"{name} {line[name]:.4g}" for name in line if name not in TOLD_APART)
    words = f"step {line['step']:.0f}/{line['steps']:.0f} {printable(' '.join(numbers))}"
    if SPEEDS[0] not in line:
        return words
    run, data, network = (line[name] for name in SPEEDS)
    return f"{words} {run:.1f} samples/s (data {data:.0f}, network {network:.1f})"
