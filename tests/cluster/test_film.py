"""A film made by many is the film made by one, whatever befalls the many in the middle of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filmcli.pipeline.making import Progress
from filmcli.pipeline.request import Settings
from filmcli.pipeline.upsample import Event, upsample
from tests.clips import ffmpeg
from tests.rays import QUIET, Nodes, cluster, crew

from filmcli.pipeline.cluster import Far  # isort: skip (Ray is there)

pytestmark = QUIET

SCENES = 6


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with cluster(nodes=2) as started:
        yield started


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Six scenes, of two colours by turns; made, a segment takes a second or so."""
    path = tmp_path_factory.mktemp("film") / "in.mp4"
    shots = [
        f"{'testsrc2' if k % 2 else 'mandelbrot'}=size=64x48:rate=24,trim=duration=1.5,"
        f"hue=h={60 * k}[{k}]"
        for k in range(SCENES)
    ]
    joined = "".join(f"[{k}]" for k in range(SCENES)) + f"concat=n={SCENES},format=yuv420p"
    graph = ";".join([*shots, joined])
    ffmpeg("-filter_complex", graph, "-c:v", "libx264", "-preset", "ultrafast", path)
    return str(path)


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
    nodes: Nodes, film: str, alone: bytes, tmp_path: Path
) -> None:
    """Begun by one process, gone on with by two nodes, ended by one process."""
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
    assert Path(str(settings.output)).read_bytes() == alone
    assert os.listdir(tmp_path) == ["out.mp4"]


def workers_now() -> list[int]:
    """The processes that are workers, of whatever node."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            continue
        if words.startswith(b"ray::Worker"):
            found.append(int(name))
    return found


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
                os.kill(workers_now()[0], how)

        def unharmed(event: Event) -> None:
            strike(event)
            if len(struck) == 1 and struck[0][0].exists():
                assert struck[0][0].stat() == struck[0][1]

        with crew(nodes, least_patience=4) as workers:
            upsample(film, Settings(fps="60", output=str(output)), unharmed, Far(workers))
        assert output.read_bytes() == alone
        told = [record.getMessage() for record in caplog.records]
        assert sum("is made again" in line for line in told) == 1
        assert workers_now() == []
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
    until = time.monotonic() + 30
    while workers_now() and time.monotonic() < until:  # Ray ends those of a killed driver
        time.sleep(0.2)
    assert workers_now() == []
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert output.read_bytes() == alone
    heard = [json.loads(line) for line in done.stdout.splitlines()]
    first = next(line for line in heard if line["event"] == "progress")
    assert first["done"] >= 90 * len(kept)  # 1.5 s of 60 fps each
    assert os.listdir(tmp_path) == ["out.mp4"]


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
            copies = list(Path(tempfile.gettempdir()).glob("filmcli-*/shared-*/film.mp4"))
            assert [copy.read_bytes() for copy in copies] == [Path(film).read_bytes()]
    assert not list(Path(tempfile.gettempdir()).glob("filmcli-*"))
    assert len(names) == 1
    assert output.read_bytes() == alone
