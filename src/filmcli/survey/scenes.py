"""The survey: one pass over thumbnails that finds cuts and motion.

PySceneDetect's content detector, fed with pictures of equal contrast, proposes the intervals that
change much; a closer look then asks what of the change motion cannot explain. Both are blind to
gain and offset, so fades, flicker and dark shots are judged like any other. What is kept of a
picture is a few numbers, so memory does not grow with its size.

Measured by `python benchmarks/cuts.py FOLDER` on 201 real shots, joined at random (4,489
pictures): all 200 cuts found and no other; the same at 7 % contrast, under noise of 6 levels, in
shots of 1 to 4 pictures, and with a white flash in each; no cut in fades of 4 or 10 pictures. Of
every second picture (large motion) 9 intervals in 2,143 were false cuts, of dissolves over 6
pictures 2 in 600. With `--clips 31`: 3,700 pictures a second of one core, 1,300 at worst.

A cut is the index of the first frame of a new scene. Scores and thresholds run from 0 (all of the
change is motion or light) to 1 (two unrelated pictures).
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import FrameTimecode
from scenedetect.detectors import ContentDetector

from filmcli.errors import InputError, UsageError
from filmcli.timing import parse_clock

THRESHOLD = 0.5
"""Unexplained share from which an interval can be a cut, unless the user names another."""

_CERTAIN = 0.66  # from here a cut stands however wild its surroundings are
_PROMINENCE = 0.3  # below, it must rise this much above the usual interval around it
_AROUND = 4  # intervals to each side that say what is usual
_GATE = 30.0  # grey levels of change, per unit of threshold, that earn a closer look
_CONTRAST = 48.0  # standard deviation that every picture is brought to, grey levels
_FLAT = 1.0  # standard deviation under which a picture is empty: black, white, a card
_SUDDEN = 4.0  # grey levels of change that can be a cut from or to an empty picture ...
_SUDDENLY = 2.5  # ... if it is so many times the change next to it: a fade's steps are alike
_FLASH = 40.0  # grey levels of mean that jump up and back within two frames
_SMALLEST_SIDE = 48  # px that the flow needs
_LOOK = (8, 6)  # cells across and down of a scene's look

Luma = NDArray[np.uint8]
Field = NDArray[np.float32]
"""A flow (H, W, 2): dx, dy in pixels."""


class Picture(Protocol):
    """What the survey needs of a thumbnail: its time and its luma (H, W) uint8."""

    @property
    def time(self) -> Fraction:
        """Seconds on the film's clock."""

    @property
    def luma(self) -> Luma:
        """Brightness of the small picture."""


@dataclass(frozen=True)
class Survey:
    """What one pass found, for n pictures.

    `times` (n) are exact seconds; `cuts` holds the first picture of every scene but the first,
    rising; `motion[i]`: mean luma change from picture i-1 in grey levels of 256; `score[i]`:
    unexplained share of that change, 0 where nothing was proposed. The first entries of `motion`
    and `score` are 0. `looks` holds every scene as a small picture, the mean brightness of 6 rows
    of 8 cells over all its pictures.
    """

    times: tuple[Fraction, ...]
    cuts: tuple[int, ...]
    motion: NDArray[np.float32]
    score: NDArray[np.float32]
    looks: tuple[bytes, ...]

    def doubt(self) -> str | None:
        """Return a sentence if there are more cuts than a film has, else None."""
        seconds = float(self.times[-1] - self.times[0])
        if len(self.cuts) < 10 or len(self.cuts) < seconds:
            return None
        return (
            f"{len(self.cuts)} cuts in {seconds:.0f} s look wrong; "
            "a higher --cuts (0 to 1) finds fewer, --cuts off none"
        )


