"""What a whole `upsample` costs beyond its network, and how much memory it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.speed import Took, fresh_weights, mandelbrot, run_ffmpeg
from filmcli.network.interpolator import Interpolator
from filmcli.network.weights import load, save
from filmcli.pipeline.making import Here
from filmcli.pipeline.plan import make_plan
from filmcli.pipeline.render import Reel, render
from filmcli.pipeline.request import Settings, prepare
from filmcli.pipeline.upsample import upsample
from filmcli.timing import Timeline
from filmcli.video.decode import decode
from filmcli.video.mux import verify
from filmcli.video.probe import probe

SECONDS = 15
ROUNDS = 3
PRESETS = "medium", "veryfast"
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
    """Compare a film's upsampling, file to file, with its network alone on frames in memory.

    Both take their turn in every round, and ratios are of one round: a machine's speed drifts.
    """
    film = str(mandelbrot(folder / "overhead.mkv", 640, 360, SECONDS))
    weights = small_weights(folder)
    info = probe(film)
    frames = list(decode(info))
    doorway = Interpolator(load(weights), info.layout, info.color, info.width, info.height)
    timeline = Timeline([k / RATE for k in range(len(frames))], 1 / RATE, 2 * RATE)
    slots = [slot for slot in timeline.slots(0, timeline.count) if slot.kind == "make"]

    def alone() -> None:
        with doorway.abreast():
            list(render(Reel(iter(frames), 0), slots, timeline.outer, doorway))

    def whole(preset: str) -> None:
        output = str(folder / "overhead.2x.mkv")
        settings = Settings(weights=weights, output=output, preset=preset, steps=0, overwrite=True)
        upsample(film, settings)

    def encoding(preset: str) -> None:
        words = "-stream_loop", "1", "-i", film, "-c:v", "libx264", "-crf", "18", "-preset", preset
        run_ffmpeg(*words, str(folder / "coded.mkv"))

    rounds = [
        {
            "network alone": timed(alone),
            **{f"upsample, {preset}": timed(partial(whole, preset)) for preset in PRESETS},
            **{f"x264 alone, {preset}": timed(partial(encoding, preset)) for preset in PRESETS},
        }
        for _ in range(ROUNDS)
    ]
    return _table(f"{len(slots)} pictures made", rounds, beside="network alone")


def measure_start(folder: Path) -> list[dict[str, Any]]:
    """What comes before the first picture and after the last, in seconds, whatever the network."""
    film = str(mandelbrot(folder / "start.mkv", 640, 360, SECONDS))
    output = str(folder / "start.2x.mkv")
    settings = Settings(weights=small_weights(folder), output=output, steps=0)
    upsample(film, replace(settings, preset="ultrafast"))
    settings = replace(settings, overwrite=True)
    rounds = [_start(film, settings) for _ in range(ROUNDS)]
    return _table("around them", rounds)


def _start(film: str, settings: Settings) -> dict[str, Took]:
    request = prepare(film, settings)
    plan = make_plan(request, lambda _: None)
    timeline = plan.timeline
    assert request.streams is not None  # a file, not a pipe
    asked = timeline.count, timeline.rate, timeline.duration, request.streams
    return {
        "probe it, try the encoder": timed(lambda: prepare(film, settings)),
        "survey it": timed(lambda: make_plan(request, lambda _: None)),
        "say how long it will take": timed(lambda: Here().foretell(plan, [0], lambda _: None)),
        "verify the film": timed(lambda: verify(request.output, *asked)),
    }


def _table(title: str, rounds: list[dict[str, Took]], beside: str = "") -> list[dict[str, Any]]:
    """A row for each thing that was timed: medians over the rounds, and of ratios to `beside`."""
    rows: list[dict[str, Any]] = []
    for name in rounds[0]:
        row: dict[str, Any] = {f"640x360, {SECONDS} s, {title}": name}
        for number, unit in enumerate(("clock", "all cores")):
            row[f"{unit}, s"] = median(turn[name][number] for turn in rounds)
            if beside:
                ratios = (turn[name][number] / turn[beside][number] for turn in rounds)
                row[f"{unit}, ratio"] = median(ratios)
        rows.append(row)
    return rows


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
