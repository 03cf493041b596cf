"""The main job as a user runs it: real films, real failures, and real processes where it counts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

from tests.forked import Done, run, started
from tests.marks import slow

FILMCLI = [sys.executable, "-m", "filmcli"]
TONE = "sine=frequency=440:sample_rate=48000"


def ffmpeg(*args: str) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *args], check=True)


def film(path: Path, *, rate: str = "24", seconds: float = 1, size: str = "96x64") -> Path:
    """A moving test pattern with a tone."""
    picture = f"testsrc2=size={size}:rate={rate}:duration={seconds}"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", f"{TONE}:duration={seconds}"]
    ffmpeg(*inputs, "-pix_fmt", "yuv420p", "-preset", "ultrafast", "file:" + str(path))
    return path


def start(*args: str, cwd: Path) -> subprocess.Popen[str]:
    """Start the command as a terminal would: Ctrl-C reaches it, even if we were told to ignore it.

    A shell starts background jobs, and this test run may be one, with SIGINT ignored.
    """
    return subprocess.Popen(
        [*FILMCLI, *args],
        cwd=cwd,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def ffprobe(path: Path, stream: str = "v:0") -> dict[str, str]:
    """Facts of one stream, packets counted."""
    entries = "stream=codec_name,nb_read_packets,r_frame_rate,avg_frame_rate,start_time,duration"
    words = ["-v", "error", "-count_packets", "-select_streams", stream, "-of", "json"]
    out = subprocess.run(
        ["ffprobe", *words, "-show_entries", entries, "file:" + str(path)],
        capture_output=True,
        check=True,
    ).stdout
    streams: list[dict[str, str]] = json.loads(out)["streams"]
    return streams[0] if streams else {}


def picture_hashes(path: Path, pix_fmt: str) -> list[str]:
    """One hash per decoded picture."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v:0", "-pix_fmt", pix_fmt]
    command += ["-fps_mode", "passthrough", "-f", "framemd5", "-"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split(",")[-1].strip() for line in out.splitlines() if not line.startswith("#")]


