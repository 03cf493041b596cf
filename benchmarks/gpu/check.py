"""Is what the device makes right? Tests, pictures beside the CPU's, memory, a film end to end."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.gpu.machine import card, engines
from benchmarks.gpu.scenery import YUV420, YUV420_10, YUVA444, frames, weights_of
from benchmarks.gpu.sheet import Parts, Row, Sheet, options
from filmcli.frames import Color, Layout, Neighbour, Planes
from filmcli.network import painter
from filmcli.network.interpolator import Interpolator
from filmcli.network.machine import choose_device
from filmcli.network.networks import CONFIGS
from filmcli.network.weights import Weights
from filmcli.video.engines import decoded_by
from filmcli.video.probe import probe

ROOT = Path(__file__).parents[2]
PRECISIONS = "float32", "float16", "bfloat16"
PHASES = Fraction(2, 5), Fraction(4, 5)


class Case(NamedTuple):
    """A film to be made on both sides."""

    layout: Layout
    width: int
    height: int
    tile: int | None = None
    around: bool = True
    intervals: int = 1

    @property
    def shot(self) -> list[Planes]:
        """Frames for so many intervals, and one around each of them."""
        return frames(self.layout, self.width, self.height, self.intervals + 3)

    def __str__(self) -> str:
        words = [f"{self.width}x{self.height}", self.layout.pix_fmt]
        words += [f"tiles {self.tile}"] if self.tile else []
        words += [f"{self.intervals} intervals"] if self.intervals > 1 else []
        return " ".join(words if self.around else [*words, "alone"])


CASES = (
    Case(YUV420, 640, 360),
    Case(YUV420, 640, 360, around=False),
    Case(YUV420, 333, 217),
    Case(YUV420_10, 640, 360),
    Case(YUVA444, 322, 182),
    Case(YUV420, 640, 360, tile=256),
    Case(YUV420, 640, 360, intervals=6),  # after some, what is done is recorded and replayed
    Case(YUV420, 1280, 720),
)
TINY = (
    Case(YUV420, 64, 48),
    Case(YUV420_10, 49, 35, around=False),
    Case(YUVA444, 64, 48),
    Case(YUV420, 200, 40, tile=192, intervals=2),
)


def main(words: list[str]) -> int:
    """Run the checks; return 1 if one could not be made."""
    asked = options("check").parse_args(words)
    device = choose_device(asked.device)
    parts: Parts = {  # what no card has said yet comes first
        "begun ahead": (10, partial(begun_ahead, device, asked.tiny)),
        "end to end": (30, partial(end_to_end, device, asked.tiny)),
        "out of memory": (12, partial(out_of_memory, device, asked.tiny)),
        "pictures": (30, partial(pictures, device, TINY if asked.tiny else CASES, asked.tiny)),
        "tests": (23, partial(tests, asked.tiny)),
        "memory": (10, partial(memory, device, asked.tiny)),
        "machine": (5, partial(machine, device)),
    }
    return Sheet("check").run(parts, asked.only, asked.seconds)


def machine(device: torch.device) -> Iterator[Row]:
    """Say where this is, and which video engines ffmpeg can use here."""
    yield from ({"what": key, "is": value} for key, value in card(device).items())
    yield from ({"what": key, "is": value} for key, value in engines().items())


def _with_weights(tiny: bool) -> list[Weights]:
    """Return the shipped weights, smallest first."""
    found = [weights for weights, shipped in map(weights_of, CONFIGS) if shipped]
    found.sort(key=lambda weights: sum(t.numel() for t in weights.state_dict.values()))
    return found[:1] if tiny else found


def pictures(device: torch.device, cases: tuple[Case, ...], tiny: bool) -> Iterator[Row]:
    """Compare the device's pictures with the CPU's in float32, in levels of 8 bits.

    Each cell: the largest difference, the mean, and the share of samples within 2 levels.
    """
    worst = dict.fromkeys(PRECISIONS, (0.0, 100.0))
    for weights in _with_weights(tiny):
        for case in cases:
            truth = made(weights, case, torch.device("cpu"), "float32")
            row: Row = {"weights": weights.config, "case": str(case)}
            for precision in PRECISIONS:
                off = apart(truth, made(weights, case, device, precision), case.layout)
                largest, _, share = off
                row[precision] = _told(off)
                worst[precision] = (
                    max(worst[precision][0], largest),
                    min(worst[precision][1], share),
                )
            yield row
    bounds = {"float32": worst["float32"][0] <= 1}
    bounds |= {name: worst[name][1] >= 99.9 for name in PRECISIONS[1:]}
    yield {"weights": "all", "case": "largest, least share; in bounds"} | {
        name: f"{worst[name][0]:.2f} {worst[name][1]:.4f}% {'yes' if ok else 'NO'}"
        for name, ok in bounds.items()
    }


def made(weights: Weights, case: Case, device: torch.device, precision: str) -> list[Planes]:
    """Return the pictures at `PHASES` of the intervals of a case, one after the other."""
    doorway = _doorway(weights, case, device, precision)
    return [planes for k in range(case.intervals) for planes in interval(doorway, case, k)]


def _doorway(weights: Weights, case: Case, device: torch.device, precision: str) -> Interpolator:
    return Interpolator(
        weights, case.layout, Color(), case.width, case.height,
        device=str(device), precision=precision, tile=case.tile,
    )  # fmt: skip


def interval(doorway: Interpolator, case: Case, k: int) -> Iterable[Planes]:
    """Begin the pictures at `PHASES` of interval `k`."""
    outer, left, right, last = case.shot[k : k + 4]
    before, after = (Neighbour(planes, Fraction(1)) for planes in (outer, last))
    if not case.around:
        return doorway.begin(left, right, PHASES)
    return doorway.begin(left, right, PHASES, before=before, after=after)


def apart(truth: list[Planes], other: list[Planes], layout: Layout) -> tuple[float, float, float]:
    """Return the largest and mean difference in levels of 8 bits, and the percentage within 2."""
    unit = 1 << (layout.depth - 8)
    off = np.concatenate(
        [
            np.abs(a.astype(np.int32) - b.astype(np.int32)).ravel()
            for one, two in zip(truth, other, strict=True)
            for a, b in zip(one, two, strict=True)
        ]
    )
    within = 100 * float((off <= 2 * unit).mean())
    return float(off.max()) / unit, float(off.mean()) / unit, within


def _told(off: tuple[float, float, float]) -> str:
    largest, mean, share = off
    return f"{largest:.2f} {mean:.4f} {share:.4f}%"


def begun_ahead(device: torch.device, tiny: bool) -> Iterator[Row]:
    """Compare pictures of intervals begun ahead with those of one interval after the other.

    Copies that overtake work, or work that overtakes copies, show here as other pictures. Then
    those made several at once with those made one by one, which may differ by a rounding.
    """
    weights = _with_weights(tiny=True)[0]
    width, height, count = (64, 48, 3) if tiny else (640, 360, 12)
    case = Case(YUV420, width, height, intervals=count)
    waited = made(weights, case, device, "auto")
    yield {
        "made": "begun ahead",
        "off by": _told(apart(waited, _ahead(weights, case, device), YUV420)),
    }
    with patch.object(painter, "pictures_at_once", lambda *_: 1):
        single = made(weights, case, device, "auto")
    yield {"made": "several at once", "off by": _told(apart(single, waited, YUV420))}


def _ahead(weights: Weights, case: Case, device: torch.device) -> list[Planes]:
    """Return what `made` does, each interval begun before those of the two before it came."""
    doorway = _doorway(weights, case, device, "auto")
    begun: deque[Iterable[Planes]] = deque()
    pictures: list[Planes] = []
    for k in range(case.intervals):
        begun.append(interval(doorway, case, k))
        if len(begun) > 2:
            pictures += begun.popleft()
    return pictures + [planes for of_interval in begun for planes in of_interval]


def memory(device: torch.device, tiny: bool) -> Iterator[Row]:
    """Return the peak of the device's memory over some intervals."""
    for width, height in ((96, 64),) if tiny else ((1920, 1080), (3840, 2160)):
        case = Case(YUV420, width, height, intervals=1 if tiny else 4)
        for weights in _with_weights(tiny):
            row: Row = {"weights": weights.config, "size": f"{width}x{height}"}
            for precision in ("float16", "float32"):
                with _peak(device) as peak:
                    made(weights, case, device, precision)
                row[f"{precision}, MiB"] = peak[0] / 2**20
                row[f"{precision}, bytes a pixel"] = peak[0] / (width * height)
            yield row


