"""One cluster for all tests that leave it whole: its start is most of what they take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="package")
def nodes() -> Iterator[Any]:
    from tests.rays import cluster  # without Ray nobody gets as far as here

    with cluster(nodes=2) as started:
        yield started
