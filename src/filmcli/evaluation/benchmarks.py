"""The benchmarks that papers report, where the user has them on disk: their trees and protocols.

A case is two frames and the one in the middle of them. Pictures are scored as everything here is
(`metrics.CONVENTIONS`); what is particular to a benchmark, its `protocol` says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

import cv2

from filmcli.errors import InputError
from filmcli.evaluation.board import Result
from filmcli.evaluation.makers import Maker, Run
from filmcli.evaluation.metrics import Picture, Scorer
from filmcli.evaluation.rebuilt import Watch, judged, unseen

HALF = Fraction(1, 2)


class Case(NamedTuple):
    """File names of two frames and of the truth between them."""

    left: str
    truth: str
    right: str


@dataclass(frozen=True)
class Benchmark:
    """A set of cases, by the sequence that they count for; `view` is what is scored of a frame."""

    name: str
    protocol: str
    sequences: Mapping[str, Sequence[Case]]
    view: Callable[[Picture], Picture] = lambda picture: picture


def score_benchmark(
    benchmark: Benchmark,
    makers: Mapping[str, Maker],
    scorer: Scorer,
    limit: int | None = None,
    watch: Watch = unseen,
) -> list[Result]:
    """Score all cases, or the first `limit` of every sequence; InputError for a bad picture."""
    results = []
    for name, cases in benchmark.sequences.items():
        frames = []
        for number, case in enumerate(cases[:limit]):
            left, truth, right = (benchmark.view(_read(path)) for path in case)
            run = Run([left, right], [(HALF,)])
            for rebuilt in judged(makers, run, [[truth]], 2 * number, scorer):
                watch(rebuilt)
                frames.append(rebuilt.without_pictures)
        results.append(Result(name, frames))
    return results


def open_benchmark(name: str, folder: str) -> list[Benchmark]:
    """Find the cases of the benchmark `name` (one of BENCHMARKS) in `folder`, level by level.

    Raises InputError if the folder does not hold what the benchmark's authors hand out.
    """
    found = BENCHMARKS[name](folder)
    if not any(cases for benchmark in found for cases in benchmark.sequences.values()):
        raise InputError(
            f"{folder} does not hold {name}",
            f"looked for {_LAYOUTS[name]}",
            f"give the folder that {name} was unpacked to",
        )
    return found


def _vimeo90k(folder: str) -> list[Benchmark]:
    folder = _inner(folder, "vimeo_triplet")
    places = [
        os.path.join(folder, "sequences", line) for line in _lines(folder, "tri_testlist.txt")
    ]
    cases = [Case(*(os.path.join(at, f"im{n}.png") for n in (1, 2, 3))) for at in places]
    protocol = "Vimeo-90k triplets: im2 of every line of tri_testlist.txt, mean over triplets."
    return [Benchmark("vimeo90k", protocol, {"vimeo90k": cases})]


def _ucf101(folder: str) -> list[Benchmark]:
    folder = _inner(folder, "ucf101_interp_ours")
    names = ("frame_00.png", "frame_01_gt.png", "frame_02.png")
    places = [os.path.join(folder, name) for name in _listed(folder)]
    cases = [Case(*(os.path.join(at, name) for name in names)) for at in places]
    protocol = "UCF101: the 379 triplets chosen for Deep Voxel Flow, mean over triplets, no mask."
    return [Benchmark("ucf101", protocol, {"ucf101": [c for c in cases if _is_there(c)]})]


def _middlebury(folder: str) -> list[Benchmark]:
    frames, truths = (os.path.join(folder, name) for name in ("other-data", "other-gt-interp"))
    cases = [
        Case(
            os.path.join(frames, name, "frame10.png"),
            os.path.join(truths, name, "frame10i11.png"),
            os.path.join(frames, name, "frame11.png"),
        )
        for name in _listed(truths)
    ]
    protocol = "Middlebury-other: frame 10i11 from 10 and 11, mean over the sets with a truth."
    return [Benchmark("middlebury", protocol, {"middlebury": [c for c in cases if _is_there(c)]})]


def _xiph(folder: str) -> list[Benchmark]:
    folder = _inner(folder, "netflix")
    films: dict[str, dict[int, str]] = {}
    for name in _listed(folder):
        if match := re.fullmatch(r"(.+)-(\d{3})\.png", name):
            films.setdefault(match[1], {})[int(match[2])] = os.path.join(folder, name)
    sequences = {
        film: [
            Case(paths[at - 1], paths[at], paths[at + 1])
            for at in range(2, 99, 2)
            if {at - 1, at, at + 1} <= paths.keys()
        ]
        for film, paths in films.items()
    }
    sequences = {film: cases for film, cases in sequences.items() if cases}
    which = "Xiph: even frames 2 to 98 of each film from its odd ones, mean over films"
    return [
        Benchmark("xiph-2k", f"{which}; frames shrunk to half (area).", sequences, _half),
        Benchmark("xiph-4k", f"{which}; the middle half of a frame each way.", sequences, _middle),
    ]


def _snu_film(folder: str) -> list[Benchmark]:
    folder = _inner(folder, "SNU-FILM")
    lists = _inner(folder, "eval_modes")
    found = []
    for level in ("easy", "medium", "hard", "extreme"):
        cases = []
        for line in _lines(lists, f"test-{level}.txt"):
            # The lists name their authors' own folders; what counts begins at test/.
            inside = [path[path.rindex("test/") :] for path in line.split() if "test/" in path]
            if len(inside) == 3:
                cases.append(Case(*(os.path.join(folder, path) for path in inside)))
        protocol = f"SNU-FILM: the triplets of test-{level}.txt, mean over triplets."
        found.append(Benchmark(f"snu-film {level}", protocol, {f"snu-film {level}": cases}))
    return [benchmark for benchmark in found if any(benchmark.sequences.values())]


BENCHMARKS: Mapping[str, Callable[[str], list[Benchmark]]] = MappingProxyType(
    {
        "vimeo90k": _vimeo90k,
        "ucf101": _ucf101,
        "middlebury": _middlebury,
        "xiph": _xiph,
        "snu-film": _snu_film,
    }
)
"""How the benchmarks are found, by the names that the command line gives them."""

_LAYOUTS = {
    "vimeo90k": "tri_testlist.txt and sequences/00001/0001/im1.png",
    "ucf101": "1/frame_00.png, 1/frame_01_gt.png, 1/frame_02.png",
    "middlebury": "other-data/NAME/frame10.png and other-gt-interp/NAME/frame10i11.png",
    "xiph": "NAME-001.png to NAME-100.png of each film",
    "snu-film": "eval_modes/test-easy.txt and test/",
}


def _half(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    small: Picture = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return small


def _middle(picture: Picture) -> Picture:
    top, left = picture.shape[0] // 4, picture.shape[1] // 4
    return picture[top : picture.shape[0] - top, left : picture.shape[1] - left]


def _inner(folder: str, name: str) -> str:
    """The folder inside that archives unpack to, if it is there."""
    inside = os.path.join(folder, name)
    return inside if os.path.isdir(inside) else folder


def _listed(folder: str) -> list[str]:
    """Names in a folder, 2 before 10; none if there is no such folder."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(names, key=lambda name: (len(name), name) if name.isdigit() else (0, name))


def _lines(folder: str, name: str) -> list[str]:
    """The lines of a list that are not empty; none if there is no such list."""
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def _is_there(case: Case) -> bool:
    return all(map(os.path.isfile, case))


def _read(path: str) -> Picture:
    picture = cv2.imread(path, cv2.IMREAD_COLOR) if os.path.isfile(path) else None
    if picture is None:
        why = "the benchmark's list names it"
        raise InputError(f"{path} cannot be read as a picture", why, "unpack the benchmark again")
    upright: Picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return upright
