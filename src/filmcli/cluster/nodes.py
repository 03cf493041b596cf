"""The cluster: joined or started on this machine, and the places for workers in it."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

# Nobody is told of us; and where a node offers no GPU, CUDA sees none.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # the crew handles them

import ray
from ray.exceptions import RayError

from filmcli.cluster.scratch import scratch, sweep
from filmcli.errors import MachineError, UsageError

LOCAL, AUTO = "local", "auto"

_KNOCK_SECONDS = 10
_STORE_BYTES = 512 << 20
_LONGEST_FOLDER = 45  # Ray puts sockets into it, whose names have 107 bytes at most
_CORES = 1  # a worker's: two of one core made 10.3 frames a second, one of two cores 7.4
_WORKER_BYTES = 2 << 30  # 1080p takes 1.4 GiB, in bfloat16


class Place(NamedTuple):
    """Room for one worker: a GPU, or some cores, of a node with this id and name."""

    node: str
    name: str
    number: int
    gpus: int
    cores: int


@contextmanager
def joined(cluster: str) -> Iterator[None]:
    """Be part of the cluster that `cluster` names while the `with` lasts.

    "local" starts one on this machine and ends it; "auto" is the one that runs here or that
    RAY_ADDRESS names; else it is a head's address. Raises MachineError if there is none.
    """
    if "://" in cluster:
        raise UsageError(
            f"--cluster {cluster} makes no sense",
            "a Ray client cannot hold a film's work",
            "run filmcli on a node of the cluster, with --cluster auto",
        )
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    with _ray_folder() if cluster == LOCAL else nullcontext("") as folder:
        own = {
            "num_cpus": cores_here(),
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
            "_temp_dir": folder,
        }
        # Ray takes SIGTERM for itself.
        terminate = signal.getsignal(signal.SIGTERM)
        try:
            _knock(cluster)
            words: dict[str, Any] = own if cluster == LOCAL else {"address": cluster}
            ray.init(**words, **quiet)
        except (OSError, RuntimeError, ValueError, RayError) as error:
            raise MachineError(
                f"cannot join the cluster {cluster}",
                str(error).strip().split("\n")[0],
                "start one: ray start --head; on other machines: ray start --address=HEAD:6379",
            ) from error
        finally:
            signal.signal(signal.SIGTERM, terminate)
        _hush()
        try:
            yield
        finally:
            ray.shutdown()


def _knock(cluster: str) -> None:
    """Raise OSError or ValueError at once where nobody answers: Ray tries for minutes."""
    address = os.environ.get("RAY_ADDRESS", "") if cluster == AUTO else cluster
    if address and address != LOCAL:
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), _KNOCK_SECONDS).close()


def _hush() -> None:
    """Keep Ray from printing a dead node's last logs: the crew says what is to be said, once."""
    # There is no setting for it; where the name is another, Ray only talks.
    ray._private.worker.print_to_stdstream = lambda *_, **__: None


@contextmanager
def _ray_folder() -> Iterator[str]:
    """Where a cluster of our own keeps its sockets and logs; it goes with us."""
    parent = tempfile.gettempdir()
    sweep()
    with scratch(None if len(parent) < _LONGEST_FOLDER // 2 else "/tmp") as folder:
        yield folder


def cores_here() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def places(device: str) -> list[Place]:
    """Every place there is now, by nodes: GPUs if there are any and `device` allows them."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    with_gpus = device != "cpu" and any(_gpus(node) for node in nodes)
    return [place for node in nodes for place in _places_of(node, with_gpus)]


def _gpus(node: dict[str, Any]) -> int:
    return int(node["Resources"].get("GPU", 0))


def _places_of(node: dict[str, Any], with_gpus: bool) -> Iterator[Place]:
    name = f"{node['NodeManagerHostname']}:{node['NodeID'][:6]}"
    cores = int(node["Resources"].get("CPU", 0))
    if with_gpus:
        for number in range(_gpus(node)):
            yield Place(node["NodeID"], name, number, 1, min(1, cores))
        return
    room = int(node["Resources"].get("memory", 0)) // _WORKER_BYTES
    for number in range(min(cores // _CORES, max(room, 1))):
        yield Place(node["NodeID"], name, number, 0, _CORES)
