"""What the children of `tests.forked` find done: their imports, and what ffmpeg says of itself."""

from __future__ import annotations

from contextlib import suppress

import pytest  # noqa: F401 (of the modules that hold what `prepare` calls)

import tests.forked  # noqa: F401
from filmcli.errors import MachineError
from filmcli.video.codecs import encoder_help
from filmcli.video.process import ffmpeg_version

ffmpeg_version()
for encoder in ("libx264", "libx265", "ffv1"):
    with suppress(MachineError):  # not in this ffmpeg
        encoder_help(encoder)
