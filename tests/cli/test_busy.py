"""On a machine that has other things to do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("own", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_told_otherwise(
    own: str | None, expected: str
) -> None:
    without = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    code = (
        "import os, sys; from filmcli.cli import run; run(['--version']);"
        "assert 'torch' not in sys.modules; print(os.environ['OMP_WAIT_POLICY'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=without if own is None else {**without, "OMP_WAIT_POLICY": own},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == expected
