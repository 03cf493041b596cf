"""filmcli turns a choppy film into a smooth one: `filmcli.upsample("in.mp4", fps=60)`.

Importing it costs nothing: what a name needs (torch takes seconds) is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from filmcli import errors
from filmcli.errors import FilmcliError

if TYPE_CHECKING:
    from filmcli.api import probe, upsample
    from filmcli.frames import Color, VideoInfo
    from filmcli.interpolation import Interpolator
    from filmcli.pipeline.making import Progress
    from filmcli.pipeline.upsample import Result

__version__ = "0.2.0"

__all__ = [
    "Color",
    "FilmcliError",
    "Interpolator",
    "Progress",
    "Result",
    "VideoInfo",
    "errors",
    "probe",
    "upsample",
]

_HOMES = {
    "Color": "filmcli.frames",
    "Interpolator": "filmcli.interpolation",
    "Progress": "filmcli.pipeline.making",
    "Result": "filmcli.pipeline.upsample",
    "VideoInfo": "filmcli.frames",
    "probe": "filmcli.api",
    "upsample": "filmcli.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'filmcli' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
