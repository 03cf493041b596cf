"""`make demo`: draw a film, smooth it with the real command, and score every frame of the result.

The film is `filmcli.evaluation.clip`, whose picture is known at every instant, so each frame of
the result can be held against what a camera would have seen at that very time. The old ways of
making frames do the same job beside it. All results pass through the same encoder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import cv2
import ffmpeg
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from filmcli.evaluation import clip
from filmcli.evaluation.metrics import Picture, psnr
from filmcli.evaluation.rivals import PAIRWISE, minterpolate
from filmcli.timing import Timeline
from filmcli.video.footage import read_rgb

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "demo"
WIDTH, HIGH = 640, 360
SOURCE, TARGET = Fraction(24), Fraction(60)
NEAR_LOSSLESS, AS_FILMCLI = 8, 18  # x264's crf: for the truth, and what `upsample` uses
SOUND_RATE = 48000

OURS = "filmcli"
DISSOLVE = tuple(map(float, clip.DISSOLVE))
SHOTS = (
    ("train", 0.0, 1.25),
    ("toys", 1.25, 2.5),
    ("planet", 2.5, DISSOLVE[0]),
    ("melt", *DISSOLVE),
    ("chart", DISSOLVE[1], 5.0),
)


class Moment(NamedTuple):
    """An output frame worth a look, and the middle of the part to show at full size."""

    frame: int
    x: int
    y: int
    words: str


MOMENTS = (
    Moment(21, 300, 110, "thin cables over a balloon"),
    Moment(44, 440, 190, "words behind a pole"),
    Moment(74, 320, 180, "just before a cut: held, not mixed"),
    Moment(96, 190, 170, "a pinwheel that spins faster"),
    Moment(126, 280, 150, "a ball behind a pendulum"),
    Moment(181, 300, 200, "a moon behind a ring, rising titles"),
    Moment(226, 330, 190, "a dissolve"),
    Moment(271, 330, 190, "a lens over contour lines"),
)


def main() -> int:
    """Run the demo; 0 if the film came out whole."""
    console = Console()
    started = time.monotonic()
    FOLDER.mkdir(exist_ok=True)
    count = int(clip.DURATION * TARGET)
    console.print(f"drawing {float(clip.DURATION):g} s of film, and its truth at 60 fps ...")
    source_path, truth_path = FOLDER / "clip.mp4", FOLDER / "clip.truth.mp4"
    with ProcessPoolExecutor() as pool:
        for path, rate, total in (
            (source_path, SOURCE, int(clip.DURATION * SOURCE)),
            (truth_path, TARGET, count),
        ):
            drawn = pool.map(drawing, (k / rate for k in range(total)), chunksize=4)
            write_film(path, drawn, rate, NEAR_LOSSLESS, sound=True)
    films = {OURS: FOLDER / "clip.60fps.mp4"}
    words = ["upsample", relative(source_path), "--fps", "60", "-o", relative(films[OURS]), "-y"]
    console.print("$ filmcli " + " ".join(words), style="bold")
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "filmcli", *words], cwd=ROOT, check=False)
    if done.returncode:
        return done.returncode
    seconds = {OURS: time.monotonic() - begun}
    source = list(read_rgb(str(source_path)))
    for name, made in rivals(source):
        console.print(f"the same by {name} ...")
        begun = time.monotonic()
        films[name] = FOLDER / f"clip.{name.replace(' ', '-')}.mp4"
        write_film(films[name], made, TARGET, AS_FILMCLI)
        seconds[name] = time.monotonic() - begun
    truth = read_rgb(str(truth_path))
    table, sheet = judged(films, seconds, source, truth)
    console.print(table)
    cv2.imwrite(str(FOLDER / "contact.png"), sheet[..., ::-1])
    console.print(
        f"Look at [bold]{relative(FOLDER / 'contact.png')}[/bold]: one row for each of "
        f"{len(MOMENTS)} moments, the last column is our error, four times enlarged.\n"
        f"Play [bold]{relative(source_path)}[/bold] (24 fps), then "
        f"[bold]{relative(films[OURS])}[/bold] (60 fps); {relative(truth_path)} is how it "
        "should be.\nWatch the cables and the sign, the pinwheel's tips, the rim of the lens; "
        "each beep falls on a cut.\n"
        "Slowly, side by side: filmcli compare demo/clip.mp4 demo/clip.60fps.mp4 --slow 4\n"
        f"({time.monotonic() - started:.0f} s in all)",
        highlight=False,
    )
    return 0


def drawing(time: Fraction) -> Picture:
    """The film's picture at so many seconds."""
    return clip.picture(time, WIDTH, HIGH)