def sound_hash(path: Path) -> str:
    """Hash of the coded sound."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a:0", "-c", "copy"]
    out = subprocess.run([*command, "-f", "hash", "-"], capture_output=True, text=True, check=True)
    return out.stdout


def assert_refused(done: Done, code: int) -> None:
    """One error of at most three lines, no traceback, no data, the right exit code."""
    assert done.code == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [line[:7] for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        "error: "
    ]


def test_24_to_60_as_the_readme_says(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", seconds=0.5)
    before = source.read_bytes()
    words = [*FILMCLI, "upsample", "in.mp4", "--fps", "60"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "in.60fps.mp4\n"
    output = tmp_path / "in.60fps.mp4"
    facts = ffprobe(output)
    assert facts["nb_read_packets"] == "30"
    assert facts["r_frame_rate"] == facts["avg_frame_rate"] == "60/1"
    assert abs(Fraction(facts["duration"]) - Fraction(1, 2)) <= Fraction(1, 120)
    assert sound_hash(output) == sound_hash(source)
    assert sorted(os.listdir(tmp_path)) == ["in.60fps.mp4", "in.mp4"]
    assert source.read_bytes() == before


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", *slow("yuv444p", "gray", "gbrp")])
def test_kept_frames_are_the_source_to_the_last_bit(tmp_path: Path, pix_fmt: str) -> None:
    source, output = tmp_path / "in.mkv", tmp_path / "out.mkv"
    pattern = "testsrc2=size=98x66:rate=24:duration=0.25"
    ffmpeg("-f", "lavfi", "-i", pattern, "-pix_fmt", pix_fmt, "-c:v", "ffv1", str(source))
    done = run(["upsample", "in.mkv", "--fps", "2x", "-c", "ffv1", "-o", "out.mkv"], tmp_path)
    assert done.code == 0, done.stderr
    hashes = picture_hashes(output, pix_fmt)
    assert len(hashes) == 12
    assert hashes[::2] == picture_hashes(source, pix_fmt)
    assert hashes[1] not in hashes[::2]


def test_matroska_of_23_976_keeps_every_frame_at_twice_the_rate(tmp_path: Path) -> None:
    film(tmp_path / "in.mkv", rate="24000/1001")
    done = run(["upsample", "in.mkv", "--json"], tmp_path)
    assert done.code == 0, done.stderr
    plan = next(e for e in map(json.loads, done.stdout.splitlines()) if e["event"] == "plan")
    assert (plan["rate"], plan["keep"], plan["frames"]) == ("48000/1001", 24, 48)


def test_a_second_run_has_nothing_to_do_and_a_stranger_is_not_replaced(tmp_path: Path) -> None:
    film(tmp_path / "in.mp4", seconds=0.25)
    output = tmp_path / "in.2x.mp4"
    output.write_bytes(b"precious")
    command = ["upsample", "in.mp4"]
    assert_refused(run(command, tmp_path), 4)
    assert output.read_bytes() == b"precious"
    assert run([*command, "-y"], tmp_path).code == 0
    made = output.stat()
    again = run(command, tmp_path)
    assert again.code == 0
    assert "already done" in again.stderr
    assert again.stdout == "in.2x.mp4\n"
    assert (output.stat().st_mtime_ns, output.stat().st_ino) == (made.st_mtime_ns, made.st_ino)
    assert_refused(run([*command, "-o", "in.2x.mp4", "--fps", "3x"], tmp_path), 4)


INTERRUPTED = ["upsample", "in.mkv", "--fps", "4x", "--cuts", "auto"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short shot and a longer, quite another one, and what is made of them."""
    folder = tmp_path_factory.mktemp("whole")
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=24:duration=0.5"),
        *("-f", "lavfi", "-i", "mandelbrot=size=96x64:rate=24"),
        *("-filter_complex", "[1]trim=duration=1[b];[0][b]concat=n=2:v=1"),
        *("-pix_fmt", "yuv420p", "-c:v", "ffv1", str(folder / "in.mkv")),
    )
    assert run(INTERRUPTED, folder).code == 0
    return folder


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), *slow((signal.SIGTERM, 143))])
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    tmp_path: Path, uninterrupted: Path, number: int, code: int
) -> None:
    (tmp_path / "in.mkv").hardlink_to(uninterrupted / "in.mkv")
    output = tmp_path / "in.4x.mkv"
    child = start(*INTERRUPTED, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".filmcli-*/000000.nut")) and time.monotonic() < deadline:
        time.sleep(0.002)
    child.send_signal(number)
    _, words = child.communicate()
    assert child.returncode == code, words
    assert "Traceback" not in words
    assert not output.exists()
    (kept,) = tmp_path.glob(".filmcli-*/000000.nut")
    first = kept.stat().st_mtime_ns
    assert list(tmp_path.glob(".filmcli-*/000001.nut")) == []
    again = run(INTERRUPTED, tmp_path)
    assert again.code == 0, again.stderr
    assert first < output.stat().st_mtime_ns
    assert sorted(os.listdir(tmp_path)) == ["in.4x.mkv", "in.mkv"]
    resumed, whole = (
        picture_hashes(at / output.name, "yuv420p") for at in (tmp_path, uninterrupted)
    )
    assert resumed == whole


def test_stopped_before_anything_was_finished_leaves_nothing(tmp_path: Path) -> None:
    film(tmp_path / "in.mp4", seconds=10)
    with started(["upsample", "in.mp4"], tmp_path) as running:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".filmcli-*/*.part*")) and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(running.pid, signal.SIGINT)
        assert running.end().code == 130
    assert os.listdir(tmp_path) == ["in.mp4"]


def test_ctrl_c_ends_what_several_threads_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    film(tmp_path / "in.mp4", seconds=60)
    child = start("upsample", "in.mp4", "--steps", "0", cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".filmcli-*/*.part*")) and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(0.5)  # several intervals are begun
    child.send_signal(signal.SIGINT)
    _, words = child.communicate(timeout=60)
    assert child.returncode == 130, words
    assert "Traceback" not in words
    assert os.listdir(tmp_path) == ["in.mp4"]


