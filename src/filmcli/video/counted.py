"""Raw streams: coded pictures one after the other, without a container and without times.

Their times are counted: each picture is shown for so many halves of a picture's time as the stream
says (pulldown shows some for three). ffmpeg's own count runs in whole microseconds, which at 60 fps
are 6 ms too few after 150 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from filmcli.errors import UsageError
from filmcli.frames import VideoInfo
from filmcli.timing import spell_rate
from filmcli.video.source import fraction, read_report

STILL_OR_STREAM = "jpeg_pipe"
"""What ffmpeg takes a stream of JPEG pictures for if the first is longer than a few kilobytes."""
# ffmpeg's demuxers of such streams. (Those of MPEG-4 part 2 hold times.)
_RAW = (
    *("h261", "h263", "h264", "hevc", "mpegvideo", "mjpeg", STILL_OR_STREAM, "vc1"),
    *("cavsvideo", "avs2", "avs3", "dirac", "dnxhd", "obu", "av1"),
)
_FFMPEG_GUESS, _OTHER_GUESS = Fraction(25), 12


def counted(info: VideoInfo, raw: Mapping[str, Any], in_fps: Fraction | None) -> VideoInfo:
    """The film `info` with the rate of its raw stream, which is `in_fps` if that is given.

    `raw` is what ffprobe says of the stream. Other films are given back as they are; UsageError if
    they are given a rate.
    """
    if info.container not in _RAW:
        if in_fps is not None:
            raise UsageError(
                "no rate can be set for this film",
                "its pictures have times of their own",
                "leave the rate out: it is for pictures in files of their own, and for raw streams",
            )
        return info
    told, mean = fraction(raw.get("r_frame_rate")), fraction(raw.get("avg_frame_rate"))
    by_ffmpeg = told or _FFMPEG_GUESS
    if mean and mean * 2 == by_ffmpeg:  # it counts fields
        by_ffmpeg = mean
    notices = info.notices
    if in_fps is None and told == _FFMPEG_GUESS and _is_guessed(info, told):
        words = f"{spell_rate(told)} are assumed (--in-fps says otherwise)"
        notices = (*notices, f"the stream does not name its pictures a second: {words}")
    rate = in_fps or by_ffmpeg
    return replace(info, counted=by_ffmpeg, rate=rate, duration=None, notices=notices)


def _is_guessed(info: VideoInfo, rate: Fraction) -> bool:
    """Whether ffprobe finds another rate if it is told another one to fall back to."""
    where = ("-select_streams", str(info.stream.index), "-framerate", str(_OTHER_GUESS))
    report = read_report(info.path, *where, "-show_entries", "stream=r_frame_rate")
    return fraction(report["streams"][0].get("r_frame_rate")) != rate


def count_times(info: VideoInfo, times: Iterable[Fraction]) -> Iterator[Fraction]:
    """Exact times, from 0 on, of a raw stream's pictures that ffmpeg counts to be at `times`."""
    assert info.counted is not None and info.rate is not None
    halves, last = 0, None
    for time in times:
        if last is not None:
            halves += max(1, round((time - last) * 2 * info.counted))
        last = time
        yield halves / (2 * info.rate)
