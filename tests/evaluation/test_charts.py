"""Curves of scores: every frame in its place, scenes apart."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pytest

from filmcli.evaluation.board import FrameScores, Result
from filmcli.evaluation.charts import charts
from filmcli.evaluation.metrics import Score


def result(name: str = "film", frames: int = 6) -> Result:
    """Frames 1, 3, 5, ..., the last three of a second scene; ours gains 1 dB a frame."""
    return Result(
        name,
        [
            FrameScores(
                2 * k + 1,
                int(k >= frames - 3),
                1,
                {"ours": Score(30.0 + k, 0.9, 0.1), "blend": Score(25.0, 0.8, 0.2)},
            )
            for k in range(frames)
        ],
    )


def points(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (place.split(",") for place in line.split())]


def test_every_scene_has_a_line_of_each_and_frames_lie_in_their_places() -> None:
    psnr, lpips = re.findall(r"<svg .*?</svg>", charts(result(), {}))
    assert "PSNR, dB" in psnr and "LPIPS" in lpips
    picture = ElementTree.fromstring(psnr)
    lines = [points(line.attrib["points"]) for line in picture.iter("polyline")]
    assert [len(line) for line in lines] == [3, 3, 3, 3]
    ours = lines[0] + lines[1]
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(ours)]
    assert all(step == pytest.approx(steps[0], abs=0.2) for step in steps)
    assert steps[0][0] > 0 > steps[0][1]  # rightwards and up
    (cut,) = [line for line in picture.iter("line") if line.get("class") == "cut"]
    assert lines[0][-1][0] < float(cut.attrib["x1"]) < lines[1][0][0]


def test_frames_with_pictures_lead_to_them() -> None:
    picture = ElementTree.fromstring(
        re.findall(r"<svg .*?</svg>", charts(result(), {5: "here"}))[0]
    )
    (link,) = picture.iter("a")
    assert (link.attrib["href"], link.attrib["aria-label"]) == ("#here", "frame 5")
    line = points(next(picture.iter("polyline")).attrib["points"])
    assert float(link[0].attrib["cx"]) == line[2][0]


def test_few_frames_have_no_course_and_names_are_no_html() -> None:
    assert charts(result(frames=2), {}) == ""
    drawn = charts(result("<b>"), {})
    assert "<b>" not in drawn and "&lt;b&gt;" in drawn


def test_scores_that_are_all_alike_or_without_end_are_drawn() -> None:
    same = [FrameScores(k, 0, 1, {"ours": Score(float("inf"), 1.0)}) for k in range(3)]
    ElementTree.fromstring(re.findall(r"<svg .*?</svg>", charts(Result("film", same), {}))[0])
