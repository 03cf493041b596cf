"""A film's scenes adapted to by a crew, each by one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from filmcli.adaptation.film import FilmAdapter, FilmSettings, adaptable, recipe_of
from filmcli.adaptation.scene import Scene, SceneAdaptation
from filmcli.cluster.crew import Crew
from filmcli.cluster.film import Film, film_here, seen
from filmcli.errors import RenderError
from filmcli.frames import Frame, VideoInfo
from filmcli.network.weights import Weights
from filmcli.survey.firstpass import FirstPass, distinct_frames

_SLOWNESS = 10.0  # nothing is said before a scene is done

Take = Callable[[SceneAdaptation], None]


def adapt_scenes(
    crew: Crew,
    info: VideoInfo,
    found: FirstPass,
    scenes: Sequence[Scene],
    steps: Sequence[int],
    weights: Weights,
    settings: FilmSettings,
    take: Take,
) -> None:
    """Let the scenes of a film be adapted to, each in its `steps`; `take` is given each in turn."""
    craft = SceneCraft(film_here(info.path), info, found, scenes, steps, weights, settings)
    crew.work(_Scenes(craft, len(scenes), take))


@dataclass(frozen=True)
class SceneCraft:
    """Adapting to any scene of a film; one that is like an earlier one begins with that."""

    film: Film
    info: VideoInfo
    found: FirstPass
    scenes: Sequence[Scene]
    steps: Sequence[int]
    weights: Weights
    settings: FilmSettings

    @contextmanager
    def opened(self, folder: str) -> Iterator[Callable[[int], Iterator[SceneAdaptation]]]:  # noqa: ARG002
        """A network, and a reader of the film."""
        with seen(self.film) as path, ExitStack() as life:
            info = replace(self.info, path=path)
            adapter: FilmAdapter | None = None

            def adapt(number: int) -> Iterator[SceneAdaptation]:
                nonlocal adapter
                if adapter is None or not adapter.can_go_on_to(number):
                    life.close()
                    adapter = life.enter_context(self._adapter(info))
                result = adapter.scene(number)
                deltas = result.deltas and {k: delta.cpu() for k, delta in result.deltas.items()}
                yield replace(result, deltas=deltas)

            yield adapt

    def _adapter(self, info: VideoInfo) -> FilmAdapter:
        settings = self.settings
        return FilmAdapter(
            adaptable(self.weights, settings.device),
            info,
            self.scenes,
            recipe_of(self.weights, settings.steps),
            partial(self._frames, info),
            steps=self.steps,
        )

    def _frames(self, info: VideoInfo, first: int) -> Iterator[Frame]:
        return distinct_frames(info, self.found, first, deinterlace=self.settings.deinterlace)


class _Scenes:
    """The order for a film's scenes: gives them on as they follow each other in the film."""

    name, slowness = "adaptation", _SLOWNESS

    def __init__(self, craft: SceneCraft, count: int, take: Take) -> None:
        self.craft, self.todo = craft, range(count)
        self._take, self._next = take, 0
        self._early: dict[int, SceneAdaptation] = {}

    def errand(self, index: int) -> int:
        """The scene's number."""
        return index

    def hear(self, index: int, said: SceneAdaptation, node: str) -> None:  # noqa: ARG002
        """What was found of the scene."""
        self._early[index] = said

    def done(self, index: int) -> None:
        """Give on all scenes whose turn it is."""
        if index not in self._early:
            raise RenderError("A worker said nothing of a scene.")
        while self._next in self._early:
            self._take(self._early.pop(self._next))
            self._next += 1

    def lost(self, index: int) -> None:
        """It is adapted to again."""
        self._early.pop(index, None)
