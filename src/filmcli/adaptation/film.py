"""A film's scenes adapted one after the other, each when it is asked for.

The frames come from a reader of their own, which only goes forwards: of the film, the crops of
one scene's triplets are held and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from filmcli.adaptation.judges import judge_here
from filmcli.adaptation.lessons import Questions
from filmcli.adaptation.recurrence import firsts
from filmcli.adaptation.scene import (
    Recipe,
    Scene,
    SceneAdaptation,
    adapt_scene,
    applied,
    triplets_of,
)
from filmcli.adaptation.worth import Steps
from filmcli.errors import RenderError
from filmcli.frames import Frame, VideoInfo
from filmcli.network.color import to_rgb, upload
from filmcli.network.machine import choose_device
from filmcli.network.networks import CONFIGS, Network, build
from filmcli.network.weights import Weights
from filmcli.video.decode import LEAP_FRAMES

N = TypeVar("N", bound=nn.Module)

LESSONS, RULE, LONGEST = "lessons", "rule", "longest"
"""Names, in the metadata of meta-trained weights, of how they learned to adapt: the two questions'
weights ("0 1"), the rule of a step and the length that none exceeds."""


@dataclass(frozen=True)
class FilmSettings:
    """What a user may say of a film and of the network it is made with, whatever is made of it.

    `cuts` is "auto", "off", a threshold in (0, 1] or a file of cuts. `dedupe` counts a run of
    equal pictures as one. `steps` says how far the network is adapted to every scene, 0 that it
    is not, "auto" that it is where that costs little. `video` chooses one of several films in a
    file, by its stream or its programme.
    """

    steps: Steps = 1
    weights: str | None = None
    cuts: str = "auto"
    dedupe: bool = False
    deinterlace: bool = True
    device: str = "auto"
    video: int | None = None


class Scenes(Protocol):
    """Adaptations that were found before."""

    def scene(self, number: int) -> SceneAdaptation:
        """Return what was found of scene `number`."""


@dataclass(frozen=True)
class Adapted:
    """The network was adapted to one of `scenes` scenes, or that was given up."""

    source: str
    scene: SceneAdaptation
    scenes: int


def adaptable(weights: Weights, device: str = "auto") -> Network:
    """Return the network of `weights` in float32, as adaptation wants it, on `device`."""
    with torch.device("meta"):
        net = build(CONFIGS[weights.config])
    return prepared(net, weights, device)


def prepared(net: N, weights: Weights, device: str = "auto") -> N:
    """Return `net`, of any kind and on any device, as `adaptable` does the network of `weights`."""
    net.load_state_dict(weights.state_dict, assign=True)
    net.eval().requires_grad_(False).to(choose_device(device))
    # Training on a CPU is 13 to 20 % faster with the channels last.
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def recipe_of(weights: Weights, steps: Steps) -> Recipe:
    """Return how to adapt these weights here: as they learned to, by rates, rule and lessons."""
    steps = 1 if steps == "auto" else steps
    judge = judge_here()
    if not weights.rates:
        return Recipe(steps=steps, judge=judge)
    said = weights.metadata.get(LESSONS)
    questions = Questions(*map(float, said.split())) if said else Recipe().questions
    rule = weights.metadata.get(RULE, Recipe().rule)
    longest = float(weights.metadata.get(LONGEST, "inf"))
    return Recipe(
        steps=steps,
        rates=weights.rates,
        rule=rule,
        longest=longest,
        questions=questions,
        judge=judge,
    )


class FilmAdapter:
    """Gives the adaptation of each scene of a film, in rising order; a context manager.

    `frames_from(i)` gives the frames of the film of which `scenes` speaks, from frame i on. Scenes
    get the recipe's steps, or each its own of `steps`. A scene that `stored` knows is not adapted
    again. `on_scene` hears of every scene once. A scene that looks like an earlier one may take its
    deltas: of those that later ones look like, the deltas are held. Leaving ends the reader.
    """

    def __init__(
        self,
        net: Network,
        info: VideoInfo,
        scenes: Sequence[Scene],
        recipe: Recipe,
        frames_from: Callable[[int], Iterator[Frame]],
        *,
        steps: Sequence[int] | None = None,
        stored: Scenes | None = None,
        on_scene: Callable[[SceneAdaptation], None] | None = None,
    ) -> None:
        self._net = net
        self._info = info
        self._scenes = scenes
        counts = [recipe.steps] * len(scenes) if steps is None else steps
        self._recipes = [replace(recipe, steps=count) for count in counts]
        self._frames_from = frames_from
        self._stored = stored
        self._on_scene = on_scene
        self._frames: Iterator[Frame] | None = None
        self._next = 0
        self._last: tuple[SceneAdaptation, dict[str, Tensor] | None] | None = None
        self._firsts = firsts([self._look_of(scene) for scene in scenes])
        self._leaning = {first: n for n, first in enumerate(self._firsts) if first is not None}
        self._held: dict[int, SceneAdaptation] = {}

    def __enter__(self) -> FilmAdapter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._frames is not None:
            self._frames.close()  # type: ignore[attr-defined]
            self._frames = None

    def can_go_on_to(self, number: int) -> bool:
        """True if scene `number` does not lie before the last one asked for."""
        return self._last is None or self._last[0].scene <= number

    def scene(self, number: int) -> SceneAdaptation:
        """Return the adaptation of scene `number`, at least the one asked for before."""
        return self._adapted(number)[0]

    def params(self, number: int) -> dict[str, Tensor] | None:
        """Return the parameters to render scene `number` with; None for the network's own."""
        return self._adapted(number)[1]

    def _adapted(self, number: int) -> tuple[SceneAdaptation, dict[str, Tensor] | None]:
        if self._last is None or self._last[0].scene != number:
            result = self._stored.scene(number) if self._stored else self._adapt(number)
            deltas = result.deltas
            if self._on_scene is not None:
                self._on_scene(result)
            self._last = (result, None if deltas is None else applied(self._net, deltas))
        return self._last

    def _adapt(self, number: int) -> SceneAdaptation:
        """Adapt to scene `number`, and before it to the first of its kind, if that is not done."""
        first = self._firsts[number]
        if first is not None and first not in self._held:
            # A run that begins in the middle: back to the first one, and here again.
            self._close()
            self._adapt(first)
            self._close()
        earlier = None if first is None else self._held[first]
        scene = self._scenes[number]
        result = adapt_scene(self._net, scene, self._frame_at, self._recipes[number], earlier)
        # The number of the last scene that leans on one is when its deltas can go.
        held = {**self._held, number: result}
        self._held = {n: held[n] for n in held if self._leaning.get(n, -1) > number}
        return result

    def _look_of(self, scene: Scene) -> str | None:
        """Return the look of a scene that can be adapted to."""
        recipe = self._recipes[scene.number]
        return None if isinstance(triplets_of(scene, recipe), str) else scene.look

    def _frame_at(self, index: int) -> Tensor:
        """Return frame `index` as RGB; frames between the last one asked for and it are skipped."""
        if index > self._next + LEAP_FRAMES:
            self._close()
        if self._frames is None:
            self._frames = self._frames_from(index)
            self._next = index
        for frame in self._frames:
            self._next += 1
            if self._next > index:
                device = next(self._net.parameters()).device
                planes = upload(frame.planes, device)
                return to_rgb(planes, self._info.layout, self._info.color)[:, :3]
        raise RenderError(
            f"The film ends before frame {index}.",
            "It gave more frames when it was surveyed.",
            "Check that nothing changes the file, and run the command again.",
        )