def bad_inputs(folder: Path) -> list[Path]:
    """Files that are no films, each in its own way."""
    good = film(folder / "good.mp4")
    bad = {
        "empty.mp4": b"",
        "text.mp4": b"this is no film\n" * 100,
        "noise.mkv": os.urandom(4096),
        "head.mp4": good.read_bytes()[:200],
        "list.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ngood.mp4\n#EXT-X-ENDLIST\n",
        "script.mkv": b"ffconcat version 1.0\nfile good.mp4\n",
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    ffmpeg("-f", "lavfi", "-i", f"{TONE}:duration=1", str(folder / "sound.m4a"))
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x64", "-frames:v", "1", str(folder / "still.png"))
    good.unlink()
    extra = ["missing.mp4", "sound.m4a", "still.png"]
    return [folder / name for name in [*bad, *extra]]


def test_bad_inputs_give_one_clear_error_each_and_leave_nothing(tmp_path: Path) -> None:
    inputs = bad_inputs(tmp_path)
    before = sorted(os.listdir(tmp_path))
    names = [path.name for path in inputs]
    done = run(["upsample", *names, "--fps", "60"], tmp_path)
    assert done.code == 1
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == len(inputs)
    assert sorted(os.listdir(tmp_path)) == before
    assert_refused(run(["upsample", names[1]], tmp_path), 3)


def test_a_truncated_film_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    source = film(tmp_path / "whole.mkv")
    torn = tmp_path / "torn.mkv"
    torn.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    done = run(["upsample", "torn.mkv"], tmp_path)
    assert done.code == 0, done.stderr
    assert "warning" in done.stderr
    frames = int(ffprobe(tmp_path / "torn.2x.mkv")["nb_read_packets"])
    assert 8 < frames < 44


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--fps", "0"], 2),
        (["--fps", "quick"], 2),
        (["-c", "no_such_encoder"], 5),
        (["-d", "cuda:7"], 5),
        (["-o", "nowhere/out.mp4"], 5),
        (["-w", "nowhere.safetensors"], 5),
        (["--slow", "-1"], 2),
        (["--no-such-option"], 2),
    ],
)
def test_what_can_fail_cheaply_fails_before_the_work(
    tmp_path: Path, words: list[str], code: int
) -> None:
    film(tmp_path / "in.mp4", seconds=0.25)
    done = run(["upsample", "in.mp4", *words], tmp_path)
    assert done.code == code, done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == ["in.mp4"]


def test_odd_names_from_a_shell(tmp_path: Path) -> None:
    names = [b"a b.mp4", b'it\'s "q" 100%d.mp4', b"-x.mp4", b"n\nl \xff.mp4"]
    source = film(tmp_path / "source.mp4", seconds=0.125)
    folder = os.fsencode(tmp_path)
    for name in names:
        os.link(source, os.path.join(folder, name))
    source.unlink()
    command = f"{sys.executable} -m filmcli upsample ./*.mp4 --fps 60"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = [name.removesuffix(b".mp4") + b".60fps.mp4" for name in names]
    assert sorted(os.listdir(folder)) == sorted(names + expected)