def survey(
    pictures: Iterable[Picture],
    cuts: str | float | Sequence[int] = "auto",
    progress: Callable[[int], None] | None = None,
) -> Survey:
    """Read all `pictures` once and say where the scenes are.

    `cuts` is "auto", "off", a threshold 0 to 1 (lower finds more; a number or its spelling), the
    path of a file for `read_cuts`, or the cuts themselves. `progress` hears how many pictures are
    done. Raises InputError for no pictures, UsageError for cuts that cannot be.
    """
    threshold = _threshold(cuts)
    # A file that makes no sense is refused now, not after an hour of decoding.
    is_file = isinstance(cuts, str) and threshold is None and cuts != "off"
    starts = _read_starts(str(cuts)) if is_file else []
    eye = _Eye(threshold)
    times: list[Fraction] = []
    notes = array("f")
    cells = bytearray()
    for picture in pictures:
        times.append(picture.time)
        cells += cv2.resize(picture.luma, _LOOK, interpolation=cv2.INTER_AREA).tobytes()
        notes.extend(eye.look(picture.luma))
        if progress is not None:
            progress(len(times))
    if not times:
        raise InputError("the film has no pictures", "nothing decoded", "check the file")
    columns = np.frombuffer(notes, np.float32).reshape(-1, len(_Note._fields)).T
    note = _Notes(*columns)
    if threshold is not None:
        found = _find_cuts(note, threshold, weigh_surroundings=cuts == "auto")
    elif isinstance(cuts, str):
        found = _place(starts, times, cuts)
    else:
        found = _check_cuts(cuts, len(times))
    looks = np.frombuffer(cells, np.uint8).reshape(len(times), -1)
    means = tuple(part.mean(axis=0).astype(np.uint8).tobytes() for part in np.split(looks, found))
    return Survey(tuple(times), tuple(found), note.motion, note.score, means)


def read_cuts(path: str, times: Sequence[Fraction]) -> list[int]:
    """Read cuts for a film with these times from what `probe --scenes --json` wrote, or a list.

    The list has one time a line, in seconds or [h:]m:s. Each cut goes to the picture nearest to
    it. Raises UsageError for a file that is neither, or names a time outside the film.
    """
    return _place(_read_starts(path), times, path)


def _read_starts(path: str) -> list[Fraction]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        return _starts_in_json(json.loads(text)) if text.startswith("{") else _starts(text)
    except OSError as failure:
        raise _bad_cuts(path, f"it cannot be read: {failure.strerror}") from failure
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as failure:
        why = "it is neither what `filmcli probe --scenes --json` writes nor one time a line"
        raise _bad_cuts(path, why) from failure


def _place(starts: Sequence[Fraction], times: Sequence[Fraction], path: str) -> list[int]:
    if any(not times[0] - 1 <= start <= times[-1] + 1 for start in starts):
        raise _bad_cuts(path, f"it names a time outside the film, which has {len(times)} pictures")
    return sorted({_nearest(start, times) for start in starts} - {0})


def _starts_in_json(told: Any) -> list[Fraction]:
    return [Fraction(str(scene["start"])) for scene in told["scenes"]]


def _starts(text: str) -> list[Fraction]:
    return [parse_clock(line) for line in text.split()]


def _nearest(moment: Fraction, times: Sequence[Fraction]) -> int:
    after = min(bisect_left(times, moment), len(times) - 1)
    return min((max(after - 1, 0), after), key=lambda i: abs(times[i] - moment))


def _check_cuts(cuts: float | Sequence[int], pictures: int) -> list[int]:
    indices = sorted({int(cut) for cut in cuts}) if isinstance(cuts, Sequence) else []
    if indices and not 0 < indices[0] <= indices[-1] < pictures:
        raise _bad_cuts(str(list(indices)), f"cuts are pictures 1 to {pictures - 1}")
    return indices


def _threshold(cuts: str | float | Sequence[int]) -> float | None:
    """The threshold that `cuts` names, or None where nothing is to be searched."""
    if cuts == "auto":
        return THRESHOLD
    try:
        threshold = float(cuts)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    if not 0 <= threshold <= 1:
        raise _bad_cuts(str(cuts), "a threshold lies between 0 (finds most) and 1 (finds fewest)")
    return threshold


def _bad_cuts(cuts: str, why: str) -> UsageError:
    do = "give --cuts auto, off, a number from 0 to 1 (lower finds more), or a file of cuts"
    return UsageError(f"cannot use {cuts!r} as cuts", why, do)


