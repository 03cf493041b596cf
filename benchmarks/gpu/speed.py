"""How fast the device makes pictures, through the doorway, from 24 to 60 a second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from functools import partial
from itertools import count
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.gpu import port
from benchmarks.gpu.machine import card, convolution_rate, copy_rates, finish, matrix_rate
from benchmarks.gpu.scenery import YUV420, frames, weights_of
from benchmarks.gpu.sheet import Parts, Row, Sheet, options
from benchmarks.gpu.stages import kernels, operations, watched
from filmcli.frames import Color, Neighbour, Planes
from filmcli.network import painter
from filmcli.network.interpolator import Interpolator
from filmcli.network.machine import choose_device
from filmcli.network.networks import CONFIGS
from filmcli.network.painter import Painter
from filmcli.network.recording import Replayer
from filmcli.network.weights import default_name

SIZES = (1920, 1080), (640, 360), (1280, 720), (3840, 2160)  # the one asked for first
TINY_SIZES = ((64, 64),)
RATE = 24
# Of 60 pictures a second, two are new in every interval of 24, and every fifth is kept.
PHASES = (Fraction(2, 5), Fraction(4, 5)), (Fraction(1, 5), Fraction(3, 5))
_BLINK = 0.01  # seconds in which nothing is measured but that it runs
SHOT = 8  # frames, shown in a circle: longer than what the doorway holds


class Film24:
    """A film of 24 frames a second that never ends, and the doorway that makes more of it.

    Of every interval the pictures at one of `phases` are made, of the next one those at the next.
    """

    def __init__(
        self,
        doorway: Interpolator,
        shot: Sequence[Planes],
        phases: Sequence[Sequence[Fraction]] = PHASES,
    ) -> None:
        self._doorway, self._shot, self._phases = doorway, shot, phases
        self._places = count()
        self._ahead: deque[Iterable[Planes]] = deque()

    def interval(self) -> list[Planes]:
        """Return the pictures of an interval, the next one begun, as when a film is made."""
        self._ahead.append(self._begin())
        if len(self._ahead) == 1:
            self._ahead.append(self._begin())
        return list(self._ahead.popleft())

    def _begin(self) -> Iterable[Planes]:
        k = next(self._places)
        before, left, right, after = (self._shot[(k + i) % len(self._shot)] for i in range(4))
        return self._doorway.begin(
            left,
            right,
            self._phases[k % len(self._phases)],
            before=Neighbour(before, Fraction(1)),
            after=Neighbour(after, Fraction(1)),
        )

    def intervals(self, number: int) -> None:
        """Make the pictures of so many intervals, and let go of them."""
        for _ in range(number):
            self.interval()


def main(words: list[str]) -> int:
    """Run the measurements; return 1 if one could not be made."""
    asked = options("speed").parse_args(words)
    device, tiny = choose_device(asked.device), asked.tiny
    sheet = Sheet("speed")
    sizes = TINY_SIZES if tiny else SIZES
    largest_first = sorted(sizes, reverse=True)
    parts: Parts = {  # what no card has said yet comes first
        "default network": (18, partial(doorway_speed, device, tiny, [default_name()], sizes)),
        "at once": (15, partial(at_once, device, tiny)),
        "precision": (12, partial(precisions, device, tiny)),
        "plain loop": (15, partial(plain_loop, device, tiny)),
        "others": (30, partial(doorway_speed, device, tiny, _others(), largest_first)),
        "stages and kernels": (25, partial(inside, device, tiny, sheet)),
        "card": (10, partial(ceilings, device, tiny)),
        "compiled": (55, partial(compiled, device, tiny)),
    }
    return sheet.run(parts, asked.only, asked.seconds)


def ceilings(device: torch.device, tiny: bool) -> Iterator[Row]:
    """Measure what any program is bound by."""
    yield from ({"what": key, "is": value} for key, value in card(device).items())
    for name, rate in copy_rates(device, 1 << (20 if tiny else 30)).items():
        yield {"what": f"copy {name}, GB/s", "is": rate}
    for dtype in (torch.bfloat16, torch.float16):
        rate = matrix_rate(device, 64 if tiny else 8192, dtype)
        yield {"what": f"matrix {dtype}, TFLOP/s", "is": rate}
    for channels in (16, 64, 256):
        rate = convolution_rate(device, channels, torch.float16, 32 if tiny else 1024)
        yield {"what": f"convolution of {channels} float16 channels, TFLOP/s", "is": rate}


def _open(
    config: str, width: int, height: int, device: torch.device, precision: str = "auto"
) -> tuple[Film24, Interpolator]:
    doorway = Interpolator(
        weights_of(config)[0], YUV420, Color(), width, height,
        device=str(device), precision=precision,
    )  # fmt: skip
    return Film24(doorway, frames(YUV420, width, height, SHOT)), doorway


def _others() -> list[str]:
    """Return the names of all networks but the default one."""
    return [name for name in CONFIGS if name != default_name()]


def intervals_a_second(film: Film24, device: torch.device, seconds: float) -> tuple[float, float]:
    """Return how many intervals a second are made when all is warm, and the first one's seconds."""
    begun = time.perf_counter()
    film.interval()
    finish(device)
    first = time.perf_counter() - begun
    return _a_second(film.interval, device, seconds), first


