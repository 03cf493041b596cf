"""`filmcli adapt` as people run it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from filmcli.frames import Layout, Planes
from filmcli.network.weights import save
from filmcli.video.animation import write_mark
from tests import nets
from tests.clips import ffmpeg, pattern, write_film
from tests.forked import Done, run


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A film-m with a tint: it blends, and there is something to unlearn."""
    net = nets.tinted(nets.still(), 0.05)
    path = tmp_path_factory.mktemp("weights") / "tinted.safetensors"
    save(str(path), "film-m", net.state_dict())
    return str(path)


def adapt(*args: str, cwd: Path) -> Done:
    return run(["adapt", *args], cwd)


def test_a_film_gets_its_table_and_its_file(tmp_path: Path, weights: str) -> None:
    pattern(tmp_path / "in.mp4", 0.5)
    done = adapt("in.mp4", "--steps", "2", "-w", weights, "--cuts", "off", cwd=tmp_path)
    assert done.code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "in.mp4"
    assert lines[2].split()[:2] == ["1", "12"]
    assert lines[2].count("->") == 1
    assert lines[2].endswith(("adapted, 1 step", "adapted, 2 steps"))
    assert lines[3].startswith("1 of 1 scene adapted")
    assert sorted(os.listdir(tmp_path)) == ["in.adapted.safetensors", "in.mp4"]
    # the same again is known already; other steps are not
    again = adapt("in.mp4", "--steps", "2", "-w", weights, "--cuts", "off", cwd=tmp_path)
    assert again.stdout.splitlines()[2] == lines[2]
    assert "as found before" in again.stdout
    before = (tmp_path / "in.adapted.safetensors").read_bytes()
    other = adapt("in.mp4", "--steps", "1", "-w", weights, "--cuts", "off", cwd=tmp_path)
    assert "as found before" not in other.stdout
    assert (tmp_path / "in.adapted.safetensors").read_bytes() != before


def test_without_a_film_the_folders_are_taken_as_json(tmp_path: Path, weights: str) -> None:
    pattern(tmp_path / "a.mkv", 0.2)  # five frames, the least that can be adapted to
    pattern(tmp_path / "b.2x.mkv", 0.2)  # an output of ours
    (tmp_path / "deeper").mkdir()
    pattern(tmp_path / "deeper" / "c.mkv", 0.2)
    done = adapt("--json", "-w", weights, "--cuts", "off", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert "1 of this folder" in done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in told] == ["scene", "done"]
    assert told[0]["source"] == "a.mkv"
    assert told[0]["frames"] == 5
    assert told[0]["kept"] == (told[0]["why"] == "")
    assert told[0]["before"] > 10
    assert told[1]["output"] == "a.adapted.safetensors"


def test_a_scene_that_returns_is_told_of_with_its_first(tmp_path: Path, weights: str) -> None:
    rows, columns = np.indices((64, 96))
    frames: list[Planes] = []
    for light in (100 - columns, 2 * rows, 100 - columns):  # shot, reverse shot, shot
        texture = cv2.GaussianBlur(np.random.default_rng(0).uniform(0, 90, (64, 140)), (9, 9), 2)
        frames += [((texture[:, 2 * i :][:, :96] + light).astype(np.uint8),) for i in range(7)]
    write_film(tmp_path / "in.mkv", frames, Layout("gray", "gray"))
    (tmp_path / "cuts").write_text("0.292\n0.583\n")
    done = adapt("in.mkv", "-w", weights, "--cuts", "cuts", cwd=tmp_path)
    assert done.code == 0, done.stderr
    told = [line.split()[4:] for line in done.stdout.splitlines()[2:5]]
    kinds = [" ".join(words).lstrip("0123456789. ") for words in told]
    assert kinds[:2] == ["adapted, 1 step"] * 2
    assert kinds[2] in ("adapted, 1 step on from scene 1", "as scene 1")


def test_without_any_film_two_scenes_are_drawn_and_shown(tmp_path: Path, weights: str) -> None:
    done = adapt("--steps", "1", "-w", weights, "--json", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert "drawing two scenes" in done.stderr
    *scenes, end = [json.loads(line) for line in done.stdout.splitlines()]
    assert [scene["frames"] for scene in scenes] == [22, 22]
    for scene in scenes:  # the tint goes, so the truth is nearer
        assert scene["true_after"] > scene["true_before"] > 10
    assert end["kept"] == sum(scene["kept"] for scene in scenes) > 0
    assert os.listdir(tmp_path) == [end["picture"]] == ["filmcli-demonstration.png"]
    picture = cv2.imread(str(tmp_path / end["picture"]))
    assert picture is not None and picture.shape[1] > 3 * 320


def test_the_demonstration_replaces_no_picture_of_somebody_else(tmp_path: Path) -> None:
    picture = tmp_path / "filmcli-demonstration.png"
    cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    before = picture.read_bytes()
    done = run(["adapt"], tmp_path)
    assert done.code == 4
    assert "filmcli-demonstration.png exists already" in done.stderr
    assert picture.read_bytes() == before
    write_mark(str(picture), "filmcli demonstration")
    again = run(["adapt", "-w", "none.safetensors"], tmp_path)
    assert again.code == 5  # its own picture is no obstacle


@pytest.mark.parametrize(
    ("args", "code"), [(["none.mp4"], 3), (["in.mp4", "--steps", "-1"], 2), (["in.mp4"], 4)]
)
def test_what_cannot_be_done_is_said_in_one_error(
    tmp_path: Path, weights: str, args: list[str], code: int
) -> None:
    pattern(tmp_path / "in.mp4", 0.2)
    (tmp_path / "in.adapted.safetensors").write_text("something of somebody else's")
    done = adapt(*args, "-w", weights, cwd=tmp_path)
    assert done.code == code
    assert "Traceback" not in done.stderr
    assert (tmp_path / "in.adapted.safetensors").read_text().startswith("something")


def test_a_folder_of_pictures_is_adapted_to_and_found_again(tmp_path: Path, weights: str) -> None:
    (tmp_path / "shot").mkdir()
    ffmpeg("-i", pattern(tmp_path / "in.mkv", 0.25), tmp_path / "shot" / "%d.png")
    os.unlink(tmp_path / "in.mkv")
    asked = ("--steps", "1", "-w", weights, "--cuts", "off", "--in-fps", "12", "--json")
    done = run(["adapt", "shot", *asked], tmp_path)
    assert done.code == 0, done.stderr
    scene = json.loads(done.stdout.splitlines()[0])
    assert scene["source"] == "shot" and scene["frames"] == 6
    assert sorted(os.listdir(tmp_path)) == ["shot", "shot.adapted.safetensors"]
    made = run(["upsample", "shot", "-o", "out.mkv", "-c", "ffv1", *asked], tmp_path)
    assert made.code == 0, made.stderr
    told = [json.loads(line) for line in made.stdout.splitlines()]
    assert [line for line in told if line["event"] == "scene"] == [scene]  # to the last digit