class _Note(NamedTuple):
    """What stays of one picture and its change from the one before."""

    mean: float
    contrast: float
    motion: float
    score: float


class _Notes(NamedTuple):
    """The notes of a whole film, (n,) each."""

    mean: NDArray[np.float32]
    contrast: NDArray[np.float32]
    motion: NDArray[np.float32]
    score: NDArray[np.float32]


class _Eye:
    """Looks at one picture after another; remembers only the last."""

    def __init__(self, threshold: float | None) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._proposer = None
        if threshold is not None:
            gate = _GATE * min(threshold, THRESHOLD)
            self._proposer = ContentDetector(threshold=gate, min_scene_len=0, luma_only=True)
        self._index = 0
        self._last: tuple[Luma, Luma] | None = None

    def look(self, luma: Luma) -> _Note:
        mean, contrast, even = _even(luma)
        proposed = self._proposes(even)
        if self._last is None:
            self._last = luma, even
            return _Note(mean, contrast, 0.0, 0.0)
        last_luma, last_even = self._last
        self._last = luma, even
        motion = float(cv2.mean(cv2.absdiff(last_luma, luma))[0])
        score = _unexplained(last_even, even, self._flow) if proposed else 0.0
        return _Note(mean, contrast, motion, score)

    def _proposes(self, even: Luma) -> bool:
        if self._proposer is None:
            return False
        self._index += 1  # the detector only counts; true times may vary
        moment = FrameTimecode(self._index, 25.0)
        return bool(self._proposer.process_frame(moment, cv2.merge([even] * 3)))


def _even(luma: Luma) -> tuple[float, float, Luma]:
    """Mean, contrast, and the picture brought to mean 128 and one contrast for all, (H, W)."""
    smallest = min(luma.shape)
    if smallest < _SMALLEST_SIDE:
        scale = _SMALLEST_SIDE / smallest
        luma = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    smooth = cv2.GaussianBlur(luma.astype(np.float32), (0, 0), 1.0)
    mean, contrast = (float(value[0, 0]) for value in cv2.meanStdDev(smooth))
    gain = _CONTRAST / max(contrast, 1.0)
    return mean, contrast, cv2.convertScaleAbs(smooth, alpha=gain, beta=128 - gain * mean)


# The closer look


def _unexplained(left: Luma, right: Luma, flow: cv2.DISOpticalFlow) -> float:
    """Share of the change that no motion explains: by flow, or by flow after the best shift."""
    score = _unexplained_by_flow(left, right, flow)
    if score < 0.3:
        return score
    height, width = left.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    x, y = left.astype(np.float32), right.astype(np.float32)
    (dx, dy), peak = cv2.phaseCorrelate(x, y, window)
    overlap = _overlap(left, right, round(dx), round(dy))
    if peak < 0.05 or overlap is None:
        return score
    return min(score, _unexplained_by_flow(*overlap, flow))


def _overlap(left: Luma, right: Luma, dx: int, dy: int) -> tuple[Luma, Luma] | None:
    """What both pictures show if `right` is `left` moved by (dx, dy); None if under half."""
    height, width = left.shape
    w, h = width - abs(dx), height - abs(dy)
    if 2 * w * h < width * height or min(w, h) < _SMALLEST_SIDE:
        return None
    x, y = max(0, -dx), max(0, -dy)
    there = np.ascontiguousarray(left[y : y + h, x : x + w])
    return there, np.ascontiguousarray(right[y + dy : y + dy + h, x + dx : x + dx + w])


def _unexplained_by_flow(left: Luma, right: Luma, flow: cv2.DISOpticalFlow) -> float:
    """Mean of three shares: of contrast, of local detail, of flow vectors that do not return."""
    there: Field = flow.calc(left, right, None)
    back: Field = flow.calc(right, left, None)
    pairs = [(left, _warp(right, there)), (right, _warp(left, back))]
    alike = max(_correlation(a, b) for a, b in pairs)
    detail = max(_local_correlation(a, b) for a, b in pairs)
    astray = cv2.magnitude(*cv2.split(there + _warp(back, there)))
    far = cv2.magnitude(*cv2.split(there))
    lost = float(np.mean(astray > 1 + 0.1 * far))
    return min(1.0, max(0.0, (1 - alike + 1 - detail + lost) / 3))