def not_recorded() -> AbstractContextManager[object]:
    """Call the network's stages as they are in the block."""
    return patch.object(Replayer, "__call__", lambda _, function, *inputs: function(*inputs))


def doorway_speed(
    device: torch.device, tiny: bool, configs: Sequence[str], sizes: Sequence[tuple[int, int]]
) -> Iterator[Row]:
    """Measure networks at sizes, as a film is made."""
    for width, height in sizes:
        for config in configs:
            film, doorway = _open(config, width, height, device)
            with not_recorded():  # a recording hides what it does
                film.interval()
                work = operations(film.interval)
            rate, first = intervals_a_second(film, device, _BLINK if tiny else 1.0)
            yield {
                "size": f"{width}x{height}",
                "network": config + ("" if weights_of(config)[1] else "*"),
                "as": doorway.describe().partition(", ")[2],
                "made/s": 2 * rate,
                "x real time": rate / RATE,
                "ms/interval": 1000 / rate,
                "first, s": first,
                "TFLOP": work / 1e12,
                "TFLOP/s": work * rate / 1e12,
            }
            del film, doorway
            _let_go(device)


def _let_go(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()


def inside(device: torch.device, tiny: bool, sheet: Sheet) -> Iterator[Row]:
    """Split an interval's milliseconds by stage, and count its kernels."""
    number = 1 if tiny else 8
    # The default network at every size, then the others at the one that is asked for.
    sizes = TINY_SIZES if tiny else SIZES
    cells = [(default_name(), size) for size in sizes]
    cells += [(name, sizes[0]) for name in _others()]
    for config, (width, height) in cells:
        film, _ = _open(config, width, height, device)
        film.intervals(6 if number > 1 else 1)
        finish(device)
        with watched(device) as watch:
            begun = time.perf_counter()
            film.intervals(number)
            stages = watch.seconds()
            wall = (time.perf_counter() - begun) / number
        told = kernels(partial(film.intervals, 2), device)
        name = f"{config} {width}x{height}"
        with open(sheet.folder / "gpu-profile.txt", "a") as file:
            file.write(f"\n#### {name}, two intervals\n{told.table}\n")
        yield {
            "network": name,
            "ms": 1000 * wall,
            **{stage: 1000 * seconds / number for stage, seconds in stages.items()},
            "between": 1000 * (wall - sum(stages.values()) / number),
            "kernels/made": told.count / 4,
            "launches/made": told.launches / 4,
            "in kernels": f"{told.seconds / 2 / wall:.0%}",
        }
        del film
        _let_go(device)


def at_once(device: torch.device, tiny: bool) -> Iterator[Row]:
    """Measure the default network from 24 to 120, pictures made one by one, or 2 or 4 at once."""
    four = [[Fraction(k, 5) for k in range(1, 5)]]
    for width, height in TINY_SIZES if tiny else ((640, 360), (320, 180), (1280, 720)):
        row: Row = {"network": f"{default_name()} {width}x{height}"}
        for number in (1, 2, 4):
            with patch.object(painter, "pictures_at_once", partial(_always, number)):
                _, doorway = _open(default_name(), width, height, device)
                film = Film24(doorway, frames(YUV420, width, height, SHOT), four)
                rate, _ = intervals_a_second(film, device, _BLINK if tiny else 0.6)
            row[f"{number} at once, made/s"] = 4 * rate
            del film, doorway
            _let_go(device)
        yield row


def _always(number: int, *_: object) -> int:
    return number


def precisions(device: torch.device, tiny: bool) -> Iterator[Row]:
    """Measure the default network in every precision, and with other means in one of them."""
    width, height = TINY_SIZES[0] if tiny else SIZES[0]
    search = torch.backends.cudnn.flags(enabled=True, benchmark=True)
    variants: list[tuple[str, str, Any]] = [
        ("float16", "", nullcontext()),
        ("bfloat16", "", nullcontext()),
        ("float16", "cuDNN searches", search),
        ("float16", "not recorded", not_recorded()),
        ("float32", "", nullcontext()),
    ]
    for precision, means, context in variants:
        with context:
            film, _ = _open(default_name(), width, height, device, precision)
            rate, first = intervals_a_second(film, device, _BLINK if tiny else 0.8)
        yield {
            "network": f"{default_name()} {width}x{height}",
            "precision": f"{precision} {means}",
            "made/s": 2 * rate,
            "x real time": rate / RATE,
            "first, s": first,
        }
        del film
        _let_go(device)


def compiled(device: torch.device, tiny: bool) -> Iterator[Row]:
    """Measure the default network compiled by torch, which takes minutes: best run alone."""
    width, height = TINY_SIZES[0] if tiny else SIZES[0]
    call = torch.compile(Painter._call, dynamic=False, backend="eager" if tiny else "inductor")
    with patch.object(Painter, "_call", call):
        film, _ = _open(default_name(), width, height, device)
        rate, first = intervals_a_second(film, device, _BLINK if tiny else 1.0)
    yield {
        "network": f"{default_name()} {width}x{height}",
        "made/s": 2 * rate,
        "x real time": rate / RATE,
        "first, s": first,
    }


def plain_loop(device: torch.device, tiny: bool) -> Iterator[Row]:
    """Compare `film` with its port: a pair at a time, nothing shared, and nothing recorded."""
    width, height = TINY_SIZES[0] if tiny else (1920, 1088)  # whole pixels of the coarsest level
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    seconds = _BLINK if tiny else 2.0
    pair = [torch.rand(1, 3, height, width) for _ in range(2)]
    state = weights_of("film")[0].state_dict
    params = {name: value.to(device, dtype) for name, value in state.items()}
    plain = _a_second(partial(_plainly, params, pair), device, seconds)
    del params
    _let_go(device)
    film, _ = _open("film", width, height, device, str(dtype).removeprefix("torch."))
    ours = _a_second(film.interval, device, seconds)
    yield {
        "film": f"{width}x{height} {dtype}",
        "plain loop, made/s": 2 * plain,
        "doorway, made/s": 2 * ours,
        "times": ours / plain,
    }


@torch.inference_mode()
def _plainly(params: port.Params, pair: list[Tensor]) -> None:
    """Make an interval's two pictures one after the other, from main memory and back to it."""
    there = next(iter(params.values()))
    for phase in PHASES[0]:
        left, right = (picture.to(there) for picture in pair)
        port.film(params, left, right, float(phase)).clamp(0, 1).float().cpu()


def _a_second(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Return how often `work` is done in a second, after some to warm up."""
    for _ in range(5 if seconds > _BLINK else 1):
        work()
    finish(device)
    begun, number = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        work()
        number += 1
    finish(device)
    return number / (time.perf_counter() - begun)
