"""Whatever happens to workers and nodes, every errand is done, and what is said counts once."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from filmcli.errors import MachineError, RenderError
from tests.marks import slow
from tests.rays import QUIET, Nodes, cluster, crew

from filmcli.cluster.crew import Crew  # isort: skip (Ray is there)
from filmcli.cluster.nodes import Place  # isort: skip
from filmcli.cluster.worker import Facts  # isort: skip

pytestmark = QUIET

Act = tuple[str, int]
"""What happens to the worker of an errand, and for how many tries at it."""


@dataclass(frozen=True)
class Squares:
    """Says a number, then its square; what `acts` name happens in between."""

    folder: str
    acts: dict[int, Act] = field(default_factory=dict)

    @contextmanager
    def opened(self, folder: str) -> Iterator[Callable[[int], Iterator[int]]]:
        Path(folder, "tool").write_text("")
        yield self._square

    def _square(self, number: int) -> Iterator[int]:
        tries = Path(self.folder, str(number))
        with tries.open("a") as file:
            file.write(f"{os.getpid()}\n")
        yield number
        how, times = self.acts.get(number, ("", 0))
        if len(tries.read_text().splitlines()) <= times:
            if how in ("kill", "stop"):
                number_of = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
                os.kill(os.getpid(), number_of[how])
                time.sleep(600)
            if how == "fail":
                raise RenderError(f"{number} is too large")
            if how == "lie":
                number += 1
            if how == "wait":
                time.sleep(3)
        yield number * number


class Sums:
    """The order: what was said of each errand."""

    name, slowness = "squares", 1.0

    def __init__(self, craft: Squares, todo: Sequence[int]) -> None:
        self.craft, self.todo = craft, todo
        self.said: dict[int, list[int]] = {}
        self.nodes: set[str] = set()
        self.on_done: Callable[[], None] = lambda: None

    def errand(self, index: int) -> int:
        return index

    def hear(self, index: int, said: int, node: str) -> None:
        self.said.setdefault(index, []).append(said)
        self.nodes.add(node)

    def done(self, index: int) -> None:
        if self.said[index] != [index, index * index]:
            raise RenderError("that is no square")
        self.on_done()

    def lost(self, index: int) -> None:
        self.said.pop(index, None)

    def is_right(self) -> bool:
        return self.said == {n: [n, n * n] for n in self.todo}


def tries(folder: Path, number: int) -> int:
    return len((folder / str(number)).read_text().splitlines())


def test_one_that_dies_hangs_fails_or_lies_costs_its_errand_and_no_other(
    nodes: Nodes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    acts = {2: ("kill", 1), 4: ("stop", 1), 6: ("fail", 1), 8: ("lie", 1)}
    order = Sums(Squares(str(tmp_path), acts), range(12))
    with caplog.at_level(logging.WARNING), crew(nodes, 2) as workers:
        assert workers.describe().startswith("2 workers on 2 nodes, cpu, ")
        workers.work(order)
    assert order.is_right()
    assert {n: tries(tmp_path, n) for n in range(12)} == {n: 1 + (n in acts) for n in range(12)}
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == len(acts)
    for number, words in ((2, "was lost"), (4, "hangs"), (6, "too large"), (8, "no square")):
        assert [words in line for line in told if f"part {number + 1} is made again" in line] == [
            True
        ]


def test_what_always_fails_ends_its_order_and_no_other(nodes: Nodes, tmp_path: Path) -> None:
    bad = Sums(Squares(str(tmp_path), {1: ("fail", 99)}), range(3))
    good = Sums(Squares(str(tmp_path)), range(10, 40))
    with crew(nodes) as workers:
        beside = Thread(target=partial(workers.work, good))
        beside.start()
        with pytest.raises(RenderError, match="1 is too large"):
            workers.work(bad)
        beside.join()
    assert good.is_right()
    assert tries(tmp_path, 1) == 4


@pytest.mark.slow
def test_a_node_that_goes_is_done_without_and_one_that_comes_is_used(tmp_path: Path) -> None:
    order = Sums(Squares(str(tmp_path), dict.fromkeys(range(12), ("wait", 1))), range(12))
    begun = Event()
    order.on_done = begun.set
    with cluster(nodes=1) as nodes, crew(nodes) as workers:
        beside = Thread(target=partial(workers.work, order))
        beside.start()
        begun.wait()
        nodes.add()
        nodes.end(0)
        beside.join()
    assert order.is_right() and len(order.nodes) == 2
    assert sum(tries(tmp_path, n) for n in range(12)) <= 13


@pytest.mark.slow
def test_when_all_nodes_are_gone_that_is_said(tmp_path: Path) -> None:
    order = Sums(Squares(str(tmp_path), dict.fromkeys(range(9), ("wait", 9))), range(9))
    with cluster(nodes=1) as nodes, crew(nodes, 2) as workers:
        order.on_done = lambda: nodes.end(0)
        with pytest.raises(MachineError, match="no worker of the cluster is left"):
            workers.work(order)


@pytest.mark.parametrize(
    ("name", "said", "why"),
    [
        ("__version__", "0.0.9", "and 0.0.9 here"),
        *slow(("is_lpips_here", lambda: False, "lpips is installed there and missing here")),
    ],
)
def test_a_node_with_other_programs_is_refused(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch, name: str, said: object, why: str
) -> None:
    monkeypatch.setattr(f"filmcli.cluster.worker.{name}", said)  # of this process alone
    with pytest.raises(MachineError) as refused, crew(nodes):
        pass
    assert "differs from this machine" in refused.value.what
    assert why in refused.value.why


def test_workers_of_several_kinds_are_named_in_the_plan() -> None:
    cpu = Facts("1", "5", "2", "cpu, bfloat16", "Xeon")
    gpu = Facts("1", "5", "2", "cuda:0 (NVIDIA H100), float16", "Xeon")
    other = cpu._replace(processor="EPYC")

    def told(*facts: Facts) -> str:
        crew = Crew(device="cpu")
        places = [Place(f"node{at // 2}", "", at, 0, 1) for at in range(len(facts))]
        hands = zip(places, facts, strict=True)
        crew._hands = {at: SimpleNamespace(place=at, facts=fact) for at, fact in hands}  # type: ignore[misc]
        return crew.describe()

    assert told(cpu) == "1 worker on 1 node, cpu, bfloat16"
    assert told(gpu, gpu, gpu._replace(processor="EPYC")) == (
        "3 workers on 2 nodes, cuda:0 (NVIDIA H100), float16"
    )
    assert told(cpu, gpu, other) == (
        "mixed workers on 2 nodes (1 × cpu, bfloat16 on Xeon, 1 × cuda:0 (NVIDIA H100), float16, "
        "1 × cpu, bfloat16 on EPYC), whose pictures may differ in the last bits"
    )
