"""Score ours and RIFE's versions in one run, and draw strips to look at."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.rivals import __doc__ as about
from benchmarks.rivals import rife
from benchmarks.rivals.places import Places
from benchmarks.run import machine
from filmcli.errors import FilmcliError
from filmcli.evaluation.board import Result, Scores, Table, markdown, mean_of, spelled, tables
from filmcli.evaluation.dropping import dropping_words, open_film, phases_of, score_film
from filmcli.evaluation.entries import Entry, enter, machine_words
from filmcli.evaluation.makers import Run, by_pairs
from filmcli.evaluation.metrics import MEASURES, Picture, Scorer
from filmcli.evaluation.rebuilt import Rebuilt
from filmcli.evaluation.strips import Cell, Wrong, draw_strip
from filmcli.lpips import load_lpips, load_st_lpips
from filmcli.network.machine import choose_device

DROP = 2  # RIFE 3.1 makes the middle only
WORST = 5
"""Strips of frames that nobody asked for by name: those of all films that look worst."""
ABREAST = 3


@dataclass
class Timed:
    """A maker that counts the frames it made, and the seconds that took, on the clock and of all
    cores."""

    entry: Entry
    frames: int = 0
    wall: float = 0.0
    cpu: float = 0.0

    def __call__(self, run: Run) -> list[list[Picture]]:
        """Make the frames of a run."""
        wall, cpu = time.perf_counter(), time.process_time()
        made = self.entry.maker(run)
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        self.frames += sum(map(len, made))
        return made


@dataclass
class Gallery:
    """Keeps strips of the frames asked for, and of those where the first maker looks worst."""

    ours: str
    scorer: Scorer
    asked: Sequence[str]
    film: str = ""
    strips: dict[str, Picture] = field(default_factory=dict)
    worst: list[tuple[float, str, Picture]] = field(default_factory=list)

    def __call__(self, rebuilt: Rebuilt) -> None:
        """See one frame of `film`."""
        name, looks = f"{self.film}:{rebuilt.frame}", rebuilt.scores[self.ours].lpips
        assert looks is not None
        is_worst = len(self.worst) < WORST or looks > self.worst[-1][0]
        if name not in self.asked and not is_worst:
            return
        cells = [Cell("truth", rebuilt.truth)]
        for maker, made in rebuilt.made.items():
            score = rebuilt.scores[maker]
            cells.append(Cell(f"{maker}  {score.psnr:.2f} dB, LPIPS {score.lpips:.4f}", made))
        drawn = _draw(cells, self.scorer.wrong(rebuilt.made[self.ours], rebuilt.truth))
        if name in self.asked:
            self.strips[name] = drawn
        if is_worst:
            self.worst = sorted([*self.worst, (looks, name, drawn)], key=lambda one: -one[0])
            self.worst = self.worst[:WORST]

    def write(self, folder: Path) -> None:
        """Write the strips as PNG files that are named after film and frame."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, drawn in {
            **{name: drawn for _, name, drawn in self.worst},
            **self.strips,
        }.items():
            film, _, frame = name.rpartition(":")
            path = folder / f"{film}-{int(frame):03d}.png"
            cv2.imwrite(str(path), drawn[..., ::-1])
            print(f"look at {path}", file=sys.stderr)


def _draw(cells: Sequence[Cell], wrong: Wrong) -> Picture:
    """All cells, ABREAST in a row, so that a screen shows them at their size."""
    rows = [
        draw_strip(cells[first : first + ABREAST], wrong) for first in range(0, len(cells), ABREAST)
    ]
    width = rows[0].shape[1]
    white = cv2.BORDER_CONSTANT, None, (255, 255, 255)
    return np.vstack(
        [cv2.copyMakeBorder(row, 0, 0, 0, width - row.shape[1], *white) for row in rows]
    )