def relative(path: Path) -> str:
    """The path as seen from the repository, as a person would type it."""
    return str(path.relative_to(ROOT))


def rivals(source: list[Picture]) -> Iterator[tuple[str, Iterable[Picture]]]:
    """Each old way's name and its film at 60 frames a second."""
    timeline = Timeline([k / SOURCE for k in range(len(source))], 1 / SOURCE, TARGET)

    def pairwise(name: str) -> Iterator[Picture]:
        for slot in timeline.slots(0, timeline.count):
            left = source[slot.left]
            if slot.kind == "make":
                yield PAIRWISE[name](left, source[slot.left + 1], float(slot.phase))
            else:
                yield left

    def motion() -> Iterator[Picture]:
        yield from minterpolate(source, SOURCE, TARGET)

    for name in PAIRWISE:
        yield name, pairwise(name)
    yield "minterpolate", motion()


def write_film(
    path: Path, frames: Iterable[Picture], rate: Fraction, crf: int, sound: bool = False
) -> None:
    """Encode RGB frames as H.264, 4:2:0, bt709, with the clip's sound if asked for."""
    size = f"{WIDTH}x{HIGH}"
    raw = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=size, r=str(rate))
    flags = "accurate_rnd+full_chroma_int"
    film = raw.filter("scale", out_color_matrix="bt709", out_range="tv", flags=flags)
    tags = dict.fromkeys(("colorspace", "color_primaries", "color_trc"), "bt709")
    options = {"c:v": "libx264", "crf": crf, "pix_fmt": "yuv420p", "color_range": "tv", **tags}
    with tempfile.TemporaryDirectory() as folder:
        streams = [film]
        if sound:
            streams.append(ffmpeg.input(write_sound(Path(folder) / "clip.wav")))
            options |= {"c:a": "aac", "b:a": "128k"}
        command = ffmpeg.output(*streams, str(path), **options).global_args("-v", "error")
        child = command.run_async(pipe_stdin=True, overwrite_output=True)
        for frame in frames:
            child.stdin.write(np.ascontiguousarray(frame).tobytes())
        child.stdin.close()
        if child.wait() != 0:
            raise SystemExit(f"ffmpeg could not write {path}")


