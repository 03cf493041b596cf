"""What a cluster's engine costs, and whether two workers of one core beat one process of two.

python -m benchmarks.cluster                     all parts: a few minutes on two quiet cores
python -m benchmarks.cluster engine --most 1000  errands of no work: seconds each, memory
python -m benchmarks.cluster share --seconds 10  the same film by one process and by workers
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import cloudpickle

from benchmarks.run import Row, machine, show
from benchmarks.speed import mandelbrot
from filmcli.cluster.crew import Crew
from filmcli.cluster.nodes import LOCAL, joined
from filmcli.pipeline.cluster import to_send
from filmcli.pipeline.plan import make_plan
from filmcli.pipeline.request import Settings, prepare

COUNTS = (100, 1000, 10_000)


@dataclass(frozen=True)
class Nothing:
    """The craft of doing nothing, and saying so."""

    @contextmanager
    def opened(self, folder: str) -> Iterator[Callable[[int], Iterator[int]]]:  # noqa: ARG002
        """Needs no tools."""
        yield lambda number: iter((number,))


class Silence:
    """An order of so many errands without work."""

    name, craft, slowness = "nothing", Nothing(), 1.0

    def __init__(self, count: int) -> None:
        self.todo = range(count)

    def errand(self, index: int) -> int:
        """Its number."""
        return index

    def hear(self, index: int, said: Any, node: str) -> None:
        """It says its number."""

    def done(self, index: int) -> None:
        """Nothing to write."""

    def lost(self, index: int) -> None:
        """Nothing to throw away."""


def measure_engine(most: int) -> list[Row]:
    """Seconds an errand, and this process's memory after so many."""
    rows: list[Row] = []
    with joined(LOCAL), Crew(device="cpu") as crew:
        crew.work(Silence(20))  # the workers are there
        for count in (count for count in COUNTS if count <= most):
            started = time.perf_counter()
            crew.work(Silence(count))
            each = (time.perf_counter() - started) / count
            rows.append({"errands": count, "ms each": 1000 * each, "memory, MiB": _memory()})
    return rows


def measure_share(seconds: int) -> list[Row]:
    """Frames made a second of one film, from the first that is heard of to the last."""
    with tempfile.TemporaryDirectory() as folder:
        film = str(mandelbrot(Path(folder, "in.mkv"), 320, 180, seconds))
        return [
            {"320x180": name, "frames a second": _speed(film, folder, seconds, words)}
            for name, words in (
                ("one process of all cores", []),
                ("a worker for each core", ["--cluster", "local"]),
            )
        ]


def measure_plan() -> list[Row]:
    """Bytes of the plan of a short film and of one that is ten times as long."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for seconds in (10, 100):
            film = str(mandelbrot(Path(folder, f"{seconds}.mkv"), 64, 36, seconds))
            settings = Settings(fps="60", output=os.path.join(folder, "out.mkv"))
            plan = make_plan(prepare(film, settings), lambda _: None)
            weight = len(cloudpickle.dumps(to_send(plan)))
            rows.append({"pictures": len(plan.found.times), "plan, bytes": weight})
    return rows


def _speed(film: str, folder: str, seconds: int, words: Sequence[str]) -> float:
    output = os.path.join(folder, f"out{len(words)}.mkv")
    # Segments of a second, so that all workers have some: the film is one scene.
    cuts = Path(folder, "cuts.txt")
    cuts.write_text("\n".join(map(str, range(1, seconds))))
    asked = ["--fps", "48", "-o", output, "--cuts", str(cuts)]
    command = [sys.executable, "-m", "filmcli", "upsample", film, "--json", *asked, *words]
    first = last = (0.0, 0)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "progress":
                last = time.perf_counter(), event["done"]
                first = first if first[1] else last
    return (last[1] - first[1]) / (last[0] - first[0])


def _memory() -> float:
    with open("/proc/self/status") as lines:
        return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


def main() -> None:
    """Print a table and a line of JSON for each part."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster")
    parser.add_argument("parts", nargs="*", choices=["engine", "share", "plan", []], default=[])
    parser.add_argument("--most", type=int, default=COUNTS[-1], help="errands")
    parser.add_argument("--seconds", type=int, default=30, help="of the film that is shared")
    asked = parser.parse_args()
    parts = {
        "engine": lambda: measure_engine(asked.most),
        "share": lambda: measure_share(asked.seconds),
        "plan": measure_plan,
    }
    for name in asked.parts or parts:
        before, rows = machine(), parts[name]()
        show(name, rows)
        print(json.dumps({"part": name, **before, "rows": rows}))


if __name__ == "__main__":
    main()
