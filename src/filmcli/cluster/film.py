"""A film as the workers see it: where it lies, or a copy that is fetched once for each machine."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from filmcli.cluster.scratch import shared
from filmcli.locks import hold
from filmcli.video.fingerprint import fingerprint

_CHUNK_BYTES = 1 << 23
_AHEAD = 3
"""Chunks of a film on their way to one machine: all that it takes of the object store."""


@dataclass(frozen=True)
class Film:
    """A film file: its name, its content, and the node that sees it for certain."""

    path: str
    size: int
    content: str
    node: str


def film_here(path: str) -> Film:
    """The film that this process sees at `path`."""
    path = os.path.abspath(path)
    node = ray.get_runtime_context().get_node_id()
    return Film(path, os.path.getsize(path), fingerprint(path, {}), node)


@contextlib.contextmanager
def seen(film: Film) -> Iterator[str]:
    """A path at which this process sees the film: its own, if that is the same file here."""
    if _is_same(film):
        yield film.path
        return
    with shared(film.content) as folder:
        path = os.path.join(folder, "film" + os.path.splitext(film.path)[1])
        with open(os.path.join(folder, "fetching"), "w") as lock:
            hold(lock.fileno(), wait=True)  # one fetches it, the others of this machine wait
            if not os.path.exists(path):
                _fetch(film, path)
        yield path


def _is_same(film: Film) -> bool:
    with contextlib.suppress(OSError):
        return os.path.getsize(film.path) == film.size and (
            fingerprint(film.path, {}) == film.content
        )
    return False


def _fetch(film: Film, path: str) -> None:
    here = NodeAffinitySchedulingStrategy(film.node, soft=False)
    read = ray.remote(_read).options(num_cpus=0, scheduling_strategy=here)
    coming: deque[ray.ObjectRef] = deque()
    with open(f"{path}.part", "wb") as copy:
        for offset in range(0, film.size, _CHUNK_BYTES):
            coming.append(read.remote(film.path, offset))
            if len(coming) == _AHEAD:
                copy.write(ray.get(coming.popleft()))
        for chunk in coming:
            copy.write(ray.get(chunk))
    if fingerprint(copy.name, {}) != film.content:
        raise OSError(f"{film.path} has changed while it was fetched")
    os.replace(copy.name, path)


def _read(path: str, offset: int) -> bytes:
    with open(path, "rb") as film:
        film.seek(offset)
        return film.read(_CHUNK_BYTES)
