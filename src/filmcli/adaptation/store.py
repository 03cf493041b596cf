"""Adapted films on disk: the deltas of every scene that was kept, and what was found of the others.

One safetensors file beside the film. Its key names the film's content, the weights, the cuts and
the recipe; with another key it is another film's, and of no use.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from types import TracebackType
from typing import Any

from safetensors import SafetensorError, safe_open

from filmcli import __version__
from filmcli.adaptation.scene import Recipe, SceneAdaptation

FORMAT = "filmcli-adapted-1"


class Stored:
    """An adapted film on disk; a scene's deltas are read when it is asked for."""

    def __init__(self, path: str, scenes: list[dict[str, Any]]) -> None:
        self._path = path
        self._scenes = scenes

    def __len__(self) -> int:
        return len(self._scenes)

    def scene(self, number: int) -> SceneAdaptation:
        """Return what was found of scene `number`."""
        facts = self._scenes[number]
        prefix = f"{number}/"
        with safe_open(self._path, "pt") as file:
            names = [key for key in file.keys() if key.startswith(prefix)]  # noqa: SIM118
            deltas = {key.removeprefix(prefix): file.get_tensor(key) for key in names}
        return SceneAdaptation(**{**facts, "deltas": deltas or None})


def adapted_path(film: str) -> str:
    """Return where the adaptation of `film` stands: beside it."""
    return f"{os.path.splitext(film)[0]}.adapted.safetensors"


def is_ours(path: str) -> bool:
    """True if the file at `path` is an adapted film, of whatever key."""
    return _header(path).get("format") == FORMAT


def find(path: str, key: str) -> Stored | None:
    """Return the adapted film at `path`, or None if there is none of this `key`."""
    header = _header(path)
    if header.get("format") != FORMAT or header.get("key") != key:
        return None
    return Stored(path, json.loads(header["scenes"]))


class Writer:
    """Writes an adapted film scene by scene; it appears under its name when all is `done`.

    A context manager. Leaving without `done` leaves nothing behind. Deltas go to disk as they
    come, so memory does not grow with the film.
    """

    def __init__(self, path: str, key: str) -> None:
        self._path = path
        self._key = key
        self._scenes: list[dict[str, Any]] = []
        self._places: dict[str, Any] = {}
        folder = os.path.dirname(path) or "."
        self._tensors = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed on exit)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tensors.close()

    def add(self, result: SceneAdaptation) -> None:
        """Write the next scene; its number is that of scenes added before."""
        self._scenes.append({**asdict(replace(result, deltas=None))})
        for name, delta in (result.deltas or {}).items():
            begin = self._tensors.tell()
            self._tensors.write(delta.cpu().contiguous().numpy().tobytes())
            self._places[f"{result.scene}/{name}"] = {
                "dtype": "F16",
                "shape": list(delta.shape),
                "data_offsets": [begin, self._tensors.tell()],
            }

    def done(self) -> None:
        """Put the file under its name, in place of an earlier one."""
        said = {"format": FORMAT, "key": self._key, "scenes": json.dumps(self._scenes)}
        header = json.dumps({"__metadata__": said, **self._places}).encode()
        header += b" " * (-len(header) % 8)
        partial = f"{self._path}.partial"
        with open(partial, "wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            self._tensors.seek(0)
            shutil.copyfileobj(self._tensors, file)
        os.replace(partial, self._path)


def key_facts(
    weights_sha256: str,
    recipe: Recipe,
    steps: Sequence[int],
    cuts: Sequence[int],
    deinterlace: bool,
    dedupe: bool,
) -> dict[str, str]:
    """Return everything beside the film's content that its adaptation depends on, in words.

    `steps` are those of each scene.
    """
    return {
        "format": FORMAT,
        "version": __version__,
        "weights": weights_sha256,
        "recipe": recipe.spelled(),
        "steps": str(list(steps)),
        "cuts": str(list(cuts)),
        "deinterlace": str(deinterlace),
        "dedupe": str(dedupe),
    }


def _header(path: str) -> dict[str, str]:
    """Return the strings of a safetensors file's header; nothing for any other file."""
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError):
        return {}