def test_a_while_read_loop_keeps_its_list(tmp_path: Path) -> None:
    film(tmp_path / "a b.mp4", seconds=0.125)
    os.link(tmp_path / "a b.mp4", tmp_path / "-x.mp4")
    (tmp_path / "list").write_text("a b.mp4\n./-x.mp4\n")
    loop = (
        f'while IFS= read -r f; do {sys.executable} -m filmcli upsample "$f" --fps 60; done < list'
    )
    done = subprocess.run(
        ["sh", "-c", loop], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["a b.60fps.mp4", "./-x.60fps.mp4"]


def test_standard_output_carries_the_film_and_nothing_else(tmp_path: Path) -> None:
    film(tmp_path / "in.mp4", seconds=0.25)
    done = subprocess.run(
        [*FILMCLI, "upsample", "in.mp4", "--fps", "60", "-o", "-"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(b"YUV4MPEG2 W96 H64 F60:1")
    assert done.stdout.count(b"FRAME\n") == 15
    assert os.listdir(tmp_path) == ["in.mp4"]


def test_dry_run_tells_the_plan_and_writes_nothing(tmp_path: Path) -> None:
    film(tmp_path / "in.mp4")
    done = run(["upsample", "in.mp4", "--fps", "60", "--dry-run"], tmp_path)
    assert done.code == 0, done.stderr
    assert "24 -> 60 frames" in done.stderr
    assert done.stdout == ""
    assert os.listdir(tmp_path) == ["in.mp4"]


def test_json_has_one_end_for_each_input(tmp_path: Path) -> None:
    film(tmp_path / "in.mp4", seconds=0.25)
    done = run(["upsample", "in.mp4", "missing.mp4", "--json"], tmp_path)
    assert done.code == 1
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["event"] for e in events if e["event"] in ("done", "error", "summary")] == [
        "done",
        "error",
        "summary",
    ]
    assert all(e["v"] == 1 for e in events)


def test_slow_motion_stretches_picture_and_sound(tmp_path: Path) -> None:
    film(tmp_path / "in.mp4", seconds=0.5)
    done = run(["upsample", "in.mp4", "--slow", "2"], tmp_path)
    assert done.code == 0, done.stderr
    output = tmp_path / "in.slow2x.mp4"
    assert ffprobe(output)["nb_read_packets"] == "24"
    assert abs(float(ffprobe(output, "a:0")["duration"]) - 1) < 0.1


def test_a_reader_that_leaves_ends_the_run_quietly(tmp_path: Path) -> None:
    film(tmp_path / "in.mp4", seconds=4)
    with subprocess.Popen(
        [*FILMCLI, "upsample", "in.mp4", "-o", "-", "-q"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout and child.stderr
        child.stdout.read(1000)
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(60) == 1


def test_a_killed_encoder_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    film(tmp_path / "in.mp4", seconds=10)
    with started(["upsample", "in.mp4"], tmp_path) as running:
        encoder = None
        deadline = time.monotonic() + 60
        while encoder is None and time.monotonic() < deadline:
            encoder = process_that_writes(tmp_path, "000000.part.nut")
        assert encoder is not None
        os.kill(encoder, signal.SIGKILL)
        done = running.end(60)
    assert done.code == 1
    assert "Traceback" not in done.stderr
    assert "killed by SIGKILL" in done.stderr
    assert os.listdir(tmp_path) == ["in.mp4"]


def process_that_writes(folder: Path, name: str) -> int | None:
    """The process that has a file of this name, somewhere below `folder`, open."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it may end while it is looked at
            for handle in os.listdir(f"/proc/{process}/fd"):
                target = os.readlink(f"/proc/{process}/fd/{handle}")
                if target.startswith(str(folder)) and target.endswith(name):
                    return int(process)
    return None


def test_variable_rate_and_late_sound_keep_their_times(tmp_path: Path) -> None:
    source, output = tmp_path / "in.mkv", tmp_path / "out.mkv"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=24:duration=1"),
        *("-itsoffset", "0.4", "-f", "lavfi", "-i", f"{TONE}:duration=1"),
        *("-vf", "select='not(eq(n,5)+eq(n,6)+eq(n,13))'", "-fps_mode", "vfr"),
        *("-pix_fmt", "yuv420p", "-c:v", "ffv1", "-c:a", "pcm_s16le", str(source)),
    )
    done = run(["upsample", "in.mkv", "--fps", "60", "-c", "ffv1", "-o", "out.mkv"], tmp_path)
    assert done.code == 0, done.stderr
    assert ffprobe(output)["nb_read_packets"] == "60"
    offsets = [
        float(ffprobe(path, "a:0")["start_time"]) - float(ffprobe(path)["start_time"])
        for path in (source, output)
    ]
    assert abs(offsets[0] - offsets[1]) <= 1 / 120
    before, after = picture_hashes(source, "yuv420p"), picture_hashes(output, "yuv420p")
    # Output 5k stands on source time 2k/24; pictures 5, 6 and 13 of 24 are missing.
    shown = [n for n in range(24) if n not in (5, 6, 13)]
    for k in range(0, 24, 2):
        if k in shown:
            assert after[5 * k // 2] == before[shown.index(k)]
    assert after[15] not in before
