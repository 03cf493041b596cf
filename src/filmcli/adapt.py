"""`filmcli adapt`: fit the network to every scene of a film, say what it gained, keep the deltas.

    probe -> survey -> scenes -> adapt each -> FILM.adapted.safetensors

`filmcli upsample --steps N` with the same weights and steps then finds the deltas beside the film
and does not compute them again; its result is the same with or without.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from filmcli.adaptation.film import Adapted, FilmAdapter, FilmSettings, adaptable, recipe_of
from filmcli.adaptation.scene import SceneAdaptation, scenes_of
from filmcli.adaptation.store import Writer, adapted_path, find, is_ours, key_facts
from filmcli.adaptation.worth import steps_for
from filmcli.errors import MachineError, OutputExistsError
from filmcli.frames import Frame, VideoInfo
from filmcli.network.machine import choose_device
from filmcli.network.weights import Weights, load
from filmcli.survey.firstpass import Surveying, distinct_frames, first_pass
from filmcli.video.fingerprint import fingerprint
from filmcli.video.probe import probe
from filmcli.video.sequence import film_name
from filmcli.video.spool import as_film, rate_of_stream

if TYPE_CHECKING:
    from filmcli.cluster.crew import Crew


@dataclass(frozen=True)
class Result:
    """All scenes of a film are done; `skipped` says that an earlier run had found the same."""

    source: str
    output: str
    scenes: int
    kept: int
    seconds: float
    skipped: bool = False


Event = Surveying | Adapted | Result
Report = Callable[[Event], None]


def adapt_film(
    path: str,
    settings: FilmSettings,
    report: Report,
    in_fps: Fraction | None = None,
    crew: Crew | None = None,
) -> Result:
    """Adapt to every scene of what `path` names and write the deltas beside it.

    Pictures without times are shown at `in_fps`. `report` hears of every scene; a `crew` may share
    them. Raises a
    `FilmcliError` for whatever a user can cause.
    """
    started = time.monotonic()
    output = adapted_path(film_name(path))
    _check_output(output)
    weights = load(settings.weights)
    with as_film(path, in_fps) as film:
        info = probe(film, rate_of_stream(path, in_fps), settings.video)
        scenes, kept, skipped = _adapt(path, info, output, weights, settings, report, crew)
    return Result(path, output, scenes, kept, time.monotonic() - started, skipped)


def _adapt(
    path: str,
    info: VideoInfo,
    output: str,
    weights: Weights,
    settings: FilmSettings,
    report: Report,
    crew: Crew | None,
) -> tuple[int, int, bool]:
    """Adapt to the film `info`: how many scenes it has, how many gained, if all was known."""
    found = first_pass(
        info,
        settings.cuts,
        deinterlace=settings.deinterlace,
        dedupe=settings.dedupe,
        progress=lambda done: report(Surveying(path, done)),
    )
    info, seen = found.film(info), found.distinct()
    scenes = scenes_of(seen.times, seen.cuts, seen.motion, seen.looks)
    recipe = recipe_of(weights, settings.steps)
    card = choose_device(settings.device).type != "cpu"
    doubled = [scene.last - scene.first - 1 for scene in scenes]
    steps = steps_for(settings.steps, doubled, info.height, info.width, card)
    facts = key_facts(
        weights.sha256, recipe, steps, seen.cuts, settings.deinterlace, settings.dedupe
    )
    key = fingerprint(info.path, facts)
    stored = find(output, key)
    kept = 0

    def frames_from(index: int) -> Iterator[Frame]:
        return distinct_frames(info, found, index, deinterlace=settings.deinterlace)

    with Writer(output, key) as writer:

        def take(result: SceneAdaptation) -> None:
            nonlocal kept
            kept += result.deltas is not None
            report(Adapted(path, result, len(scenes)))
            if stored is None:
                writer.add(result)

        if crew is not None and stored is None:
            from filmcli.pipeline.adapting import adapt_scenes

            adapt_scenes(crew, info, found, scenes, steps, weights, settings, take)
        else:
            net = adaptable(weights, settings.device)
            with FilmAdapter(
                net, info, scenes, recipe, frames_from, steps=steps, stored=stored
            ) as adapter:
                for scene in scenes:
                    take(adapter.scene(scene.number))
        if stored is None:
            writer.done()
    return len(scenes), kept, stored is not None


def _check_output(output: str) -> None:
    """Refuse a name that something else has, and a folder that cannot be written to."""
    if os.path.lexists(output) and not is_ours(output):
        raise OutputExistsError(
            f"{output} exists already",
            "it was not written by filmcli adapt",
            "move it away; only its own files are replaced",
        )
    folder = os.path.dirname(output) or "."
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MachineError(
            f"cannot write {output}",
            f"no permission to create files in {folder}",
            "copy the film into a folder of yours",
        )