def write_sound(path: Path) -> str:
    """The clip's sound as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SOUND_RATE)
        file.writeframes(clip.sound(clip.DURATION, SOUND_RATE).tobytes())
    return str(path)


def judged(
    films: Mapping[str, Path],
    seconds: Mapping[str, float],
    source: list[Picture],
    truth: np.ndarray,
) -> tuple[Table, Picture]:
    """The table of scores, and the contact sheet."""
    times = [k / SOURCE for k in range(len(source))]
    cuts = frozenset(int(cut * SOURCE) for cut in clip.CUTS)
    timeline = Timeline(times, 1 / SOURCE, TARGET, cuts)
    slots = list(timeline.slots(0, timeline.count))
    tail = len(source) - 1
    groups = {
        name: [
            k
            for k, slot in enumerate(slots)
            if slot.kind == "make" and begin <= timeline.time(k) < end
        ]
        for name, begin, end in SHOTS
    }
    groups["made"] = [k for k, slot in enumerate(slots) if slot.kind == "make"]
    groups["kept"] = [k for k, slot in enumerate(slots) if slot.kind == "keep"]
    groups["cuts"] = [k for k, s in enumerate(slots) if s.kind == "hold" and s.left < tail]
    table = Table(
        title="PSNR against the truth in dB (8-bit RGB, mean over frames)",
        caption="train to chart: frames made, by shot; made: all of them. kept: the source's own "
        f"frames, so what the encoder costs (x264 crf {AS_FILMCLI}). cuts: frames that fall "
        "between a cut's two sides. The second line counts frames.",
        box=box.SIMPLE,
        padding=(0, 0, 0, 1),
    )
    table.add_column("by")
    for name, members in groups.items():
        table.add_column(f"{name}\n{len(members)}", justify="right")
    table.add_column("took", justify="right")
    columns = {}
    for name, path in films.items():
        made = read_rgb(str(path))
        if len(made) != len(truth):
            raise SystemExit(f"{path} has {len(made)} frames, not {len(truth)}")
        scores = [psnr(frame, true) for frame, true in zip(made, truth, strict=True)]
        cells = [f"{np.mean([scores[k] for k in members]):.2f}" for members in groups.values()]
        style = "bold" if name == OURS else ""
        table.add_row(name, *cells, f"{seconds[name]:.0f} s", style=style)
        columns[name] = [made[moment.frame].copy() for moment in MOMENTS]
    lefts = [source[slots[moment.frame].left] for moment in MOMENTS]
    trues = [truth[moment.frame] for moment in MOMENTS]
    return table, contact_sheet(lefts, trues, columns[OURS], columns["minterpolate"])


def contact_sheet(
    lefts: list[Picture], trues: list[Picture], ours: list[Picture], theirs: list[Picture]
) -> Picture:
    """One row a moment: the whole true frame, then a part of it at full size, five times."""
    heads = (
        "the moment",
        "source frame before",
        "truth",
        "filmcli",
        "minterpolate",
        "our error x 4",
    )
    rows = [np.hstack([labelled(cell(), words, 26) for words in heads])]
    for moment, left, true, our, their in zip(MOMENTS, lefts, trues, ours, theirs, strict=True):
        x = min(max(moment.x - 160, 0), WIDTH - 320)
        y = min(max(moment.y - 90, 0), HIGH - 180)
        part = np.s_[y : y + 180, x : x + 320]
        whole = cv2.rectangle(true.copy(), (x, y), (x + 319, y + 179), (255, 255, 255), 2)
        whole = cv2.resize(whole, (320, 180), interpolation=cv2.INTER_AREA)
        error = np.abs(our[part].astype(int) - true[part]).clip(0, 63).astype(np.uint8) * 4
        words = f"{float(moment.frame / TARGET):.3f} s  {moment.words}"
        shown = [labelled(whole, words, 20), left[part], true[part], our[part], their[part], error]
        rows.append(np.hstack([cv2.copyMakeBorder(p, 2, 2, 2, 2, 0) for p in shown]))
    width = max(row.shape[1] for row in rows)
    rows[0] = cv2.copyMakeBorder(rows[0], 0, 0, 0, width - rows[0].shape[1], 0)
    return np.vstack(rows)


def cell() -> Picture:
    """An empty head of a column."""
    return np.zeros((26, 324, 3), np.uint8)


def labelled(picture: Picture, words: str, height: int) -> Picture:
    """The picture with words on a dark strip along its foot."""
    shown = picture.copy()
    shown[-height:] //= 4
    at, white = (6, shown.shape[0] - 6), (255, 255, 255)
    cv2.putText(shown, words, at, cv2.FONT_HERSHEY_SIMPLEX, height / 50, white, 1, cv2.LINE_AA)
    return shown


if __name__ == "__main__":
    sys.exit(main())
