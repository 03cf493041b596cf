"""`filmcli adapt`: fit the network to the scenes of films, and show what that gained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from filmcli.cli import options
from filmcli.cli.cluster import crew_of
from filmcli.cli.console import (
    adapted_words,
    library_warnings,
    printable,
    show_error,
)
from filmcli.cli.inputs import films, films_here
from filmcli.cli.objects import JsonTeller, scene_facts
from filmcli.errors import FilmcliError

if TYPE_CHECKING:
    from filmcli.adapt import Event, Result
    from filmcli.adaptation.film import FilmSettings
    from filmcli.adaptation.scene import SceneAdaptation
    from filmcli.cluster.crew import Crew
    from filmcli.evaluation.demonstration import Demonstration, Shown

_HEAD = "scene   frames   held-out, dB       seconds"


@click.command()
@click.argument("inputs", nargs=-1, metavar="[INPUT...]", type=click.Path())
@options.steps(default=1)
@options.weights
@options.cuts
@options.dedupe
@options.deinterlace
@options.in_fps
@options.video
@options.device
@options.cluster
@options.as_json
def adapt(
    inputs: tuple[str, ...],
    in_fps: str | None,
    as_json: bool,
    cluster: str | None,
    **asked: Any,
) -> int:
    """Fit the network to each scene of films and say what it gained.

    \b
    filmcli adapt in.mp4 --steps 1    a table, and in.adapted.safetensors
    filmcli adapt frames/ --in-fps 24 numbered pictures; frames.adapted.safetensors
    filmcli adapt                     the films of this folder, or a demonstration

    The scores are of frames that the film has and adaptation did not see, made from their
    neighbours. A scene that does not gain keeps the weights it had; one that looks like an earlier
    one may take over what was learned of that. `filmcli upsample --steps N` uses what was written.
    """
    from filmcli.adaptation.film import FilmSettings
    from filmcli.video.spool import shown_rate

    rate = shown_rate(in_fps)
    settings = FilmSettings(**asked)
    teller = _JsonTable() if as_json else _Table()
    with library_warnings():
        chosen = [path for path, _ in films(inputs, None)] if inputs else films_here()
        if not chosen:
            click.echo("no film given, none in this folder: drawing two scenes", err=True)
            return _demonstrate(settings, teller)
        if not inputs:
            click.echo(f"no film given: taking the {len(chosen)} of this folder", err=True)
        if cluster is None:
            return _each(chosen, settings, rate, teller, None)
        with crew_of(cluster, settings.device, "float32") as crew:
            return _each(chosen, settings, rate, teller, crew)


def _demonstrate(settings: FilmSettings, teller: _Table) -> int:
    from filmcli.evaluation.demonstration import demonstrate

    teller.demonstration(demonstrate(settings, teller.shown))
    return 0


def _each(
    paths: Sequence[str],
    settings: FilmSettings,
    in_fps: Fraction | None,
    teller: _Table,
    crew: Crew | None,
) -> int:
    """Do one film after the other; a failed one does not stop the rest."""
    from filmcli.adapt import adapt_film

    code = 0
    for path in paths:
        try:
            teller(adapt_film(path, settings, teller, in_fps, crew))
        except FilmcliError as error:
            teller.fail(path, error)
            code = error.exit_code if len(paths) == 1 else 1
    return code


class _Table:
    """Prints a row for every scene as it is done."""

    def __init__(self) -> None:
        self._source: str | None = None

    def __call__(self, event: Event) -> None:
        """Hear of one event."""
        from filmcli.adapt import Result
        from filmcli.adaptation.film import Adapted

        if isinstance(event, Adapted):
            if event.source != self._source:
                self._source = event.source
                click.echo(f"{printable(event.source)}\n{_HEAD}")
            click.echo(_row(event.scene))
        elif isinstance(event, Result):
            click.echo(_last_line(event))

    def shown(self, shown: Shown) -> None:
        """Hear of a scene of the demonstration."""
        click.echo(f"{shown.name}\n{_HEAD}\n{_row(shown.scene)}")
        click.echo(
            f"true frames between, dB: {shown.before:.2f} before the step, {shown.after:.2f} after"
        )

    def demonstration(self, done: Demonstration) -> None:
        """Hear that the demonstration is over."""
        click.echo(
            f"{done.kept} of {done.scenes} scenes adapted in {done.seconds:.1f} s; "
            f"look at {done.picture}: before, after, truth"
        )

    def fail(self, path: str, error: FilmcliError) -> None:  # noqa: ARG002
        """Show why a film was not adapted to."""
        show_error(error)


class _JsonTable(_Table):
    """The same as one JSON object a line."""

    def __init__(self) -> None:
        super().__init__()
        self._json = JsonTeller()

    def __call__(self, event: Event) -> None:
        """Hear of one event."""
        from filmcli.adapt import Result
        from filmcli.adaptation.film import Adapted

        if isinstance(event, Adapted):
            self._json.tell("scene", source=event.source, **scene_facts(event.scene))
        elif isinstance(event, Result):
            self._json.tell("done", **vars(event))

    def shown(self, shown: Shown) -> None:
        """Hear of a scene of the demonstration."""
        facts = {"true_before": shown.before, "true_after": shown.after}
        self._json.tell("scene", source=shown.name, **scene_facts(shown.scene), **facts)

    def demonstration(self, done: Demonstration) -> None:
        """Hear that the demonstration is over."""
        self._json.tell("done", **vars(done))

    def fail(self, path: str, error: FilmcliError) -> None:
        """Tell why a film was not adapted to, to program and person."""
        self._json.tell("error", source=path, exit_code=error.exit_code, text=str(error))
        show_error(error)


def _row(scene: SceneAdaptation) -> str:
    scores = [f"{score:.2f}" for score in (scene.before, scene.after) if score is not None]
    columns = [
        f"{scene.scene + 1:5d}",
        f"{scene.frames:6d}",
        f"{' -> '.join(scores):16s}",
        f"{scene.seconds:7.1f}",
    ]
    columns.append(f"base weights: {scene.why}" if scene.deltas is None else adapted_words(scene))
    return "   ".join(columns)


def _last_line(result: Result) -> str:
    of = f"{result.kept} of {result.scenes} scene{'s' * (result.scenes != 1)} adapted"
    how = "as found before" if result.skipped else f"in {result.seconds:.1f} s"
    return f"{of}, {how}: {printable(os.fspath(result.output))}"
