"""Of many frames, those that are worth a look."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from statistics import median

import numpy as np

from filmcli.evaluation.album import Album
from filmcli.evaluation.entries import Entry
from filmcli.evaluation.makers import RIVALS
from filmcli.evaluation.metrics import Score, Scorer
from filmcli.evaluation.rebuilt import Rebuilt
from filmcli.network.weights import Weights

ENTRIES = [
    Entry("net", RIVALS["blend"], Weights("film-m", {}, {}, "")),
    Entry("blend", RIVALS["blend"]),
    Entry("dis", RIVALS["dis"]),
]
EMPTY = np.zeros((24, 32, 3), np.uint8)


def rebuilt(frame: int, scene: int, ours: float, others: Mapping[str, float]) -> Rebuilt:
    values = {"net": ours, **others}
    return Rebuilt(
        frame, scene, 1, Fraction(1, 2), EMPTY, EMPTY, dict.fromkeys(values, EMPTY + 1),
        {name: Score(value, 0.9) for name, value in values.items()},
    )  # fmt: skip


def test_every_scene_has_a_typical_frame_and_the_sequence_a_worst_one() -> None:
    album = Album("film", ENTRIES, Scorer())
    rng = np.random.default_rng(4)
    values = {scene: rng.normal(30, 3, 40) for scene in (0, 2)}
    number = 0
    for scene, of in values.items():
        for value in of:
            album(rebuilt(number, scene, float(value), {"blend": 20.0, "dis": 31.0}))
            number += 1
    worst, *bad, first, second = album.strips()
    titles = [shown.words.partition(":")[0] for shown in album.strips()]
    assert titles == ["Worst", "Looks bad", "Looks bad", "Looks bad", "Typical", "Typical"]
    lowest = sorted(float(value) for of in values.values() for value in of)[:4]
    assert [shown.looks for shown in (worst, *bad)] == lowest
    assert (worst.sequence, worst.is_typical, first.is_typical) == ("film", False, True)
    for shown, of in ((first, values[0]), (second, values[2])):
        assert abs(shown.score.psnr - median(of)) < 2
    assert "scene 1" in first.words and "scene 3" in second.words
    assert "dis  31.00 dB" in worst.words and "blend" not in worst.words
    assert worst.jpeg.startswith(b"\xff\xd8")


def test_a_single_frame_is_shown_once() -> None:
    album = Album("film", ENTRIES, Scorer())
    album(rebuilt(1, 0, 30.0, {"blend": 33.0, "dis": 31.0}))
    (only,) = album.strips()
    assert only.words == "Worst: film, scene 1, frame 1, phase 1/2: net  30.00 dB, blend  33.00 dB"


def test_the_frame_that_looks_worst_is_shown_beside_the_one_with_most_error() -> None:
    album = Album("film", ENTRIES, Scorer())
    for frame, (psnr, lpips) in enumerate(((30, 0.05), (20, 0.04), (33, 0.2), (31, 0.06))):
        scores = {"net": Score(psnr, 0.9, lpips), "blend": Score(40, 0.9, 0.1)}
        scores["dis"] = Score(20, 0.9, 0.01)
        made = dict.fromkeys(scores, EMPTY + 1)
        album(Rebuilt(frame, 0, 1, Fraction(1, 2), EMPTY, EMPTY, made, scores))
    looks, most, *bad = album.strips()
    assert [shown.frame for shown in bad] == [3, 0]  # as they look, not as they err
    assert looks.words == (
        "Looks worst: film, scene 1, frame 2, phase 1/2: "
        "net  33.00 dB, LPIPS 0.2000, dis  20.00 dB, LPIPS 0.0100"
    )
    assert most.words.startswith("Most error: ") and most.frame == 1


def test_no_frames_no_strips() -> None:
    assert Album("film", ENTRIES, Scorer()).strips() == []


def test_the_strips_are_the_same_each_time() -> None:
    def chosen() -> list[int]:
        album = Album("film", ENTRIES, Scorer())
        for frame in range(100):
            album(rebuilt(frame, 0, 30 + frame % 7, {"blend": 20.0, "dis": 20.0}))
        return [shown.frame for shown in album.strips()]

    assert chosen() == chosen()
