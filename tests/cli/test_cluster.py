"""`--cluster` in words: what it needs, what it cannot do, and who the workers are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from filmcli.cli.cluster import crew_of
from filmcli.errors import MachineError, UsageError
from tests.clips import pattern
from tests.forked import run


def test_without_ray_the_way_to_install_it_is_said(tmp_path: Path) -> None:
    film = pattern(tmp_path / "in.mp4", 0.5, size="32x32")
    code = (
        "import sys; sys.modules['ray'] = None;"
        "from filmcli.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", code, "upsample", film, "--cluster", "local"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert done.stderr.splitlines()[-3:] == [
        "error: --cluster needs Ray",
        "       it is not installed",
        "       pip install 'filmcli[cluster]'",
    ]


def test_standard_output_and_one_device_are_refused(tmp_path: Path) -> None:
    done = run(["upsample", "in.mp4", "--cluster", "local", "-o", "-"], tmp_path)
    assert done.code == 2 and "does not write to standard output" in done.stderr
    with pytest.raises(UsageError, match="names one device"), crew_of("local", "cuda:1"):
        pass


def test_a_cluster_that_is_not_there_is_said(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    pattern(tmp_path / "in.mp4", 0.5, size="32x32")
    done = run(["upsample", "in.mp4", "--cluster", "ray://127.0.0.1:1"], tmp_path)
    assert done.code == 2 and "run filmcli on a node" in done.stderr
    with (
        pytest.raises(MachineError, match="cannot join the cluster"),
        crew_of("127.0.0.1:1"),
    ):
        pass
