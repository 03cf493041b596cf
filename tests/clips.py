"""Short films with a known truth, rendered at test time by numpy and ffmpeg.

    frames = noise(Layout("yuv420p", "yuv", chroma_x=1, chroma_y=1), 64, 48, 24)
    film = write_film(tmp_path / "a.mkv", frames, layout, Fraction(24000, 1001))   # lossless FFV1
    film = write_vfr(tmp_path / "b.mkv", frames, layout, [0, 40, 90, 100, ...])    # milliseconds
    film = add_sound(tmp_path / "c.mkv", film, delays=(0.5, 0), subtitles=True, chapters=True)

`noise` differs in every sample and every picture, so that a swapped, shifted or rounded plane
cannot go unnoticed; `pattern` is a pattern that codecs like.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from filmcli.frames import Layout, Planes


def ffmpeg(*args: str | Path, stdin: bytes | None = None) -> bytes:
    """Run ffmpeg quietly and return its stdout; CalledProcessError with its words if it fails."""
    words = ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, args)]
    done = subprocess.run(words, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout


def ffprobe(path: str | Path, entries: str, *args: str) -> list[list[str]]:
    """Rows of `entries` (ffprobe's -show_entries) of the file at `path`."""
    words = ["ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries", entries, *args]
    done = subprocess.run([*words, f"file:{path}"], capture_output=True, text=True, check=True)
    return [line.strip().rstrip(",").split(",") for line in done.stdout.splitlines() if line]


def noise(layout: Layout, width: int, height: int, count: int, seed: int = 0) -> list[Planes]:
    """`count` pictures of smooth noise that drifts by 2 px a picture, different in every plane."""
    rng = np.random.default_rng(seed)
    top = (1 << layout.depth) - 1
    planes_of = []
    for shape in layout.plane_shapes(width, height):
        wide = rng.integers(0, top + 1, (shape[0], shape[1] + 2 * count), np.uint16)
        planes_of.append(wide.astype(layout.dtype))
    shapes = layout.plane_shapes(width, height)
    return [
        tuple(
            np.ascontiguousarray(wide[:, 2 * k : 2 * k + w])
            for wide, (_, w) in zip(planes_of, shapes, strict=True)
        )
        for k in range(count)
    ]


def raw(frames: Sequence[Planes]) -> bytes:
    """The pictures one after the other, as they lie on a raw pipe."""
    return b"".join(plane.tobytes() for planes in frames for plane in planes)


def write_film(
    path: str | Path,
    frames: Sequence[Planes],
    layout: Layout,
    rate: Fraction | int = 24,
    args: Sequence[str] = ("-c:v", "ffv1"),
    pix_fmt: str | None = None,
) -> str:
    """Code `frames` (lossless FFV1 unless `args` say otherwise) and return the name."""
    height, width = frames[0][0].shape
    ffmpeg(
        "-f", "rawvideo", "-pix_fmt", pix_fmt or layout.pix_fmt, "-s", f"{width}x{height}",
        "-framerate", str(rate), "-i", "-", *args, f"file:{path}", stdin=raw(frames),
    )  # fmt: skip
    return str(path)


def write_vfr(
    path: str | Path, frames: Sequence[Planes], layout: Layout, times_ms: Sequence[int]
) -> str:
    """A lossless film whose pictures stand at `times_ms`; the name decides the container."""
    even = write_film(f"{path}.even.mkv", frames, layout, 1000)  # a tick is a millisecond
    table = "".join(f"if(eq(N,{k}),{ms}," for k, ms in enumerate(times_ms))
    stamp = f"{table}0{')' * len(times_ms)}"
    timed = f"{path}.timed.mkv"
    ffmpeg("-i", f"file:{even}", "-c", "copy", "-bsf:v", f"setts=ts='{stamp}'", f"file:{timed}")
    ffmpeg("-i", f"file:{timed}", "-c", "copy", f"file:{path}")
    for passing in (even, timed):
        Path(passing).unlink()
    return str(path)


def pattern(path: str | Path, seconds: float, *args: str, size: str = "128x96", rate: str = "24",
            filters: str = "format=yuv420p", codec: Sequence[str] = ("-c:v", "libx264", "-preset",
            "ultrafast")) -> str:  # fmt: skip
    """A moving test pattern, coded by x264 unless `codec` says otherwise."""
    source = f"testsrc2=size={size}:rate={rate}:duration={seconds}"
    words = ("-f", "lavfi", "-i", source, "-vf", filters, *codec, *args)
    Path(path).write_bytes(_film(words, Path(path).suffix))
    return str(path)


@lru_cache
def _film(words: tuple[str, ...], ending: str) -> bytes:
    """What ffmpeg makes of the words; most films are wanted again."""
    with TemporaryDirectory() as folder:
        ffmpeg(*words, f"file:{folder}/film{ending}")
        return Path(folder, f"film{ending}").read_bytes()


def add_sound(
    path: str | Path,
    film: str,
    *,
    delays: Sequence[float] = (0.0,),
    video_delay: float = 0.0,
    codec: str = "aac",
    subtitles: bool = False,
    chapters: bool = False,
    args: Sequence[str] = (),
) -> str:
    """`film` with a tone of 1 s for each of `delays` (seconds), languages eng, fra, ... beside it.

    `video_delay` puts the picture later; `chapters` adds two, `subtitles` one srt track.
    """
    path, languages = Path(path), ("eng", "fra", "deu")
    words = ["-itsoffset", str(video_delay), "-i", f"file:{film}"]
    maps = ["-map", "0:v"]
    for at, delay in enumerate(delays):
        tone = f"sine=frequency={440 + 220 * at}:duration=1"
        words += ["-itsoffset", str(delay), "-f", "lavfi", "-i", tone]
        maps += ["-map", f"{at + 1}:a", f"-metadata:s:a:{at}", f"language={languages[at]}"]
    count = len(delays) + 1
    if subtitles:
        (srt := path.with_suffix(".srt")).write_text(_SRT)
        words += ["-i", f"file:{srt}"]
        maps += ["-map", f"{count}:s", "-metadata:s:s:0", "language=ita"]
        count += 1
    if chapters:
        (meta := path.with_suffix(".ffmeta")).write_text(_CHAPTERS)
        words += ["-i", f"file:{meta}"]
        maps += ["-map_metadata", str(count), "-map_chapters", str(count)]
    ffmpeg(*words, *maps, "-c:v", "copy", "-c:a", codec, *args, f"file:{path}")
    return str(path)


def hashes(path: str | Path, kind: str = "a") -> list[str]:
    """SHA-256 of every stream of a `kind`, as coded."""
    out = ffmpeg("-i", f"file:{path}", "-map", f"0:{kind}", "-c", "copy", "-f", "streamhash", "-")
    return [line.split("=")[1] for line in out.decode().splitlines()]


def starts(path: str | Path) -> dict[str, float]:
    """Time of the first packet of the first video and of each audio stream."""
    rows = ffprobe(path, "packet=stream_index,pts_time")
    found: dict[str, float] = {}
    for index, time, *_ in rows:
        if time != "N/A":
            found[index] = min(found.get(index, 1e9), float(time))
    return found


def clock_film(
    path: str | Path, times_ms: Sequence[int], args: Sequence[str] = ("-c:v", "ffv1")
) -> str:
    """Flat pictures that tell their own time: luma 16 + ms / 5, for films of a second.

    Shown at `times_ms`, in the container that the name says; lossless unless `args` are not.
    """
    layout = Layout("yuv420p", "yuv", 8, 1, 1)
    flat = [
        (np.full((32, 32), 16 + round(ms / 5), np.uint8), *[np.full((16, 16), 128, np.uint8)] * 2)
        for ms in times_ms
    ]
    timed = write_vfr(f"{path}.clock.mkv", flat, layout, times_ms)
    ffmpeg("-i", f"file:{timed}", "-fps_mode", "passthrough", *args, f"file:{path}")
    Path(timed).unlink()
    return str(path)


def clock_times(path: str | Path) -> list[float]:
    """Milliseconds that the pictures of a `clock_film`, or of what was made of it, tell."""
    words = ("-vf", "extractplanes=y", "-f", "rawvideo", "-fps_mode", "passthrough")
    shown = np.frombuffer(ffmpeg("-i", f"file:{path}", "-map", "0:v:0", *words, "-"), np.uint8)
    return [(float(luma.mean()) - 16) * 5 for luma in shown.reshape(-1, 32 * 32)]


_SRT = "1\n00:00:00,200 --> 00:00:00,700\nA line of words.\n"
_CHAPTERS = """;FFMETADATA1
title=A film
comment=made for a test
[CHAPTER]
TIMEBASE=1/1000
START=0
END=400
title=First
[CHAPTER]
TIMEBASE=1/1000
START=400
END=1000
title=Second
"""
