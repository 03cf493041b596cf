"""The old ways of making in-between pictures, to stand beside the network.

`repeat`, `blend` and `dis_flow` make one picture of a pair at any phase; `minterpolate` is
ffmpeg's motion compensated filter and works on a whole run of pictures, because it looks at two
pictures on either side. (It moves blocks by whole pixels only: measured on a glide of 4 px a
frame, its pictures at phases 0.2 and 0.8 lie 0.6 px from their place.) All of them take and give
8-bit RGB pictures (H, W, 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import cv2
import ffmpeg
import numpy as np

from filmcli.errors import RenderError
from filmcli.evaluation.metrics import Picture

Rival = Callable[[Picture, Picture, float], Picture]
"""(left, right, phase) -> picture."""


def repeat(left: Picture, right: Picture, phase: float) -> Picture:  # noqa: ARG001
    """The left picture, whatever the phase: what a player shows of the source."""
    return left


def blend(left: Picture, right: Picture, phase: float) -> Picture:
    """The two pictures mixed by the phase, rounded to the nearest level."""
    mixed = left * np.float32(1.0 - phase) + right * np.float32(phase)
    return np.asarray(mixed + np.float32(0.5)).astype(np.uint8)


def dis_flow(left: Picture, right: Picture, phase: float) -> Picture:
    """Both pictures warped to the phase by OpenCV's DIS flow (medium preset), then mixed.

    The flow from the moment to each side is taken as linear motion of the mean of the two flows
    between the sides, the second one negated, at the same pixel. Pixels that leave the picture
    repeat its edge.
    """
    left_gray = cv2.cvtColor(left, cv2.COLOR_RGB2GRAY)
    right_gray = cv2.cvtColor(right, cv2.COLOR_RGB2GRAY)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    forth = dis.calc(left_gray, right_gray, None)
    back = dis.calc(right_gray, left_gray, None)
    # How Super SloMo (Jiang et al. 2018, eq. 4) joins two flows: the nearer side counts more.
    to_left = -phase * ((1.0 - phase) * forth - phase * back)
    to_right = (1.0 - phase) * ((1.0 - phase) * forth - phase * back)
    return blend(_sample(left, to_left), _sample(right, to_right), phase)


def _sample(picture: Picture, flow: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Picture:
    """`picture` read at every pixel's own place plus `flow` (H, W, 2), bilinear."""
    height, width = picture.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0].astype(np.float32)
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1].astype(np.float32)
    warped: Picture = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped


PAIRWISE: Mapping[str, Rival] = MappingProxyType(
    {"repeat": repeat, "blend": blend, "DIS flow": dis_flow}
)
"""The rivals that need one pair only, by the name that tables show."""


def minterpolate(frames: Sequence[Picture], rate: Fraction, target: Fraction) -> list[Picture]:
    """The run of `frames` at `rate`, brought to `target` frames a second by ffmpeg's filter.

    Picture k of the answer stands at time k / target after the first frame; there are
    floor(D * target + 1/2) of them for a run of D seconds, the last frame's own duration
    included. The filter is run at its best (bidirectional search, overlapped blocks, variable
    block size), in 4:4:4 and full range so that its colour rounding costs it nothing that shows.
    For one picture at phase p between neighbours, bring them to rate / p and take number 1.

    Raises RenderError if ffmpeg fails.
    """
    height, width = frames[0].shape[:2]
    count = max(1, math.floor(len(frames) / rate * target + Fraction(1, 2)))
    head = math.ceil(target / rate)
    video = _smoothed(width, height, rate, target, head)
    run = [frames[min(1, len(frames) - 1)], *frames, *[frames[-1]] * 4]
    try:
        raw, _ = video.global_args("-v", "error").run(
            input=b"".join(np.ascontiguousarray(frame).tobytes() for frame in run),
            capture_stdout=True,
            capture_stderr=True,
        )
    except ffmpeg.Error as failure:
        words = failure.stderr.decode(errors="replace").strip()
        raise RenderError("ffmpeg's minterpolate failed", words) from failure
    made = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)[head : head + count]
    if len(made) < count:
        raise RenderError("ffmpeg's minterpolate failed", f"{len(made)} of {count} pictures came")
    return list(made)


def _smoothed(width: int, height: int, rate: Fraction, target: Fraction, head: int) -> Any:
    """The filter, from pictures on stdin to pictures on stdout, the first `head` of them too many.

    It keeps four pictures and works only between the middle two: at the head it would show the
    second picture, at the tail nothing. So one picture goes before, by whole output steps, and
    clones follow. The one before is the second one, mirrored in time: after a clone the sudden
    start of motion looks like a cut to the filter, and it repeats.
    """
    per_second = math.lcm(rate.numerator, target.numerator)
    step, start = (int(per_second / value) for value in (rate, target))
    return (
        ffmpeg.input(
            "pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", r=_ratio(rate)
        )
        .filter("settb", f"1/{per_second}")
        .filter("setpts", f"if(eq(N,0),0,{head * start}+(N-1)*{step})")
        .filter("scale", out_range="full", out_color_matrix="bt709", flags="accurate_rnd")
        .filter("format", "yuvj444p")
        .filter(
            "minterpolate",
            fps=_ratio(target),
            mi_mode="mci",
            mc_mode="aobmc",
            me_mode="bidir",
            vsbmc=1,
        )
        .filter("scale", in_range="full", in_color_matrix="bt709", flags="accurate_rnd")
        .output("pipe:", format="rawvideo", pix_fmt="rgb24", fps_mode="passthrough")
    )


def _ratio(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"
