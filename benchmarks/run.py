"""Measure the speed of the networks, the cost of the pipeline around them, the memory of a film.

    python -m benchmarks.run                    all of it, in about 20 minutes on two quiet cores
    python -m benchmarks.run speed overhead     only these

Each part prints a table and one line of JSON with the machine, the versions and the commit, so
that two runs can be told apart. Speeds are also ratios to peers measured in the same run.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import pipeline, speed
from filmcli import __version__

Row = dict[str, Any]
PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "speed": speed.measure,
    "overhead": pipeline.measure_overhead,
    "start": pipeline.measure_start,
    "memory": pipeline.measure_memory,
}
ROOT = Path(__file__).resolve().parent.parent


def first_line(*command: str) -> str:
    """Return the first line of a command's output, or "" if it fails."""
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.stdout.partition("\n")[0] if done.returncode == 0 else ""


def processor() -> str:
    """Return the CPU's name."""
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def machine() -> Row:
    """Return what numbers depend on: processor, cores, load, versions, commit."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "filmcli": __version__,
        "commit": first_line("git", "describe", "--always", "--dirty"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "ffmpeg": first_line("ffmpeg", "-version").split(" Copyright")[0],
    }


def show(title: str, rows: Sequence[Row]) -> None:
    """Print the rows as a table."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in rows[0]:
        table.add_column(name, justify="right" if name != next(iter(rows[0])) else "left")
    for row in rows:
        table.add_row(*(f"{x:.3g}" if isinstance(x, float) else str(x) for x in row.values()))
    Console(width=160).print(table)


def main(names: Sequence[str]) -> int:
    """Run the parts of these names, all by default."""
    unknown = set(names) - set(PARTS)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        for name in names or PARTS:
            before = machine()
            rows = PARTS[name](Path(folder))
            show(name, rows)
            print(json.dumps({"benchmark": name, **before, "rows": rows}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
