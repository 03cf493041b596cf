"""What a whole `upsample` costs beyond its network, and how much memory it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.speed import Took, fresh_weights, mandelbrot, run_ffmpeg
from filmcli.network.interpolator import Interpolator
from filmcli.network.weights import load, save
from filmcli.pipeline.render import Reel, render
from filmcli.pipeline.request import Settings
from filmcli.pipeline.upsample import upsample
from filmcli.timing import Timeline
from filmcli.video.decode import decode
from filmcli.video.probe import probe

SECONDS = 15
RATE = Fraction(24)

# Linux counts a child's ru_maxrss from its parent's size at the fork; VmHWM is the child's own.
_PEAK = """
import sys
from filmcli.pipeline.request import Settings
from filmcli.pipeline.upsample import upsample
upsample(sys.argv[1], Settings(weights=sys.argv[2], output=sys.argv[3]))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def timed(work: Callable[[], object]) -> Took:
    """Return what `work` and its child processes take; on a busy machine only the CPU counts."""
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    work()
    return Took(time.perf_counter() - wall, sum(os.times()[:4]) - cpu)


def small_weights(folder: Path) -> str:
    """Write a newly initialised film-m, and return its path."""
    path = str(folder / "film-m.safetensors")
    save(path, "film-m", fresh_weights("film-m").state_dict)
    return path


def measure_overhead(folder: Path) -> list[dict[str, Any]]:
    """Compare a film's upsampling, file to file, with its network alone on frames in memory."""
    film = str(mandelbrot(folder / "overhead.mkv", 640, 360, SECONDS))
    weights = small_weights(folder)
    settings = Settings(weights=weights, output=str(folder / "overhead.2x.mkv"))
    whole = timed(lambda: upsample(film, settings))
    info = probe(film)
    frames = list(decode(info))
    doorway = Interpolator(load(weights), info.layout, info.color, info.width, info.height)
    timeline = Timeline([k / RATE for k in range(len(frames))], 1 / RATE, 2 * RATE)
    slots = [slot for slot in timeline.slots(0, timeline.count) if slot.kind == "make"]
    alone = timed(lambda: list(render(Reel(iter(frames), 0), slots, timeline.outer, doorway)))
    return [
        {
            "640x360, film-m": f"{len(slots)} frames made, {name}",
            "network alone, s": network,
            "upsample, s": all_of_it,
            "around the network": f"{100 * (1 - network / all_of_it):.1f} %",
        }
        for name, network, all_of_it in zip(("clock", "all cores"), alone, whole, strict=True)
    ]


def measure_memory(folder: Path) -> list[dict[str, Any]]:
    """Return the peak memory of upsampling a short film and one ten times as long."""
    weights = small_weights(folder)
    short = mandelbrot(folder / "10.mkv", 256, 144, 10)
    long = folder / "100.mkv"
    run_ffmpeg("-stream_loop", "9", "-i", str(short), "-c", "copy", str(long))
    rows = []
    for film in (short, long):
        words = [sys.executable, "-c", _PEAK, str(film), weights, str(film.with_suffix(".2x.mkv"))]
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        )
        peak = int(done.stdout.split()[-1]) / 1024
        rows.append({"film": f"256x144, {film.stem} s", "peak memory, MiB": peak})
    return rows
