"""The card: what it is, and the rates that bound any program on it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.gpu.scenery import YUV420, frames


def card(device: torch.device) -> dict[str, Any]:
    """Return the machine in words."""
    facts: dict[str, Any] = {"torch": torch.__version__, "device": str(device)}
    facts["threads"] = torch.get_num_threads()
    if device.type == "cuda":
        props = torch.cuda.get_device_properties(device)
        facts["card"] = f"{props.name}, {props.multi_processor_count} multiprocessors"
        facts["memory"] = f"{props.total_memory / 2**30:.1f} GiB"
        facts["capability"] = ".".join(map(str, torch.cuda.get_device_capability(device)))
        facts["cuDNN"] = torch.backends.cudnn.version()
        facts["driver"] = _first_line(
            "nvidia-smi", "--query-gpu=driver_version,clocks.sm,power.draw", "--format=csv,noheader"
        )
    return facts


def engines() -> dict[str, str]:
    """Try ffmpeg's video engines; each is "works", or ffmpeg's last word on why not."""
    if shutil.which("ffmpeg") is None:
        return {"ffmpeg": "not here"}
    found = {"ffmpeg": _first_line("ffmpeg", "-version")}
    raw = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "640x360", "-i", "pipe:0")
    shot = b"".join(plane.tobytes() for planes in frames(YUV420, 640, 360, 4) for plane in planes)
    for encoder in ("h264_nvenc", "hevc_nvenc", "av1_nvenc"):
        found[encoder] = _tried(shot, *raw, "-c:v", encoder, "-f", "null", "-")
    with tempfile.TemporaryDirectory() as folder:
        film = f"{folder}/coded.h264"
        _tried(shot, *raw, "-c:v", "libx264", film)
        decoding = ("-hwaccel", "cuda", "-hwaccel_output_format", "cuda", "-i", film)
        found["decoding by cuda"] = _tried(
            b"", *decoding, "-vf", "hwdownload,format=nv12", "-f", "null", "-"
        )
    return found


def _tried(fed: bytes, *words: str) -> str:
    try:
        done = subprocess.run(
            ["ffmpeg", "-v", "error", "-y", *words],
            input=fed, capture_output=True, check=False, timeout=20,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "hangs"
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return "works" if done.returncode == 0 else " / ".join(lines[:2])[:160]


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as failure:
        return str(failure)
    return done.stdout.partition("\n")[0]


def finish(device: torch.device) -> None:
    """Wait until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return what `work` takes once, after one time to warm up."""
    work()
    finish(device)
    begun = time.perf_counter()
    for _ in range(repeats):
        work()
    finish(device)
    return (time.perf_counter() - begun) / repeats


def copy_rates(device: torch.device, size: int) -> dict[str, float]:
    """Return GB/s of `size` bytes within the device (read and written), to it and from it."""
    here = torch.randint(0, 255, (size,), dtype=torch.uint8, device=device)
    there, plain = torch.empty_like(here), torch.empty(size, dtype=torch.uint8)
    rates = {"within": 2 * size / seconds_of(lambda: there.copy_(here), device, 10)}
    rates["to, pageable"] = size / seconds_of(lambda: here.copy_(plain), device, 4)
    rates["from, pageable"] = size / seconds_of(lambda: plain.copy_(here), device, 4)
    if device.type == "cuda":
        pinned = plain.pin_memory()
        rates["to, pinned"] = size / seconds_of(
            lambda: here.copy_(pinned, non_blocking=True), device, 4
        )
        rates["from, pinned"] = size / seconds_of(
            lambda: pinned.copy_(here, non_blocking=True), device, 4
        )
    return {name: rate / 1e9 for name, rate in rates.items()}


def matrix_rate(device: torch.device, side: int, dtype: torch.dtype) -> float:
    """Return TFLOP/s of a product of two random square matrices."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / seconds_of(lambda: a @ b, device, 10) / 1e12


def convolution_rate(device: torch.device, channels: int, dtype: torch.dtype, side: int) -> float:
    """Return TFLOP/s of a 3x3 convolution, channels last, that keeps its number of channels."""
    layer = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False).to(device, dtype)
    layer = layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(1, channels, side, side, device=device).to(dtype)
    x = x.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = seconds_of(lambda: layer(x), device, 10)
    return 2 * 9 * channels**2 * side**2 / seconds / 1e12
