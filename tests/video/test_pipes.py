"""A child is fed and read alike whether pipes can be asked, or only block as on Windows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filmcli.video import process
from filmcli.video.process import Child

MANY = 3 << 20  # more than any pipe holds


@pytest.fixture(params=["asked", "blocking"])
def child(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Child]:
    if request.param == "blocking":
        monkeypatch.setattr(process, "open_wide", lambda pipe: os.set_blocking(pipe.fileno(), True))
    return Child


def test_all_that_is_written_arrives(child: type[Child], tmp_path: Path) -> None:
    sent = os.urandom(MANY)
    with (tmp_path / "got").open("wb") as got, child(["cat"], stdin=True, output=got) as cat:
        cat.write(sent)
        cat.finish("could not copy")
    assert (tmp_path / "got").read_bytes() == sent


def test_all_that_is_said_is_read(child: type[Child], tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(os.urandom(MANY))
    buffer = bytearray(MANY + 1)
    with child(["cat", str(tmp_path / "sent")], stdout=True) as cat:
        assert cat.read_into(memoryview(buffer)) == MANY
    assert buffer[:-1] == (tmp_path / "sent").read_bytes()
