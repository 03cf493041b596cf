"""Real Ray clusters of several nodes on this machine, for as long as a test lasts.

with cluster(nodes=2) as nodes:          # two nodes of one core, and a head of none
    ...                                  # the test is a driver: `ray` is connected
    nodes.end(0), nodes.add()
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'filmcli[cluster]'")

from ray.cluster_utils import Cluster  # noqa: E402

from filmcli.cluster.crew import Crew  # noqa: E402
from filmcli.cluster.nodes import joined  # noqa: E402

QUIET = [
    # Ray leaves the processes that it starts to a reaper of its own, and their log files open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Nodes:
    """The nodes of a cluster; its `address` is the head's."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._words = {"include_dashboard": False, "object_store_memory": 80 << 20}
        head = {"num_cpus": 0, **self._words}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._nodes: list[Any] = []
        self.address: str = self._cluster.address

    def add(self, cores: int = 1) -> None:
        """One node more."""
        self._nodes.append(self._cluster.add_node(num_cpus=cores, **self._words))

    def end(self, number: int) -> None:
        """Kill a node: its raylet, which takes its workers with it."""
        (raylet,) = self._nodes[number].all_processes["raylet"]
        os.kill(raylet.process.pid, signal.SIGKILL)

    def end_head(self) -> None:
        """Kill what holds the cluster together."""
        (head,) = self._cluster.head_node.all_processes["gcs_server"]
        os.kill(head.process.pid, signal.SIGKILL)

    def workers(self) -> list[int]:
        """The processes of crews' workers on any of its nodes; their logs lie in its folder."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                words = Path("/proc", name, "cmdline").read_bytes()
                log = os.readlink(f"/proc/{name}/fd/1")
                if words.startswith(b"ray::Worker") and log.startswith(self._folder):
                    found.append(int(name))
        return found

    @contextmanager
    def blind(self, folder: str) -> Iterator[None]:
        """One node more, of one core, for which the folder is empty; skips where that needs root.

        It lives in a mount namespace of its own.
        """
        if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
            pytest.skip("unshare -m is not allowed here: it needs root")
        start = f"ray start --address={self.address} --num-cpus=1 --block"
        start += " --object-store-memory=83886080 --min-worker-port=0 --max-worker-port=0"
        words = ["unshare", "-m", "sh", "-c", f"mount -t tmpfs none '{folder}' && exec {start}"]
        folders = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
        env = {**os.environ, "PATH": folders}
        with subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL) as node:
            try:
                yield
            finally:
                node.terminate()

    def close(self) -> None:
        """End them all."""
        self._cluster.shutdown()


@contextmanager
def cluster(nodes: int) -> Iterator[Nodes]:
    """A cluster of so many nodes of one core, with a head of none."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # names of sockets must be short
    os.makedirs(os.path.join(folder, "ray"))
    with patch.dict(os.environ, RAY_TMPDIR=folder, OMP_NUM_THREADS="1"):
        started = Nodes(folder)
        try:
            for _ in range(nodes):
                started.add()
            yield started
        finally:
            started.close()
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def crew(nodes: Nodes, least_patience: float = 60.0) -> Iterator[Crew]:
    """All workers of a cluster, on its processors."""
    with joined(nodes.address), Crew(device="cpu", least_patience=least_patience) as workers:
        yield workers
