"""A film is known by its content, not by its name."""

from __future__ import annotations

import os
from pathlib import Path

from filmcli.video.fingerprint import fingerprint


def test_fingerprint_follows_content_and_settings_not_names(tmp_path: Path) -> None:
    one, two = tmp_path / "one.mp4", tmp_path / "two.mp4"
    content = os.urandom(6 << 20)
    one.write_bytes(content)
    two.write_bytes(content)
    key = fingerprint(str(one), {"fps": "60"})
    assert key == fingerprint(str(two), {"fps": "60"})
    assert key != fingerprint(str(one), {"fps": "59.94"})
    two.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert key != fingerprint(str(two), {"fps": "60"})


def test_fingerprint_of_a_tiny_file(tmp_path: Path) -> None:
    path = tmp_path / "tiny"
    path.write_bytes(b"x")
    assert len(fingerprint(str(path), {})) == 16
