"""`filmcli doctor` on this machine, and on one without ffmpeg."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from filmcli.errors import MachineError
from filmcli.network.weights import load


def doctor(*args: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({} if path is None else {"PATH": path})}
    command = [sys.executable, "-m", "filmcli", "doctor", *args]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=300
    )


def weights_sha256() -> str | None:
    try:
        return load().sha256
    except MachineError:
        return None


def test_a_machine_that_runs_these_tests_is_well() -> None:
    done = doctor("--json")
    told: dict[str, Any] = json.loads(done.stdout)
    checks = {check["name"]: check for check in told["checks"]}
    for name in ("ffmpeg", "ffprobe", "x264", "ffv1", "engines", "devices", "space"):
        assert checks[name]["ok"], checks[name]
        assert checks[name]["do"] == ""
    assert "cpu" in checks["devices"]["found"]
    assert "float" in checks["devices"]["found"]
    sha256 = weights_sha256()
    assert checks["weights"]["ok"] == (sha256 is not None)
    assert sha256 is None or sha256 in checks["weights"]["found"]
    assert told["ok"] == (sha256 is not None)
    assert done.returncode == (0 if told["ok"] else 5)


def test_without_ffmpeg_the_fix_is_named_and_the_exit_code_is_five(tmp_path: Path) -> None:
    done = doctor(path=str(tmp_path))
    assert done.returncode == 5 and "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    missing = next(k for k, line in enumerate(lines) if "ffmpeg" in line)
    assert lines[missing].startswith("MISSING") and "apt-get install ffmpeg" in lines[missing + 1]
    assert any(line.startswith("ok") and "devices" in line for line in lines)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_card_is_named_with_its_memory_precision_and_driver() -> None:
    checks = {check["name"]: check for check in json.loads(doctor("--json").stdout)["checks"]}
    told = checks["devices"]["found"]
    name = re.escape(torch.cuda.get_device_name(0))
    assert re.search(rf"cuda:0 {name} \([0-9.]+ GiB, (float16|float32)\)", told)
    assert re.search(r"NVIDIA's driver [0-9.]+$", told)
    assert "decoding by cuda" in checks["engines"]["found"]
