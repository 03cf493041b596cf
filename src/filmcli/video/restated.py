"""Sound whose header is stated again in mid-film, made fit for Matroska.

Live encoders do it, and joined FLV recordings. ffmpeg 5's muxer then writes over what follows its
own header, but only where it can seek back: what goes through a pipe stays whole.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import BinaryIO, cast

import ffmpeg

from filmcli.frames import VideoInfo
from filmcli.video.clock import NOT_TWICE, late_start, packet_clock
from filmcli.video.process import Child, FileName, command
from filmcli.video.source import source_args
from filmcli.video.streams import StreamPlan

_RESTATING = ("flv", "live_flv", "kux")
_MATROSKA = (".mkv", ".webm")


def stated_once(
    info: VideoInfo, plan: StreamPlan, output: str, folder: str
) -> tuple[VideoInfo, StreamPlan]:
    """The file, and the plan for it, from which the other streams go into a file like `output`.

    Where that must not be the source it is a copy of these streams in `folder`, on one clock and
    with the times that they had. RenderError if ffmpeg fails.
    """
    copied = [item for item in plan.carried if item.coder == "copy" and item.stream.codec == "aac"]
    if info.container not in _RESTATING or not output.lower().endswith(_MATROSKA) or not copied:
        return info, plan
    maps, words = [], {}
    for at, item in enumerate(plan.carried):
        turns = info.turns_of(item.stream)
        source = ffmpeg.input(
            FileName(os.path.abspath(info.path)),
            itsoffset=f"{float(late_start(turns)):.6f}",
            **source_args(),
        )
        maps.append(source[str(item.stream.index)])
        if turns:
            words[f"bsf:{at}"] = f"{packet_clock(turns)},{NOT_TWICE}"
    out = ffmpeg.output(*maps, "pipe:1", format="matroska", c="copy", **words)
    path = os.path.join(folder, "others.mkv")
    with (
        open(path, "wb") as file,
        Child(command(out, "-copyts"), output=cast(BinaryIO, file), writes=path) as child,
    ):
        child.finish(f"could not copy the sound of {info.path}")
    carried = tuple(
        replace(item, stream=replace(item.stream, index=at)) for at, item in enumerate(plan.carried)
    )
    return replace(info, path=path, turns=()), replace(plan, carried=carried)
