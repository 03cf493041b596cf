"""Cases of a test that are the slow ones."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet


def slow(*cases: object) -> list[ParameterSet]:
    """Cases that only `make test-all` tries; a tuple is a case of several values."""
    whole = (case if isinstance(case, tuple) else (case,) for case in cases)
    return [pytest.param(*values, marks=pytest.mark.slow) for values in whole]
