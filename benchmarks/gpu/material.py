"""What a training on a lent machine is fed: small enough to travel, read without ffmpeg there."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from filmcli.training.clips import Clip, Window, draw_window
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Picture
from filmcli.training.textures import Assets

_STILL_PX, _CUTOUT_PX = 360, 320  # of the short side, of the long one
_CELL = 16  # px, of what changes
_PLACES = 4  # of which a crop takes the liveliest


def pack_clips(source: Path, target: Path, without: Collection[str] = ()) -> None:
    """Write the clips as HEVC, at a third of the size of their own near-lossless H.264.

    Those named `without` are kept for judging.
    """
    target.mkdir(parents=True, exist_ok=True)
    words = ["-an", "-c:v", "libx265", "-preset", "fast", "-x265-params", "log-level=none"]
    for clip in sorted(source.glob("*.mp4")):
        if clip.stem in without:
            continue
        command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(clip), *words]
        command += ["-crf", "21", "-pix_fmt", "yuv420p", "-tag:v", "hvc1"]
        subprocess.run([*command, str(target / clip.name)], check=True)


def pack_pictures(source: Path, target: Path, *, alpha: bool) -> None:
    """Write photographs or cut-outs as WebP, made smaller."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None:
            continue
        sides = picture.shape[:2]
        shrink = _CUTOUT_PX / max(sides) if alpha else _STILL_PX / min(sides)
        if shrink < 1:
            picture = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        quality = [cv2.IMWRITE_WEBP_QUALITY, 80 if alpha else 74]
        cv2.imwrite(str(target / f"{path.stem}.webp"), picture, quality)


def thin_out(folder: Path, most: int) -> None:
    """Remove photographs, then the clips that move least, until all takes `most` bytes.

    Pictures may take a quarter of it: every other one goes until they do.
    """
    pictures = sorted(path for name in ("stills", "cutouts") for path in (folder / name).glob("*"))
    while _size(pictures) > most // 4:
        for path in pictures[1::2]:
            path.unlink()
        pictures = pictures[::2]
    clips = list((folder / "clips").glob("*.mp4"))
    beyond = _size(clips) + _size(pictures) - most
    lively_first = sorted(clips, key=_liveliness, reverse=True) if beyond > 0 else []
    while beyond > 0 and lively_first:
        clip = lively_first.pop()
        beyond -= clip.stat().st_size
        clip.unlink()


def _size(paths: list[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _liveliness(clip: Path) -> float:
    cells = np.stack([_cells(frame) for frame in _read(clip)])
    return float(np.abs(np.diff(cells, axis=0)).mean()) if len(cells) > 1 else 0.0


def read_pictures(folder: Path) -> Assets:
    """Return the photographs and cut-outs that were packed into `folder`."""

    def pictures(name: str, code: int) -> Iterator[Picture]:
        for path in sorted((folder / name).glob("*")):
            yield cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), code)

    photographs, cutouts = ("stills", cv2.COLOR_BGR2RGB), ("cutouts", cv2.COLOR_BGRA2RGBA)
    return Assets(list(pictures(*photographs)), list(pictures(*cutouts)))


class Footage:
    """Real film in the memory of a device, and windows cropped there."""

    def __init__(self, films: list[tuple[str, Picture]], device: torch.device) -> None:
        """`films` are pairs of a source's name and frames `(N, H, W, 3)`."""
        self._device = device
        sources: dict[str, list[Clip]] = defaultdict(list)
        self._frames: dict[int, tuple[Tensor, np.ndarray]] = {}
        for source, frames in films:
            small = np.stack([_cells(frame) for frame in frames])
            change = np.abs(np.diff(small, axis=0))
            clip = Clip(list(frames), change.mean(axis=(1, 2)), frames.shape[1:3])
            on_device = torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous().to(device)
            self._frames[id(clip.frames)] = on_device, change
            sources[source].append(clip)
        self._sources = list(sources.values())

    def draw(self, recipe: Recipe, rng: np.random.Generator) -> tuple[Tensor, float, list[float]]:
        """Return left, target, right, before, after `(5, 3, side, side)` in levels, phase, known.

        What is not known is another frame.
        """
        window = draw_window(self._sources, recipe.middle_share, rng)
        frames, change = self._frames[id(window.clip.frames)]
        rows, columns = _crop(window, change, recipe, rng)
        # One by one: a list of places would have to be brought to the device, and waited for.
        x = torch.stack([frames[k, :, rows, columns] for k in window.indices]).float()
        inside, side = x.shape[-1], recipe.side
        if inside != side:
            mode = "bilinear" if inside > side else "bicubic"
            x = F.interpolate(x, (side, side), mode=mode, antialias=inside > side).clamp(0, 255)
        x = torch.rot90(x, int(rng.integers(4)), (2, 3))
        x = x.flip(3) if rng.random() < 0.5 else x
        if rng.random() < 0.2:
            x = torch.stack([x[:, k] for k in rng.permutation(3)], dim=1)
        return x, window.phase, [float(known) for known in window.known]


def read_footage(folder: Path, device: torch.device) -> Footage:
    """Return the clips that were packed into `folder`, decoded by OpenCV's own libraries."""
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(os.cpu_count()) as readers:
        paths = sorted((folder / "clips").glob("*.mp4"))
        films = list(readers.map(_read, paths))
    named = zip(paths, films, strict=True)
    return Footage([(p.stem.rsplit("_", 1)[0], film) for p, film in named if len(film) > 2], device)


def _read(path: Path) -> Picture:
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = capture.read()
        if not there:
            return np.stack(frames)
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


def _cells(frame: Picture) -> np.ndarray:
    size = max(1, frame.shape[1] // _CELL), max(1, frame.shape[0] // _CELL)
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.float32).mean(axis=2)


def _crop(
    window: Window, change: np.ndarray, recipe: Recipe, rng: np.random.Generator
) -> tuple[slice, slice]:
    height, width = window.clip.size
    zoom = float(np.exp(rng.uniform(np.log(0.5), np.log(recipe.largest_zoom))))
    inside = int(min(round(recipe.side / zoom), height, width))
    first, last = sorted((window.indices[0], window.indices[2]))
    moved = change[first:last].sum(axis=0)
    places = [
        (int(rng.integers(height - inside + 1)), int(rng.integers(width - inside + 1)))
        for _ in range(_PLACES if rng.random() < 0.7 else 1)
    ]

    def liveliness(place: tuple[int, int]) -> float:
        rows, columns = (slice(at // _CELL, (at + inside) // _CELL + 1) for at in place)
        return float(moved[rows, columns].mean())

    top, left = max(places, key=liveliness)
    return slice(top, top + inside), slice(left, left + inside)