@lru_cache(maxsize=2)
def _grid(height: int, width: int) -> Field:
    return np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)


def _warp(source: NDArray[Any], flow: Field) -> NDArray[Any]:
    """`source` (H, W, ...) read at p + flow(p), its border repeated."""
    grid = _grid(*flow.shape[:2]) + flow
    return cv2.remap(source, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[no-any-return]


def _correlation(a: Luma, b: Luma) -> float:
    x, y = a.astype(np.float32), b.astype(np.float32)
    x -= x.mean()
    y -= y.mean()
    return float(np.vdot(x, y) / np.sqrt(np.vdot(x, x) * np.vdot(y, y) + 1.0))


def _local_correlation(a: Luma, b: Luma) -> float:
    """Correlation in 9x9 windows, weighed by their contrast, a noise floor of 2 levels apart."""
    x, y = a.astype(np.float32), b.astype(np.float32)
    x_mean, y_mean, x_power, y_power, together = (
        cv2.blur(values, (9, 9)) for values in (x, y, x * x, y * y, x * y)
    )
    x_power = np.maximum(x_power - x_mean * x_mean, 0)
    y_power = np.maximum(y_power - y_mean * y_mean, 0)
    agreement = (together - x_mean * y_mean) / np.sqrt((x_power + 4) * (y_power + 4))
    weight = np.sqrt(np.sqrt(x_power * y_power))
    return float(np.vdot(agreement, weight) / (weight.sum() + 1e-6))


# The verdict


def _find_cuts(note: _Notes, threshold: float, weigh_surroundings: bool) -> list[int]:
    """Indices i > 0 where the interval from picture i-1 to i is a cut."""
    n = len(note.mean)
    flat = note.contrast < _FLAT
    beside_flat = np.zeros(n, bool)
    beside_flat[1:] = flat[1:] | flat[:-1]
    cuts = ~beside_flat & (note.score >= threshold)
    if weigh_surroundings:  # a number that the user gives is taken at its word
        cuts &= _stands_out(note.score)
    cuts |= beside_flat & _sudden(note, flat)
    cuts |= _flashes(note.mean)
    cuts[0] = False
    return [int(i) for i in np.flatnonzero(cuts)]


def _stands_out(score: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether a score is certain, or above what is usual around it: explosions stay one scene."""
    padded = np.pad(score, _AROUND)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1)
    # The lower third, not the median: of a run of short shots, half the intervals are cuts.
    usual = np.partition(windows, _AROUND * 2 // 3, axis=1)[:, _AROUND * 2 // 3]
    return (score >= _CERTAIN) | (score >= usual + _PROMINENCE)


def _sudden(note: _Notes, flat: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the change between an empty picture and another is a jump and no step of a fade."""
    jump = np.zeros_like(note.mean)
    jump[1:] = np.abs(np.diff(note.mean)) + np.abs(np.diff(note.contrast))
    before, after = np.roll(jump, 1), np.append(jump[1:], 0)
    before[0] = 0
    # A fade-out goes on before the empty picture, a fade-in after it.
    from_flat = np.roll(flat, 1)
    fade = np.where(flat, np.where(from_flat, np.maximum(before, after), before), after)
    return (jump >= _SUDDEN) & (jump >= _SUDDENLY * fade)


def _flashes(mean: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Both ends of every run of one or two pictures much brighter than both neighbours."""
    ends = np.zeros(len(mean), bool)
    for length in (1, 2):
        inner = len(mean) - length - 1  # runs with a neighbour on both sides
        if inner < 1:
            continue
        lowest = np.lib.stride_tricks.sliding_window_view(mean, length).min(axis=1)[1 : 1 + inner]
        around = np.maximum(mean[:inner], mean[1 + length :])
        starts = 1 + np.flatnonzero(lowest - around > _FLASH)
        ends[starts] = ends[starts + length] = True
    return ends
