"""How many frames a second each network makes, beside ffmpeg's minterpolate and published FILM.

The film zooms into the Mandelbrot set: texture and motion at every pixel, from ffmpeg alone. The
networks are freshly initialised: the numbers in a convolution do not change how long it takes.
"""

from __future__ import annotations

import resource
import subprocess
import time
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch

from filmcli.frames import Planes, VideoInfo
from filmcli.network.interpolator import Interpolator
from filmcli.network.machine import choose_device, choose_precision
from filmcli.network.networks import CONFIGS, build
from filmcli.network.weights import Weights
from filmcli.pipeline.estimate import begun_amid
from filmcli.video.decode import decode
from filmcli.video.probe import probe

SIZES = ((640, 360), (1280, 720))
FRAMES = 24
SECONDS_EACH = 4.0
"""After this long no further interval of a network is started."""


class Took(NamedTuple):
    """Seconds a frame: on the clock, and of all cores together."""

    wall: float
    cpu: float


def mandelbrot(path: Path, width: int, height: int, seconds: int = 1) -> Path:
    """Write a film of 24 frames a second, and return its path."""
    source = f"mandelbrot=size={width}x{height}:rate=24"
    words = ["-f", "lavfi", "-i", source, "-t", str(seconds), "-pix_fmt", "yuv420p"]
    run_ffmpeg(*words, "-c:v", "libx264", "-preset", "veryfast", "-crf", "12", str(path))
    return path


def run_ffmpeg(*words: str) -> None:
    """Run ffmpeg quietly; CalledProcessError if it fails."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *words]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)


def fresh_weights(name: str) -> Weights:
    """Return a newly initialised network's weights."""
    torch.manual_seed(0)
    return Weights(name, build(CONFIGS[name]).state_dict(), {}, "")


def minterpolate(film: Path) -> Took:
    """Return what a frame of ffmpeg's motion interpolation costs, decoding taken off."""
    costs = []
    for filters in ("null", "minterpolate=fps=48:scd=none"):
        wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        run_ffmpeg("-i", str(film), "-vf", filters, "-f", "null", "-")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        costs.append((time.perf_counter() - wall, cpu))
    plain, made = costs
    return Took((made[0] - plain[0]) / (FRAMES - 1), (made[1] - plain[1]) / (FRAMES - 1))


def network(name: str, precision: str, info: VideoInfo, frames: list[Planes]) -> Took:
    """Return what a frame costs in a row of intervals with others beside it, the first left out.

    As in a film, several intervals are made at once where that pays.
    """
    doorway = Interpolator(
        fresh_weights(name), info.layout, info.color, info.width, info.height, precision=precision
    )
    costs: list[Took] = []
    start = time.perf_counter()
    rows = zip(frames, frames[1:], frames[2:], frames[3:], strict=False)
    with doorway.abreast():
        while together := list(islice(rows, doorway.at_once)):
            wall, cpu = time.perf_counter(), time.process_time()
            for made in [begun_amid(doorway, row, [Fraction(1, 2)]) for row in together]:
                list(made)  # ends with the planes in main memory
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            costs.append(Took(wall / len(together), cpu / len(together)))
            if time.perf_counter() - start > SECONDS_EACH and len(costs) > 1:
                break
    return min(costs[1:])


def precisions() -> list[str]:
    """Return float32, and what "auto" means on this machine."""
    auto = str(choose_precision("auto", choose_device("auto"))).removeprefix("torch.")
    return list(dict.fromkeys(("float32", auto)))


def measure(folder: Path) -> list[dict[str, Any]]:
    """Return a row for each size, network and precision, and for minterpolate."""
    rows = []
    for width, height in SIZES:
        film = mandelbrot(folder / f"{width}.mkv", width, height)
        info = probe(str(film))
        frames = [frame.planes for frame in decode(info)]
        took = {("minterpolate", ""): minterpolate(film)}
        for precision in precisions():
            for name in CONFIGS:
                took[name, precision] = network(name, precision, info, frames)
        peers = took["minterpolate", ""], took["film", "float32"]
        rows += [
            {
                "made by": name,
                "precision": precision,
                "size": f"{width}x{height}",
                "frames/s": 1 / cost.wall,
                "CPU s/frame": cost.cpu,
                "x minterpolate": peers[0].wall / cost.wall,
                "by CPU s": peers[0].cpu / cost.cpu,
                "x film float32": peers[1].wall / cost.wall,
                "  by CPU s": peers[1].cpu / cost.cpu,
            }
            for (name, precision), cost in took.items()
        ]
    return rows
