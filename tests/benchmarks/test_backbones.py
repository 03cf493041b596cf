"""The paper's table: its trainings are recipes, its numbers those of the rows, and it goes on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.adaptation.report import BEGIN, END, Row
from benchmarks.backbones.courses import SUPPORTS, columns, every_course
from benchmarks.backbones.report import rewrite, tables
from benchmarks.backbones.stages import cost, every_stage, is_done
from filmcli.backbones import BACKBONES
from filmcli.training.meta import MetaRecipe
from filmcli.training.presets import changed, preset
from tests.benchmarks.studies import run_twice
from tests.clips import pattern

STAGES = every_stage(list(BACKBONES), "small")


def row(base: float, *gains: float) -> Row:
    """A clip of one true frame and one held-out triplet, which gains as much, after each count."""
    steps = [
        {"steps": count, "seconds": 1.0, "truth": [base + gain], "doubled": [30 + gain],
         "cycle": [34 + gain]}
        for count, gain in zip((1, 3, 10), gains, strict=True)
    ]  # fmt: skip
    known = {
        "truth": [base],
        "blend": [base - 3],
        "doubled": [30.0],
        "cycle": [34.0],
        "frame_seconds": 0.5,
    }
    trained = {"steps": 500.0, "drawn": 4, "minutes": 2.5}
    return {"clip": "a", "taught": [1.0, 0.0], **known, "steps": steps, "trained": trained}


def test_every_training_is_a_recipe_that_there_is() -> None:
    for stage in STAGES:
        recipe = MetaRecipe() if stage.is_meta else preset("small")
        assert changed(recipe, stage.settings) != recipe
    samples = [changed(MetaRecipe(), stage.settings) for stage in STAGES if stage.is_meta]
    assert {recipe.inner_steps for recipe in samples} == {0, 1, 3}
    assert {recipe.order for recipe in samples} == {1, 2}


def test_every_course_is_of_weights_that_are_trained() -> None:
    first_legs = {stage.begins for stage in STAGES if stage.begins and not stage.is_meta}
    assert len(first_legs) == len(BACKBONES)
    labels = {stage.label for stage in STAGES if stage not in first_legs} | set(SUPPORTS)
    courses = every_course()
    assert {course.weights for course in courses} == labels
    assert len(set(courses)) == len(courses)


def test_what_is_done_and_what_it_took_is_told_by_the_log(tmp_path: Path) -> None:
    stage, second, retrained = STAGES[:3]
    log = tmp_path / f"{stage.file}.log"
    lines = [{"step": step, "steps": 300, "steps_per_second": 2.0} for step in (100, 200, 200)]
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (tmp_path / stage.file).touch()
    assert not is_done(stage, tmp_path)
    with log.open("a") as file:
        file.write(json.dumps({"step": 300, "steps": 300, "steps_per_second": 1.0}) + "\n")
    assert is_done(stage, tmp_path)
    assert cost(stage, tmp_path) == {"steps": 300, "drawn": 4, "minutes": 3.3}
    for after in (second, retrained):
        line = {"step": 60, "steps": 60, "steps_per_second": 1.0}
        (tmp_path / f"{after.file}.log").write_text(json.dumps(line))
    assert cost(second, tmp_path) == {"steps": 360, "drawn": 4, "minutes": 4.3}
    assert cost(retrained, tmp_path) == {"steps": 60, "drawn": 2, "minutes": 1.0}


def test_tables_by_hand(tmp_path: Path) -> None:
    base, retrained, meta = columns("sepconv")
    rows = {
        base: [row(24, 0.1, 0.2, 0.3), row(26, 0.1, 0.0, -0.5)],
        retrained: [row(24.5, 0, 0, 0), row(26.5, 0, 0, 0)],
        meta: [row(24.1, 0.5, 0.25, 0), row(26.1, 0.5, 0.25, -1)],
    }
    told = tables(rows)
    numbers = "22.00 | 25.00 | 25.50 | 25.10 | 25.60 | 25.35 | 24.60 | 25.60 | 25.60 | 25.60"
    assert f"| SepConv | {numbers} |" in told
    gains = "+0.100 | +0.100 | -0.100 | +0.100 | +0.000 | -0.500"
    assert f"| sepconv | 3e-05 | all | 25.00 | {gains} |" in told
    assert "| sepconv meta | 500 | 2000 | 2.5 |" in told
    assert "SuperSloMo" not in told
    document = tmp_path / "a.md"
    document.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n")
    rewrite(str(document), rows, ["docs/a-steps.png"])
    assert document.read_text() == (
        f"above\n{BEGIN}\n\n{told}\n\n![a-steps](a-steps.png)\n\n{END}\nbelow\n"
    )


@pytest.mark.slow
def test_a_second_run_trains_and_measures_nothing(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    pattern(tmp_path / "clips" / "a_1.mp4", 1.0)
    words = [sys.executable, "-m", "benchmarks.backbones", str(tmp_path / "clips")]
    words += ["--train", str(tmp_path / "clips"), "--networks", "voxelflow", "--size", "tiny"]
    words += ["--work", str(tmp_path / "work"), "-o", str(tmp_path / "study")]
    told, files = run_twice(words, tmp_path / "study.jsonl")
    assert files[0] == files[1]
    assert len(files[0].splitlines()) == 10  # all that is asked of voxel flow
    assert told[1] == [line for line in told[0] if " dB; 1: " in line]
    for name in ("study-steps.png", "study-strips.jpg"):
        assert (tmp_path / name).stat().st_size > 1000
