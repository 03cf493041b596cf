"""On a machine that has other things to do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("own", "expected"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
)
def test_threads_soon_sleep_while_they_wait_unless_told_otherwise(
    own: dict[str, str], expected: str
) -> None:
    told = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    without = {name: value for name, value in os.environ.items() if name not in told}
    code = (
        "import os, sys; from filmcli.cli import run; run(['--version']);"
        "assert 'torch' not in sys.modules; print(os.environ.get('GOMP_SPINCOUNT'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**without, **own},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == expected
