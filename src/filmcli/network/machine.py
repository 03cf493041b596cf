"""What the machine can do: devices, precisions, memory."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import torch

from filmcli.errors import MachineError, UsageError
from filmcli.network.tiles import SMALLEST_TILE_PX

PRECISIONS = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}

# Upper bounds of an interval's peak memory over the pixels, in float32: the growth of peak RSS in
# three `between` with frames around at 1280x720 was 955 for film-m, and 687 in bfloat16, in which
# flows, masks and pictures stay as large.
_BYTES_A_PIXEL = {"film": 9000, "film-m": 1400}

_MODEST_BYTES = 4 << 30
"""What is taken to be free where the system is not asked: Windows."""

_PIXELS_A_UNIT = 1 << 14
"""Pixels that keep one multiprocessor of a GPU at work.

An H200 has 132 of them: that is 1920x1080, which took it 2.3 times as long as 640x360, a ninth.
"""


_LARGEST_ABREAST = 1280 * 720
"""Pixels of the largest pictures of which a CPU makes more when it makes several at once.

Of 1920x1080 two cores make hardly more so, for a GiB (docs/speed.md).
"""


def choose_device(name: str) -> torch.device:
    """Return the device of this name; "auto" prefers cuda, then mps, then the CPU.

    Raises UsageError for a name torch does not know, MachineError for a device that is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    present = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if device.type not in present:
        do = "Give auto, cpu, mps, cuda or cuda:N."
        raise UsageError(f"'{name}' is not a device.", "", do)
    if (device.index or 0) >= present[device.type]:
        found = f"This machine has {torch.cuda.device_count()} CUDA devices that torch can use."
        raise MachineError(f"There is no device '{name}' here.", found, "Use --device auto or cpu.")
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def describe_device(device: torch.device) -> str:
    """Return the device in words: "cpu", "cuda:0 (NVIDIA H200)"."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type of the convolutions; "auto" takes a half type where it is fast.

    On CPUs with instructions for it bfloat16 takes much less time than float32 and costs 0.001 dB
    (film-m on twelve frames of real film: 28.408 dB against 28.409).

    Raises UsageError for a name that is not in `PRECISIONS`.
    """
    if name != "auto":
        if name not in PRECISIONS:
            raise UsageError(
                f"'{name}' is not a precision.", "", f"Give auto, {', '.join(PRECISIONS)}."
            )
        return PRECISIONS[name]
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0):
        return torch.float16
    if device.type == "cpu" and _multiplies_bfloat16():
        return torch.bfloat16
    return torch.float32


def quick_convolutions(device: torch.device) -> AbstractContextManager[None]:
    """Let a float32 network convolve in bfloat16 in the block, if `device` is a CPU made for it.

    A scene's lessons, step and exams took 0.68 times as long like that and gained the same, to
    0.002 dB.
    """
    is_quicker = choose_precision("auto", device) is torch.bfloat16
    # Parameters that adapt are others in every step: what is rounded need not be kept.
    return torch.autocast("cpu", torch.bfloat16, enabled=is_quicker, cache_enabled=False)


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Keep cuDNN from rounding float32 to the 10 bits of TF32 in the block, which it may elsewhere.

    Who asks for float32, or was sent back to it, wants its 24 bits.
    """
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _multiplies_bfloat16() -> bool:
    """Tell whether this CPU has instructions for bfloat16; Linux on x86 says so."""
    with suppress(OSError, StopIteration), open("/proc/cpuinfo") as lines:
        flags = next(line for line in lines if line.startswith("flags")).split()
        return "avx512_bf16" in flags or "amx_bf16" in flags
    return False


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether torch, on any device, failed for want of memory."""
    words = str(error)
    return "out of memory" in words or "can't allocate memory" in words


def keep_freed_memory() -> None:
    """Let the C library hold on to freed memory, if it is glibc.

    By default every large tensor is fresh memory from the kernel, page by page: a network of 2.4
    million parameters at 640x384 took 1.11 s an interval like that, and 0.74 s with them kept.
    """
    with suppress(OSError, AttributeError, TypeError):  # the last: Windows has no library of none
        mallopt = ctypes.CDLL(None).mallopt
        trim_threshold, mmap_threshold = -1, -3
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, (1 << 31) - 1)


def share_one_arena() -> None:
    """Let all threads take memory from one place, if the C library is glibc.

    Places of their own, which later threads inherit, give freed memory back and have no room for a
    large tensor: two intervals of 1920x1080 at once took 210,000 pages a picture from the kernel
    like that, and 1,117 at most so. To be called before there are other threads.
    """
    with suppress(OSError, AttributeError, TypeError):
        arena_max = -8
        ctypes.CDLL(None).mallopt(arena_max, 1)


def pictures_at_once(device: torch.device, height: int, width: int) -> int:
    """Return how many pictures of a size it takes to fill `device`; at least 1.

    A CPU makes them one by one: two or four at once took 3 to 10 % less time at 640x360, 17 to 26 %
    at 320x180 (film-m in bfloat16, one core), but in float32 are others in the last bits, so that a
    picture would depend on which were asked for with it.
    """
    return max(1, multiprocessors(device) * _PIXELS_A_UNIT // (height * width))


def multiprocessors(device: torch.device) -> int:
    """Return how many multiprocessors a CUDA device has; 0 of any other."""
    if device.type != "cuda":
        return 0
    return torch.cuda.get_device_properties(device).multi_processor_count


def tile_that_fits(config: str, dtype: torch.dtype, height: int, width: int) -> int | None:
    """Return the largest tile, in pixels, for which the CPU's free memory suffices; None: any.

    `config` is the name of the network.
    """
    pixels = _pixels_that_fit(config, dtype)
    if height * width <= pixels:
        return None
    return max(SMALLEST_TILE_PX, int(pixels**0.5) // 64 * 64)


def intervals_at_once(
    device: torch.device, config: str, dtype: torch.dtype, height: int, width: int
) -> int:
    """Return how many intervals of this size are best made at once: on a CPU one for each thread
    of torch's, as far as memory suffices, and where a thread can be told to work alone.
    """
    can_be_told = torch.backends.openmp.is_available()  # type: ignore[no-untyped-call]
    if device.type != "cpu" or not can_be_told or height * width > _LARGEST_ABREAST:
        return 1
    fitting = _pixels_that_fit(config, dtype) // (height * width)
    return max(1, min(torch.get_num_threads(), fitting))


def _pixels_that_fit(config: str, dtype: torch.dtype) -> int:
    return int(0.8 * free_memory()) // (_BYTES_A_PIXEL[config] * dtype.itemsize // 4)


def free_memory() -> int:
    """Return the bytes of main memory that can be had without swapping."""
    with suppress(OSError, ValueError, StopIteration):
        with open("/proc/meminfo") as lines:
            free = next(int(x.split()[1]) << 10 for x in lines if x.startswith("MemAvailable:"))
        return min(free, _container_memory())
    if sys.platform == "win32":
        return _MODEST_BYTES
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _container_memory() -> int:
    """Return what a control group leaves this process, or a number beyond any machine's."""
    folder = "/sys/fs/cgroup/memory"
    with (
        suppress(OSError, ValueError),
        open(f"{folder}.max") as most,
        open(f"{folder}.current") as now,
    ):
        return int(most.read()) - int(now.read())
    return 1 << 62