@contextmanager
def _peak(device: torch.device) -> Iterator[list[int]]:
    """Yield a list that holds the most bytes allocated on a GPU once the block is left."""
    peak = [0]
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    yield peak
    if device.type == "cuda":
        peak[0] = torch.cuda.max_memory_allocated(device)


def out_of_memory(device: torch.device, tiny: bool) -> Iterator[Row]:
    """Leave the device too little memory for a whole picture: tiles must take over."""
    weights = _with_weights(tiny=True)[0]
    width, height = (200, 64) if tiny else (1920, 1080)
    case = Case(YUV420, width, height)
    with _peak(device) as peak:
        whole = made(weights, case, device, "float32")
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("filmcli.network.interpolator").addHandler(handler)
    for share in (0.85, 0.6, 0.25):
        said.clear()
        doorway = Interpolator(
            weights, YUV420, Color(), width, height, device=str(device), precision="float32"
        )
        with _limited(device, int(peak[0] * share)):
            begun = time.perf_counter()
            tiled = list(interval(doorway, case, 0))
            seconds = time.perf_counter() - begun
        yield {
            "memory": f"{share:.0%} of {peak[0] / 2**20:.0f} MiB",
            "now": doorway.describe(),
            "said": "; ".join(said),
            "s": seconds,
            "off by": _told(apart(whole, tiled, YUV420)),
        }


