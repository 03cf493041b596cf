"""A film made by many is the film made by one, whatever befalls the many in the middle of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open

from filmcli.adapt import adapt_film
from filmcli.adaptation.film import Adapted, FilmSettings
from filmcli.pipeline.making import Progress
from filmcli.pipeline.request import Settings
from filmcli.pipeline.upsample import Event, upsample
from tests.clips import ffmpeg
from tests.rays import QUIET, Nodes, cluster, crew

from filmcli.pipeline.cluster import Far  # isort: skip (Ray is there)

pytestmark = QUIET

SCENES = 6


def six_scenes(path: Path, seconds: float) -> str:
    """Six scenes of so many seconds, of two colours by turns."""
    shots = [
        f"{'testsrc2' if k % 2 else 'mandelbrot'}=size=64x48:rate=24,trim=duration={seconds},"
        f"hue=h={60 * k}[{k}]"
        for k in range(SCENES)
    ]
    joined = "".join(f"[{k}]" for k in range(SCENES)) + f"concat=n={SCENES},format=yuv420p"
    graph = ";".join([*shots, joined])
    ffmpeg("-filter_complex", graph, "-c:v", "libx264", "-preset", "ultrafast", path)
    return str(path)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Six scenes; made, a segment takes a second or so."""
    return six_scenes(tmp_path_factory.mktemp("film") / "in.mp4", 1.5)


@pytest.fixture(scope="module")
def alone(film: str, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The film as one process makes it."""
    output = tmp_path_factory.mktemp("alone") / "out.mp4"
    upsample(film, Settings(fps="60", output=str(output)))
    return output.read_bytes()


class _StruckError(Exception):
    pass


def strike_in(segment: int) -> Callable[[Event], None]:
    def strike(event: Event) -> None:
        if isinstance(event, Progress) and event.segment == segment:
            raise _StruckError

    return strike


def test_the_same_bytes_and_a_job_goes_on_with_and_without(
    nodes: Nodes, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Begun by one process, gone on with by two nodes, ended by one process."""
    whole = tmp_path_factory.mktemp("whole")
    film = six_scenes(whole / "in.mp4", 0.75)
    upsample(film, Settings(fps="60", output=str(whole / "out.mp4")))
    settings = Settings(fps="60", output=str(tmp_path / "out.mp4"))
    with pytest.raises(_StruckError):
        upsample(film, settings, strike_in(2))
    (folder,) = tmp_path.glob(".filmcli-*")
    assert [path.name for path in folder.glob("*.nut")] == ["000000.nut"]
    begun = (folder / "000000.nut").stat()
    heard: list[Progress] = []

    def hear(event: Event) -> None:
        if isinstance(event, Progress):
            heard.append(event)
            if len(list(folder.glob("??????.nut"))) == 4:
                raise _StruckError

    with crew(nodes) as workers, pytest.raises(_StruckError):
        upsample(film, settings, hear, Far(workers))
    assert {at.nodes for at in heard} == {2} and len({at.node for at in heard}) == 2
    assert len(list(folder.iterdir())) == 4 + len(("lock", "job.json", "first_pass.json"))
    assert (folder / "000000.nut").stat() == begun
    upsample(film, settings)
    assert Path(str(settings.output)).read_bytes() == (whole / "out.mp4").read_bytes()
    assert os.listdir(tmp_path) == ["out.mp4"]


def all_leave(nodes: Nodes) -> bool:
    """True if no worker is left, after the time that Ray takes to end those of a dead parent."""
    until = time.monotonic() + 30
    while nodes.workers() and time.monotonic() < until:
        time.sleep(0.2)
    return not nodes.workers()


@pytest.mark.slow
@pytest.mark.parametrize("fate", ["a worker is killed", "a worker stops", "a node dies"])
def test_what_befalls_one_in_the_middle_costs_the_segment_in_hand(
    film: str, alone: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture, fate: str
) -> None:
    output, struck = tmp_path / "out.mp4", []

    with cluster(nodes=2) as nodes:

        def strike(event: Event) -> None:
            finished = [*tmp_path.glob(".filmcli-*/??????.nut")]
            if not isinstance(event, Progress) or struck or not finished:
                return
            struck.extend((path, path.stat()) for path in finished)
            if fate == "a node dies":
                nodes.end(0)
            else:
                how = signal.SIGKILL if fate == "a worker is killed" else signal.SIGSTOP
                os.kill(nodes.workers()[0], how)

        def unharmed(event: Event) -> None:
            strike(event)
            if len(struck) == 1 and struck[0][0].exists():
                assert struck[0][0].stat() == struck[0][1]

        with crew(nodes, least_patience=4) as workers:
            upsample(film, Settings(fps="60", output=str(output)), unharmed, Far(workers))
        assert output.read_bytes() == alone
        told = [record.getMessage() for record in caplog.records]
        assert sum("is made again" in line for line in told) == 1
        assert all_leave(nodes)
    assert os.listdir(tmp_path) == ["out.mp4"]


def command(nodes: Nodes, *words: str) -> list[str]:
    words = (*words, "--cluster", nodes.address, "--device", "cpu", "--json")
    return [sys.executable, "-m", "filmcli", "upsample", *words]


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [("KILL", -9), ("INT", 130), ("TERM", 143)])
def test_a_driver_that_ends_leaves_no_worker_and_is_gone_on_with(
    nodes: Nodes, film: str, alone: bytes, tmp_path: Path, how: str, code: int
) -> None:
    output = tmp_path / "out.mp4"
    words = command(nodes, film, "--fps", "60", "-o", str(output))
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            if [*tmp_path.glob(".filmcli-*/??????.nut")]:
                assert json.loads(line)["event"] in ("plan", "progress")
                break
        driver.send_signal(signal.Signals[f"SIG{how}"])
        driver.stdout.read()
    assert driver.returncode == code
    kept = {path: path.stat() for path in tmp_path.glob(".filmcli-*/??????.nut")}
    assert kept
    assert all_leave(nodes)
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert output.read_bytes() == alone
    heard = [json.loads(line) for line in done.stdout.splitlines()]
    first = next(line for line in heard if line["event"] == "progress")
    assert first["done"] >= 90 * len(kept)  # 1.5 s of 60 fps each
    assert os.listdir(tmp_path) == ["out.mp4"]


