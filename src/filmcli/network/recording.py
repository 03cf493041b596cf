"""Stages of fixed shapes are recorded as CUDA graphs and replayed: one launch in place of hundreds.

A small network's kernels are shorter than it takes Python to launch them. What was recorded reads
and writes memory of its own, so what goes in is copied there and what comes out from there, which
takes a GPU far less time than the launches.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from filmcli.network.machine import is_out_of_memory

_logger = logging.getLogger(__name__)

_PLAIN_RUNS = 2
"""So often a stage runs as it is first: libraries choose and load what they need meanwhile."""

Record = Callable[[Callable[[], Any]], tuple[Callable[[], None], Any]]
"""Runs a function, and returns what does the same again, and its result, which that refills."""


class _Recording(NamedTuple):
    inputs: list[Tensor]
    replay: Callable[[], None]
    outputs: list[Any]
    shape: Any


class Replayer:
    """Calls functions of tensors, from a recording once one has been called often enough.

    A function must do the same to all tensors of the same shapes, and never look at their values.
    What cannot be recorded, or does not fit the memory a second time, is called as it is.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._calls: Counter[Any] = Counter()
        self._recordings: dict[Any, _Recording] = {}
        self._records = True

    def __call__(self, function: Callable[..., Any], *inputs: Any) -> Any:
        """Return `function(*inputs)`; tensors in lists, tuples and mappings are reached."""
        if not self._records:
            return function(*inputs)
        leaves, shape = tree_flatten(inputs)
        key = (function, shape, *map(_sort, leaves))
        recording = self._recordings.get(key)
        if recording is None:
            self._calls[key] += 1
            if self._calls[key] <= _PLAIN_RUNS:
                return function(*inputs)
            try:
                recording = self._recorded(function, leaves, shape)
            except RuntimeError as failure:
                self.stop()
                if not is_out_of_memory(failure):
                    _logger.warning("the network is not recorded: %s", str(failure).split("\n")[0])
                return function(*inputs)
            self._recordings[key] = recording
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        for own, given in zip(recording.inputs, tensors, strict=True):
            own.copy_(given)
        recording.replay()
        results = [x.clone() if isinstance(x, Tensor) else x for x in recording.outputs]
        return tree_unflatten(results, recording.shape)

    def stop(self) -> None:
        """Let go of all recordings and their memory, and make no more."""
        self._records = False
        self._recordings.clear()

    def _recorded(self, function: Callable[..., Any], leaves: list[Any], shape: Any) -> _Recording:
        own = [x.clone() if isinstance(x, Tensor) else x for x in leaves]
        inputs = tree_unflatten(own, shape)
        replay, result = self._record(lambda: function(*inputs))
        outputs, result_shape = tree_flatten(result)
        tensors = [x for x in own if isinstance(x, Tensor)]
        return _Recording(tensors, replay, outputs, result_shape)


def _sort(leaf: Any) -> Any:
    """Return what a recording depends on: of a tensor all but its values."""
    if isinstance(leaf, Tensor):
        return leaf.dtype, leaf.shape, leaf.stride()
    return leaf


def on_cuda() -> Record:
    """Return what records as CUDA graphs, which share the memory of what they do in between."""
    pool = torch.cuda.graph_pool_handle()

    def record(function: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            result = function()
        return graph.replay, result

    return record
