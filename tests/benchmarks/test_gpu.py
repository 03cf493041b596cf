"""The prepared run: every part of it runs here too, tiny, on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.gpu import pack, port
from benchmarks.gpu.check import apart
from benchmarks.gpu.material import Footage, read_footage, read_pictures, thin_out
from benchmarks.gpu.scenery import YUV420, YUV420_10, YUVA444, frames
from benchmarks.gpu.sheet import Row, Sheet, table
from filmcli.frames import Layout
from filmcli.network.networks import CONFIGS, build
from filmcli.network.weights import load
from filmcli.training.recipe import Recipe
from tests.clips import ffmpeg, pattern

ROOT = Path(__file__).parents[2]


def run(folder: Path, *words: str) -> tuple[str, list[Row]]:
    """What a part prints, and its rows."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", *words, "--tiny", "--device", "cpu"],
        cwd=ROOT, env={**os.environ, "OUT": str(folder)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = (folder / "gpu.jsonl").read_text().splitlines()
    return done.stdout, [json.loads(line) for line in lines]


@pytest.mark.slow
def test_check_runs_whole(tmp_path: Path) -> None:
    told, rows = run(tmp_path, "check", "--seconds", "2000")
    assert "STOPPED" not in told
    (verdict,) = (row for row in rows if row.get("weights") == "all")
    assert verdict["float32"] == "0.00 100.0000% yes"
    ahead = [row["off by"] for row in rows if row["part"] == "begun ahead"]
    assert ahead == ["0.00 0.0000 100.0000%"] * 2
    *_, film = (row for row in rows if row["part"] == "end to end")
    assert (film["exit"], film["frames"]) == (0, 60)
    assert (tmp_path / "gpu.txt").read_text().strip() in told


def test_one_part_of_the_speed_runs(tmp_path: Path) -> None:
    _, rows = run(tmp_path, "speed", "--seconds", "2000", "--only", "precision")
    assert rows and {row["part"] for row in rows} == {"precision"}


PARTS = (
    "default network", "at once", "precision", "plain loop", "others", "stages and kernels", "card"
)  # fmt: skip


@pytest.mark.slow
def test_speed_runs_whole(tmp_path: Path) -> None:
    told, rows = run(tmp_path, "speed", "--seconds", "2000", "--only", ",".join(PARTS))
    assert "STOPPED" not in told
    assert {row["part"] for row in rows} == set(PARTS)
    networks = [row["network"] for row in rows if row["part"] in ("default network", "others")]
    assert networks == ["film-m", "film*"]  # the published one by random weights
    (together,) = (row for row in rows if row["part"] == "at once")
    assert all(together[f"{number} at once, made/s"] > 0 for number in (1, 2, 4))
    inside = [row for row in rows if row["part"] == "stages and kernels"]
    assert len(inside) == 2
    for row in inside:
        stages = {"upload", "to_rgb", "features", "synthesize", "from_rgb", "rounded"}
        assert stages <= set(row)
    assert "Self CPU" in (tmp_path / "gpu-profile.txt").read_text()


@pytest.mark.slow
def test_speed_runs_compiled(tmp_path: Path) -> None:
    _, (row,) = run(tmp_path, "speed", "--seconds", "2000", "--only", "compiled")
    assert row["made/s"] > 0


@pytest.mark.slow
def test_training_goes_on_from_what_it_left(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, words in ((first, []), (second, ["--resume", str(first)])):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.gpu", "train", "0.25", "--tiny", "--device", "cpu",
             "--set", "config=film-m", *words],
            cwd=ROOT, env={**os.environ, "OUT": str(folder)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert max(path.stat().st_size for path in folder.iterdir()) < 16 << 20
        assert load(str(folder / "film-m.safetensors")).config == "film-m"
    steps = [int(load_file(of / "step.safetensors")["step"]) for of in (first, second)]
    assert 0 < steps[0] < steps[1]


def test_what_is_trained_on_travels(tmp_path: Path) -> None:
    clips, stills, cutouts, packed = (
        tmp_path / x for x in ("clips", "stills", "cutouts", "packed")
    )
    for folder in (clips, stills, cutouts):
        folder.mkdir()
    pattern(clips / "pond_1.mp4", 0.3)
    rng = np.random.default_rng(0)
    for folder, channels in ((stills, 3), (cutouts, 4)):
        picture = rng.integers(0, 256, (500, 700, channels)).astype(np.uint8)
        cv2.imwrite(str(folder / "one.png"), picture)
    given = [f"--{path.name}={path}" for path in (clips, stills, cutouts)]
    assert pack.main([str(packed), *given]) == 0
    (photograph,), (cutout,) = (read_pictures(packed)[k] for k in (0, 1))
    assert (photograph.shape, cutout.shape) == ((360, 504, 3), (229, 320, 4))
    pictures, *_ = read_footage(packed, torch.device("cpu")).draw(
        Recipe(side=64), np.random.default_rng(0)
    )
    assert pictures.shape == (5, 3, 64, 64)
    assert pictures.std() > 1


def test_what_cannot_all_travel_loses_stills_first_then_dull_clips(tmp_path: Path) -> None:
    for name in ("clips", "stills", "cutouts"):
        (tmp_path / name).mkdir()
    pattern(tmp_path / "clips/pond_1.mp4", 0.3)
    wall = "color=gray:size=128x96:rate=24:duration=4"
    ffmpeg("-f", "lavfi", "-i", wall, tmp_path / "clips/wall_1.mp4")
    lively = (tmp_path / "clips/pond_1.mp4").stat().st_size
    for number in range(8):
        (tmp_path / f"stills/{number}.webp").write_bytes(bytes(lively // 4))
    thin_out(tmp_path, lively + lively // 3)
    assert [path.name for path in (tmp_path / "stills").iterdir()] == ["0.webp"]
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["pond_1.mp4"]


def test_what_a_bare_machine_lacks_travels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "wheels", lambda _: None)  # they come over the network
    monkeypatch.chdir(tmp_path)
    for name in pack.PROGRAMS:
        Path(name).write_text(f"#!/bin/sh\necho {name} of ours\n")
        Path(name).chmod(0o755)
    assert pack.main([".gpu", "--programs", "."]) == 0
    (weights,) = Path(".gpu/site").rglob("alexnet.ckpt")
    assert weights.stat().st_size > 1 << 20
    setup = Path(".gpu/setup.sh").read_text().replace("/tmp/", f"{tmp_path}/there/")
    setup = "\n".join(
        line for line in setup.splitlines() if "pip" not in line and "--target" not in line
    )
    told = subprocess.run(
        ["sh", "-c", f"{setup}\nffmpeg; ffprobe; echo $PYTHONPATH"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert told[:2] == ["ffmpeg of ours", "ffprobe of ours"]
    assert f"{tmp_path}/.gpu/site:{tmp_path}/src:{tmp_path}" in told[2]


def test_footage_keeps_its_frames_together() -> None:
    film = (
        np.zeros((9, 96, 128, 3), np.uint8) + 20 * np.arange(9, dtype=np.uint8)[:, None, None, None]
    )
    footage = Footage([("grey", film)], torch.device("cpu"))
    rng = np.random.default_rng(0)
    for _ in range(40):
        pictures, phase, known = footage.draw(Recipe(side=64), rng)
        left, target, right, before, after = (picture.mean().item() for picture in pictures)
        assert target == pytest.approx(left + phase * (right - left), abs=1e-3)
        if known[0]:
            assert before == pytest.approx(2 * left - right, abs=1e-3)
        if known[1]:
            assert after == pytest.approx(2 * right - left, abs=1e-3)


def test_a_part_that_fails_or_hangs_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OUT", str(tmp_path))

    def fails() -> Iterator[Row]:
        yield {"a": 1}
        raise ValueError("so it is")

    def lasts() -> Iterator[Row]:
        while True:
            time.sleep(0.01)
            yield {"b": 2}

    sheet = Sheet("parts")
    sheet.part("first", 5, fails)
    sheet.part("second", 0.1, lasts)
    sheet.part("third", 5, lambda: [{"c": 3}])
    assert sheet.close() == 1
    told = capsys.readouterr().out.partition("#### gpu parts")[2]
    first, second, third = (told.index(word) for word in ("first", "second", "third"))
    assert "FAILED: ValueError: so it is" in told[first:second]
    assert "STOPPED" in told[second:third]
    assert told.rstrip().endswith("c\n3")


def test_parts_have_shares_of_the_time_and_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OUT", str(tmp_path))
    parts = {title: (seconds, list) for title, seconds in (("a", 30), ("b", 10), ("c", 20))}
    assert Sheet("parts").run(parts) == 0
    assert Sheet("parts").run(parts, only="c,a", seconds=100) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("==")]
    whole = ["a: at most 30 s", "b: at most 40 s", "c: at most 60 s"]
    assert told == [f"== {x}" for x in (*whole, "a: at most 60 s", "c: at most 100 s")]
    with pytest.raises(SystemExit, match="no such part: d; there are a, b, c"):
        Sheet("parts").run(parts, only="d")


def test_a_table_by_hand() -> None:
    assert table([{"a": 1, "b": 0.5}, {"b": "long", "c": 2}]) == [
        "a  b     c", "1  0.5", "   long  2",
    ]  # fmt: skip
    assert table([]) == []


@pytest.mark.parametrize("layout", [YUV420, YUV420_10, YUVA444], ids=lambda x: x.pix_fmt)
def test_scenery_pans(layout: Layout) -> None:
    first, second = frames(layout, 90, 61, 2)
    assert [plane.shape for plane in first] == list(layout.plane_shapes(90, 61))
    assert all(plane.dtype == layout.dtype for plane in first)
    # Above the square that goes another way, the luma of 6 px further right, 2 px further down.
    assert np.array_equal(second[0][:15, :80], first[0][2:17, 6:86])


@torch.no_grad()
def test_the_port_makes_the_pictures_of_film() -> None:
    torch.manual_seed(0)
    net = build(CONFIGS["film"])
    for name, weights in net.named_parameters():
        if "_convs.4.0" in name:
            weights *= 20  # flows of some pixels
    left, right = torch.rand(2, 1, 3, 64, 64)
    interval = net.interval(net.features(left), net.features(right))
    assert interval.flows.forward[0].abs().mean() > 1
    truth = net.synthesize(interval, torch.tensor([0.2])).frame
    assert torch.allclose(port.film(net.state_dict(), left, right, 0.2), truth, atol=1e-3)


def test_distance_by_hand() -> None:
    a, b = ([(np.array([[0, 8, 400]], np.uint16),)], [(np.array([[0, 0, 388]], np.uint16),)])
    largest, mean, share = apart(a, b, YUV420_10)
    assert (largest, mean) == (3.0, pytest.approx(20 / 3 / 4))
    assert share == pytest.approx(200 / 3)
