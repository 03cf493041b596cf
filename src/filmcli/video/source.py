"""How a file that nobody vouches for is read, and what ffprobe says of it.

Only the demuxers of real films (no playlist that could reach other files, no text drawn as video,
no still pictures), only the file protocol, and a limit on the picture's size.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, BinaryIO, cast

from filmcli.errors import InputError
from filmcli.video.process import Answer, Child, FileName, ask

MAX_PIXELS = 1 << 27
"""Largest picture that is read: 134 megapixels, four times 8K; a liar's header claims 900."""

# Demuxers of films, and of sound so that "no picture in it" can be said in so many words.
_DEMUXERS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,flv,live_flv,kux,asf,gif,apng,nut,mxf,mxg,ogg,rm,"
    "wtv,dv,h261,h263,h264,hevc,vc1,vc1test,avs2,avs3,cavsvideo,dirac,dnxhd,ivf,obu,"
    "yuv4mpegpipe,mjpeg,jpeg_pipe,swf,nsv,nuv,gxf,lxf,dhav,pva,vivo,film_cpk,wc3movie,4xm,bethsoftvid,idcin,"
    "roq,rpl,smk,bink,binka,flic,mm,mv,mvi,thp,txd,vmd,ipmovie,rl2,smjpeg,filmstrip,av1,lmlm4,ffm,mlv,cine,r3d,ifv,"
    "aac,ac3,eac3,aiff,amr,ape,au,caf,dts,flac,mp3,tak,tta,truehd,w64,wav,wv,oma"
)
# What reads other files, and what is text or a still picture; names of ffmpeg's demuxers.
_NO_FILMS = (
    *("concat", "hls", "dash", "webm_dash_manifest", "imf", "sdp", "rtsp", "rtp", "sap"),
    *("image2", "image2pipe", "ico", "tty", "bin", "xbin", "idf", "adf", "lavfi", "data"),
    *("srt", "ass", "webvtt", "sami", "scc", "stl", "lrc", "mpl2", "mpsub", "microdvd", "mcc"),
    *("pjs", "realtext", "subviewer", "subviewer1", "aqtitle", "vplayer", "tedcaptions", "sup"),
    *("vobsub", "dvbsub", "dvbtxt", "jacosub", "ffmetadata"),
)
_HEADER_LIMIT_SECONDS = 60.0
NO_FILM = "It looks like a playlist, a still picture, subtitles or text, not like a film."


def source_args() -> dict[str, str | int]:
    """ffmpeg input options (for ffmpeg-python's `input`) under which a film is safe to open."""
    return {
        "protocol_whitelist": "file",
        "format_whitelist": _DEMUXERS,
        "max_pixels": MAX_PIXELS,
    }


def source_words() -> list[str]:
    """The same as words for ffprobe."""
    return [word for key, value in source_args().items() for word in (f"-{key}", str(value))]


def no_film(path: str, why: str) -> InputError:
    """The error for a file that is no film, or none that can be read."""
    return InputError(
        f"{path} cannot be read as a film.", why, "Check that the file is a complete video."
    )


def read_report(path: str, *wanted: str) -> dict[str, Any]:
    """What ffprobe says of the file at `path`; InputError if it cannot read it."""
    args = ["ffprobe", "-hide_banner", "-v", "error", "-of", "json", *wanted, *source_words()]
    try:
        answer = ask([*args, "-i", FileName(path)], _HEADER_LIMIT_SECONDS)
    except TimeoutError as error:
        raise no_film(path, f"Its header keeps ffprobe busy for ever ({error}).") from error
    try:
        report = json.loads(answer.stdout.decode("utf-8", "replace"))
    except ValueError:
        report = {}
    if answer.code != 0 and not report.get("frames"):
        raise no_film(path, _reason(path, answer))
    return cast("dict[str, Any]", report)


def listed(
    path: str, *wanted: str, on_line: Callable[[str], None] | None = None
) -> Iterator[list[bytes]]:
    """Rows of what ffprobe lists of the file at `path`, however long that is.

    There is no limit of time while ffprobe reads on; `on_line` hears what it complains of.
    RenderError if it fails.
    """
    args = ["ffprobe", "-v", "error", "-of", "csv=p=0", *wanted, *source_words()]
    with tempfile.NamedTemporaryFile(prefix="filmcli-") as rows:
        pipe = cast(BinaryIO, rows)
        film = FileName(path)
        with Child([*args, "-i", film], output=pipe, writes=rows.name, on_line=on_line) as child:
            child.finish(f"could not list what is in {path}")
        rows.seek(0)
        for line in rows:
            if row := line.strip(b" ,\r\n"):
                yield row.split(b",")


def _reason(path: str, answer: Answer) -> str:
    words = answer.words.replace(FileName(path), "the file")
    if match := re.search(r"(?:\[(\S+) @ [^]]*\] )?Format not on whitelist", words):
        name = match[1] or "unknown"
        if name in _NO_FILMS or name.endswith("_pipe"):
            return NO_FILM
        return f"Its format, {name}, is not one of those that are read."
    return f"ffprobe says: {words}" if words else "ffprobe does not know its format."


def fraction(text: str | None) -> Fraction | None:
    """A number of ffprobe's that must be above zero to mean anything; else None."""
    try:
        value = Fraction(text or "0")
    except (ValueError, ZeroDivisionError):
        return None
    return value if value > 0 else None