def main() -> None:
    """Score every film, then print the tables and one line of JSON."""
    asked = _arguments()
    lpips, vgg = load_lpips(), load_lpips("vgg16") if asked.vgg else None
    scorer = Scorer(lpips, vgg, load_st_lpips() if asked.judge else None)
    timed = [Timed(entry) for entry in _entries(asked)]
    entries = [replace(maker.entry, maker=maker) for maker in timed]
    gallery = Gallery(entries[0].name, scorer, asked.show)
    places = Places(Scorer(lpips))

    def watch(rebuilt: Rebuilt) -> None:
        gallery(rebuilt)
        if asked.places:
            places(rebuilt)

    results = []
    for path in _films(asked.films):
        gallery.film = places.film = path.stem
        film = open_film(str(path), DROP, limit=asked.limit)
        results.append(score_film(film, path.stem, entries, scorer, watch))
        _tell(results[-1])
    if not results:
        sys.exit(f"There is no film in {', '.join(asked.films)}.")
    means = mean_of(results)
    placed = places.tables() if asked.places else []
    for table in (*tables(results, phases_of(DROP)), *placed, _summary(means, timed)):
        print(markdown(table))
    print(dropping_words(DROP), scorer.conventions, machine_words(asked.device, "auto"))
    print("RIFE ran in float32. Seconds are of making frames alone, all films together.")
    costs = {
        of.entry.name: {"wall": of.wall / of.frames, "cpu": of.cpu / of.frames} for of in timed
    }
    facts = {"sequences": len(results), "scores": spelled(means), "seconds_a_frame": costs}
    print(json.dumps({"benchmark": "rivals", **machine(), **facts}))
    if asked.strips:
        gallery.write(Path(asked.strips))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rivals",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("films", nargs="+", help="films, or folders of them")
    parser.add_argument(
        "-w", "--weights", action="append", default=[], help="[default: upsample's]"
    )
    parser.add_argument("--rife", nargs="*", choices=rife.VERSIONS, default=list(rife.VERSIONS))
    parser.add_argument("--limit", type=int, help="only the first intervals of each film")
    parser.add_argument("--judge", action="store_true", help="ST-LPIPS too, which is slow")
    parser.add_argument("--vgg", action="store_true", help="LPIPS by VGG-16 too, which is slower")
    parser.add_argument(
        "--places", action="store_true", help="how far frames are off as a whole, too"
    )
    parser.add_argument("--strips", help=f"folder for strips of the {WORST} frames that look worst")
    parser.add_argument(
        "--show",
        action="append",
        default=[],
        metavar="FILM:FRAME",
        help="a strip of this frame too",
    )
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def _entries(asked: argparse.Namespace) -> list[Entry]:
    ours = enter(asked.weights, rivals=["dis"], device=asked.device)
    device = choose_device(asked.device)
    return [
        *ours,
        *(Entry(f"RIFE {name}", by_pairs(rife.load(name, device))) for name in asked.rife),
    ]


def _films(given: Sequence[str]) -> Iterator[Path]:
    for path in map(Path, given):
        yield from sorted(path.iterdir()) if path.is_dir() else (path,)


def _tell(result: Result) -> None:
    scores = result.scores().items()
    told = "  ".join(f"{name} {score.psnr:.2f} {score.lpips:.4f}" for name, score in scores)
    print(f"{result.name}: {told}", file=sys.stderr)


def _summary(means: Scores, timed: Sequence[Timed]) -> Table:
    """A row for everyone: all measures, and what a frame took."""
    measured = list(next(iter(means.values())).measured)
    rows = [
        (
            of.entry.name,
            *(MEASURES[key].form.format(means[of.entry.name].measured[key]) for key in measured),
            f"{of.wall / of.frames:.3f}",
            f"{of.cpu / of.frames:.3f}",
        )
        for of in timed
    ]
    head = ("mean", *(MEASURES[key].title for key in measured), "s a frame", "CPU s a frame")
    return Table("mean", head, rows, "none")


if __name__ == "__main__":
    try:
        main()
    except FilmcliError as failure:
        sys.exit(str(failure))