@pytest.mark.slow
def test_when_the_head_is_gone_that_is_said_and_parts_are_kept(film: str, tmp_path: Path) -> None:
    with cluster(nodes=1) as nodes:
        # So many pictures that the film is not done before the head is gone.
        words = command(nodes, film, "--fps", "480", "-o", str(tmp_path / "out.mp4"))
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(words, text=True, **pipes) as driver:  # type: ignore[call-overload]
            while not [*tmp_path.glob(".filmcli-*/??????.nut")]:
                assert driver.stdout.readline()
            nodes.end_head()
            _, told = driver.communicate(timeout=120)
    assert driver.returncode == 5
    assert "the cluster does not answer" in told and "finished parts are kept" in told
    assert [*tmp_path.glob(".filmcli-*/??????.nut")]


@pytest.mark.slow
def test_a_node_that_does_not_see_the_film_is_sent_it(
    film: str, alone: bytes, tmp_path: Path
) -> None:
    output, names = tmp_path / "out.mp4", set[str]()
    with cluster(nodes=0) as nodes, nodes.blind(str(Path(film).parent)):

        def hear(event: Event) -> None:
            if isinstance(event, Progress):
                names.add(event.node)

        with crew(nodes) as workers:
            upsample(film, Settings(fps="60", output=str(output)), hear, Far(workers))
            copies = list(
                Path(tempfile.gettempdir()).glob(f"filmcli-{os.getuid()}/shared-*/film.mp4")
            )
            assert [copy.read_bytes() for copy in copies] == [Path(film).read_bytes()]
    assert not list(Path(tempfile.gettempdir()).glob(f"filmcli-{os.getuid()}/shared-*"))
    assert len(names) == 1
    assert output.read_bytes() == alone


@pytest.mark.slow
def test_films_share_a_cluster_and_a_bad_one_stops_no_other(
    nodes: Nodes, film: str, alone: bytes, tmp_path: Path
) -> None:
    folder, output = tmp_path / "films", tmp_path / "made"
    folder.mkdir()
    for name in ("1.mp4", "2.mp4"):
        shutil.copy(film, folder / name)
    (folder / "3.mp4").write_text("no film")
    words = command(nodes, str(folder), "--fps", "60", "-o", f"{output}/")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    heard = [json.loads(line) for line in done.stdout.splitlines()]
    events = [(line["event"], os.path.basename(line.get("source", ""))) for line in heard]
    assert ("error", "3.mp4") in events
    # The second is planned before the first is joined: nobody waits for its last segment.
    assert events.index(("plan", "2.mp4")) < events.index(("done", "1.mp4"))
    pictures = ["-map", "0:v", "-c", "copy", "-f", "md5", "-"]
    whole = tmp_path / "alone.mp4"
    whole.write_bytes(alone)
    hashes = {ffmpeg("-i", p, *pictures) for p in (whole, *sorted(output.iterdir()))}
    assert len(hashes) == 1 and len(list(output.iterdir())) == 2


@pytest.mark.slow
def test_scenes_adapted_by_many_are_those_adapted_by_one(
    nodes: Nodes, film: str, tmp_path: Path
) -> None:
    here, far = tmp_path / "here.mp4", tmp_path / "far.mp4"
    for copy in (here, far):
        shutil.copy(film, copy)
    settings = FilmSettings(steps=1, device="cpu")
    numbers: list[int] = []

    def hear(event: object) -> None:
        if isinstance(event, Adapted):
            numbers.append(event.scene.scene)

    adapt_film(str(here), settings, lambda _: None)
    with crew(nodes) as workers:
        adapt_film(str(far), settings, hear, crew=workers)
    assert numbers == list(range(SCENES))
    one, other = (adapted(path) for path in (here, far))
    assert one == other


def adapted(film: Path) -> list[object]:
    """What was found of each scene, but for the time that took."""
    path = film.with_suffix(".adapted.safetensors")
    with safe_open(path, "np") as file:
        scenes = json.loads(file.metadata()["scenes"])
        deltas = {key: file.get_tensor(key).tobytes() for key in file.keys()}  # noqa: SIM118
    return [[{**scene, "seconds": 0} for scene in scenes], deltas]


@pytest.mark.slow
def test_films_scored_by_many_score_as_by_one(nodes: Nodes, film: str, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{k}.mp4") for k in range(2)]
    for path in paths:
        shutil.copy(film, path)
    broken = tmp_path / "broken.mp4"
    broken.write_text("no film")
    asked = ["--rivals", "blend", "--limit", "3", "--device", "cpu", "--json"]
    words = [sys.executable, "-m", "filmcli", "evaluate", *paths, str(broken), *asked]
    heard = []
    for more in ([], ["--cluster", nodes.address]):
        done = subprocess.run([*words, *more], capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        for line in lines:
            line.pop("text", None)  # ffprobe names an address
        heard.append(sorted(lines, key=lambda line: (line["event"], line.get("source", ""))))
    assert heard[0] == heard[1]
    assert [line["event"] for line in heard[0]] == ["error", "sequence", "sequence", "summary"]
