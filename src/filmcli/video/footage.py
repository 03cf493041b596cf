"""Short clips read whole as RGB arrays, for training and measuring.

The upsampling path never comes here: it streams native planes.
"""

from __future__ import annotations

import ffmpeg
import numpy as np
import numpy.typing as npt

from filmcli.errors import InputError


def read_rgb(path: str) -> npt.NDArray[np.uint8]:
    """Return every decoded frame of the first video stream of `path`, `(N, H, W, 3)` RGB.

    Colours are converted by ffmpeg with the stream's own matrix and range, rotation is
    not applied. Raises InputError if the file holds no video that ffmpeg can decode.
    """
    try:
        streams = ffmpeg.probe(f"file:{path}", select_streams="v:0")["streams"]
        width, height = int(streams[0]["width"]), int(streams[0]["height"])
        raw, _ = (
            ffmpeg.input(f"file:{path}", noautorotate=None)
            .output(
                "pipe:", map="0:v:0", format="rawvideo", pix_fmt="rgb24", fps_mode="passthrough"
            )
            .run(capture_stdout=True, capture_stderr=True, quiet=True)
        )
    except (ffmpeg.Error, IndexError, KeyError) as failure:
        raise InputError(
            f"'{path}' cannot be read as video.", "ffmpeg finds no picture in it.", "Leave it out."
        ) from failure
    size = width * height * 3
    return np.frombuffer(raw, np.uint8)[: len(raw) // size * size].reshape(-1, height, width, 3)
