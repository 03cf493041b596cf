"""Several intervals at once: the pictures are the same, come in order, and nothing hangs."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from fractions import Fraction
from itertools import islice
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from filmcli.errors import RenderError
from filmcli.frames import Color, Frame, Layout, Planes
from filmcli.network import machine
from filmcli.network.abreast import Crew, DroppedError, Piece
from filmcli.network.interpolator import Interpolator
from filmcli.network.moment import Moment
from filmcli.network.weights import Weights, load
from filmcli.pipeline.render import Reel, render
from filmcli.timing import Slot, Timeline
from tests.nets import lively, weights

YUV420, RGBA = Layout("yuv420p", "yuv", 8, 1, 1), Layout("rgba", "rgb", 8, alpha=True)
CPU = torch.device("cpu")
FRAMES = 7


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    assert not crew()


@contextmanager
def two_at_once(doorway: Interpolator) -> Iterator[None]:
    """On any machine; what is made one by one is by one thread, as on a busy one two spin."""
    torch.set_num_threads(2)
    with doorway.abreast():
        torch.set_num_threads(1)
        assert doorway.at_once == 2
        yield


def crew() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "abreast"]


def shot(layout: Layout, width: int, height: int) -> list[Planes]:
    random = np.random.default_rng(0)
    return [
        tuple(
            random.integers(0, 1 << layout.depth, shape).astype(layout.dtype)
            for shape in layout.plane_shapes(width, height)
        )
        for _ in range(FRAMES)
    ]


def pictures(
    doorway: Interpolator, frames: list[Planes], params: Mapping[str, Tensor] | None = None
) -> Iterator[Planes]:
    """From 24 to 60 a second: one or two made pictures an interval, between kept ones."""
    times = [Fraction(k, 24) for k in range(len(frames))]
    timeline = Timeline(times, Fraction(1, 24), Fraction(60))
    reel = Reel((Frame(*one) for one in zip(times, frames, strict=True)), 0)
    slots: list[Slot] = list(timeline.slots(0, timeline.count))
    return render(reel, slots, timeline.outer, doorway, params)


def same(some: list[Planes], others: list[Planes]) -> bool:
    pairs = zip(some, others, strict=True)
    return all(all(map(np.array_equal, one, other)) for one, other in pairs)


@pytest.mark.parametrize("is_adapted", [False, True])
@pytest.mark.parametrize(
    ("layout", "size", "words"),
    [
        (YUV420, (96, 54), {"precision": "float32"}),
        (YUV420, (320, 180), {"precision": "bfloat16"}),
        (RGBA, (50, 38), {}),
        (YUV420, (260, 40), {"tile": 192}),
        (YUV420, (64, 48), {"recursion": 2}),
    ],
    ids=lambda value: getattr(value, "pix_fmt", None),
)
def test_the_film_is_the_same_to_the_last_bit(
    layout: Layout, size: tuple[int, int], words: dict[str, Any], is_adapted: bool
) -> None:
    frames, given = shot(layout, *size), load("film-m")
    deltas = {name: tensor * 1.01 for name, tensor in given.state_dict.items() if "fuse" in name}
    doorway = Interpolator(given, layout, Color(), *size, device="cpu", **words)
    params = deltas if is_adapted else None
    alone = list(pictures(doorway, frames, params))
    with two_at_once(doorway):
        assert same(list(pictures(doorway, frames, params)), alone)
    assert doorway.at_once == 1


def test_what_intervals_share_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: SimpleQueue[str] = SimpleQueue()
    original = Moment.features
    monkeypatch.setattr(
        Moment,
        "features",
        lambda *of: calls.put(threading.current_thread().name) or original(*of),  # type: ignore[func-returns-value]
    )
    doorway = Interpolator(weights(lively()), YUV420, Color(), 64, 48, device="cpu")
    with two_at_once(doorway):
        assert len(list(pictures(doorway, shot(YUV420, 64, 48)))) > FRAMES
    assert [calls.get() for _ in range(calls.qsize())] == ["abreast"] * FRAMES


class Trouble:
    """A network that fails from its third call on, in the threads of `abreast` only."""

    def __init__(self, failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failure, self.calls, self.original = failure, 0, Moment.interval
        monkeypatch.setattr(Moment, "interval", lambda *of: self(*of))

    def __call__(self, *of: Any) -> object:
        self.calls += 1
        if self.calls > 2 and threading.current_thread().name == "abreast":
            raise self.failure
        return self.original(*of)


def test_a_failure_comes_out_behind_the_pictures_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = shot(YUV420, 64, 48)
    doorway = Interpolator(weights(lively()), YUV420, Color(), 64, 48, device="cpu")
    whole = list(pictures(doorway, frames))
    Trouble(ZeroDivisionError("in the middle"), monkeypatch)
    made = []
    with pytest.raises(ZeroDivisionError, match="in the middle"), two_at_once(doorway):
        for picture in pictures(doorway, frames):
            made.append(picture)
    assert 0 < len(made) < len(whole)
    assert same(made, whole[: len(made)])


def test_where_memory_runs_out_it_goes_on_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = shot(YUV420, 64, 48)
    doorway = Interpolator(weights(lively()), YUV420, Color(), 64, 48, device="cpu")
    whole = list(pictures(doorway, frames))
    failure = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
    Trouble(failure, monkeypatch)
    with two_at_once(doorway):
        assert same(list(pictures(doorway, frames)), whole)
        assert doorway.at_once == 1
    assert "tiles" not in doorway.describe()


def test_what_is_too_large_for_half_precision_is_made_again() -> None:
    known = weights(lively())
    name = "extract.stages.0.0.0.weight"
    huge = Weights("film-m", {**known.state_dict, name: known.state_dict[name] * 1e6}, {}, "")
    frames = shot(YUV420, 64, 48)
    half, full = (
        Interpolator(huge, YUV420, Color(), 64, 48, device="cpu", precision=precision)
        for precision in ("float16", "float32")
    )
    with two_at_once(half):
        assert same(list(pictures(half, frames)), list(pictures(full, frames)))
    assert half.describe() == "cpu, float32"


def test_weights_that_ran_away_are_an_error() -> None:
    broken = weights(lively(), float("inf"))
    doorway = Interpolator(broken, YUV420, Color(), 64, 48, device="cpu", precision="float32")
    with pytest.raises(RenderError, match="not a picture"), two_at_once(doorway):
        list(pictures(doorway, shot(YUV420, 64, 48)))


def test_who_leaves_early_waits_for_no_more_than_was_begun() -> None:
    doorway = Interpolator(weights(lively()), YUV420, Color(), 64, 48, device="cpu")
    with two_at_once(doorway), closing(pictures(doorway, shot(YUV420, 64, 48))) as made:
        list(islice(made, 2))
    assert not crew()


def test_what_was_begun_inside_is_there_outside() -> None:
    frames = shot(YUV420, 64, 48)
    doorway = Interpolator(weights(lively()), YUV420, Color(), 64, 48, device="cpu")
    whole = list(pictures(doorway, frames))
    with two_at_once(doorway):
        made = pictures(doorway, frames)
        first = list(islice(made, 2))
    assert same(first + list(made), whole)


def test_pieces_are_taken_in_their_order_and_dropped_unless_begun() -> None:
    may_go_on, order = threading.Event(), SimpleQueue()  # type: ignore[var-annotated]

    def work(number: int) -> int:
        order.put(number)
        may_go_on.wait(60)
        return number

    one = Crew(1)
    pieces = [Piece(work) for _ in range(3)]
    for piece in pieces:
        one.take(piece)
    assert order.get(timeout=60) == 0
    threading.Timer(0.2, may_go_on.set).start()
    one.leave()
    assert pieces[0].result() == pieces[0].result() == 0
    for piece in pieces[1:]:
        with pytest.raises(DroppedError):
            piece.result()
    assert order.empty()


@pytest.mark.parametrize(("threads", "count", "each"), [(2, 2, 1), (5, 2, 2), (1, 2, 1)])
def test_a_crew_shares_torchs_threads_and_leaves_others_theirs(
    threads: int, count: int, each: int
) -> None:
    torch.set_num_threads(threads)
    some = Crew(count)
    piece = Piece(lambda _: torch.get_num_threads())
    some.take(piece)
    assert piece.result() == each
    later = Piece(lambda _: torch.get_num_threads())
    thread = threading.Thread(target=later.do, args=(0,))
    thread.start()
    thread.join()
    some.leave()
    assert torch.get_num_threads() == later.result() == threads


PAGES = """
import resource, sys, threading
from filmcli.network.machine import keep_freed_memory, share_one_arena
if "one" in sys.argv:
    share_one_arena()
keep_freed_memory()
threading.Thread(target=lambda: bytearray(1000)).start()

def work():
    for turn in range(6):
        b"x" * (80 << 20)
        if turn == 1:
            faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)

faults = []
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults[0])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's arenas")
def test_threads_that_share_an_arena_keep_what_they_freed() -> None:
    def pages(*words: str) -> int:
        command = [sys.executable, "-c", PAGES, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert pages("one") < pages() / 10


@pytest.mark.parametrize(
    ("size", "threads", "megabytes", "expected"),
    [
        ((320, 180), 2, 1 << 20, 2),
        ((320, 180), 16, 1 << 20, 16),
        ((320, 180), 1, 1 << 20, 1),
        ((1920, 1080), 2, 1 << 20, 1),
        ((1280, 720), 16, 4000, 2),
        ((1280, 720), 16, 1000, 1),
    ],
)
def test_as_many_as_threads_and_memory_allow(
    size: tuple[int, int],
    threads: int,
    megabytes: int,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda: megabytes << 20)
    torch.set_num_threads(threads)
    assert machine.intervals_at_once(CPU, "film-m", torch.float32, *size) == expected