@contextmanager
def _limited(device: torch.device, size: int) -> Iterator[None]:
    """Let torch have `size` bytes of a GPU's memory and no more; elsewhere do nothing."""
    if device.type != "cuda":
        yield
        return
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(size / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def end_to_end(device: torch.device, tiny: bool) -> Iterator[Row]:
    """Smooth films by the command itself, as a user would, to 60 pictures a second."""
    films = ((96, 64, 1),) if tiny else ((1920, 1080, 5), (1280, 720, 5))
    with tempfile.TemporaryDirectory() as folder:
        for width, height, seconds in films:
            film = Path(folder) / f"{height}.mp4"
            _film(film, width, height, seconds)
            info = decoded_by(probe(str(film)), "cuda")
            yield {"film": f"{width}x{height}", "said": info.engine or info.notices[-1]}
            for words in (["-c", "x264", "--preset", "veryfast"], ["-c", "ffv1"]):
                output = Path(folder) / f"{height}.mkv"
                begun = time.perf_counter()
                done = _filmcli(
                    "upsample", str(film), "--fps", "60", "-o", str(output), "-y", "--fresh",
                    "--device", str(device), "--progress", "off", *words,
                )  # fmt: skip
                took = time.perf_counter() - begun
                said = done.stderr.strip()[-160 if done.returncode else -40 :]
                yield {
                    "film": f"{width}x{height} {seconds} s",
                    "codec": " ".join(words[1:]),
                    "exit": done.returncode,
                    "frames": _count(output),
                    "s": took,
                    "x real time": seconds / took,
                    "said": said,
                }
                if tiny:
                    return


def _filmcli(*words: str) -> subprocess.CompletedProcess[str]:
    return _run(sys.executable, "-m", "filmcli", *words)


def _film(path: Path, width: int, height: int, seconds: int) -> None:
    """Write a film of 24 pictures a second."""
    shot = frames(YUV420, width, height, 24)
    raw = b"".join(plane.tobytes() for planes in shot for plane in planes) * seconds
    words = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", "24"]
    words = [*words, "-i", "pipe:0", "-c:v", "libx264", "-preset", "veryfast", str(path)]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *words], input=raw, check=True)


def _run(*words: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        words, cwd=ROOT, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=seconds,
    )  # fmt: skip


def _count(film: Path) -> int:
    """Return how many pictures a film holds."""
    asked = ("-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0")
    told = _run("ffprobe", "-v", "error", "-select_streams", "v:0", *asked, str(film)).stdout
    return int(re.sub(r"\D", "", told) or 0)


def tests(tiny: bool) -> Iterator[Row]:
    """Run the tests that are marked for a GPU."""
    files = [
        str(path)
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "pytest.mark.gpu" in path.read_text() and "benchmarks" not in path.parts
    ]
    # Another torch than the pinned one warns of other things.
    words = ["-m", "gpu", "-q", "-W", "default", "-p", "no:cacheprovider", "--tb=short"]
    words += ["--collect-only"] if tiny else []
    done = _run(sys.executable, "-m", "pytest", *words, *files, seconds=60)
    lines = (done.stdout + done.stderr).strip().splitlines()
    print("\n".join(lines[-60:]), flush=True)
    kept = [line for line in lines if re.match(r"FAILED|ERROR|SKIPPED|E  ", line)]
    yield from ({"tests": line[:200]} for line in [*kept[:12], *lines[-1:]])
