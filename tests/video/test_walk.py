"""A walk over the containers and codecs that ffmpeg writes: each film read right, by another eye.

For each, a film of a few pictures, with sound where there can be some, is made twice as fast and
compared with what ffmpeg and ffprobe say of the source by themselves.
"""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from tests.clips import ffmpeg, ffprobe, hashes
from tests.forked import run

PICTURES = 5
PCM, MP3 = "pcm_s16le", "mp3 -ar 44100"
PAL = "pcm_s16le -ar 48000 -ac 2"
# Ending, words for the video, words for the sound ("" for none), and more: size, rate.
WALK: list[tuple[str, ...]] = [
    *((ending, "libx264", "aac") for ending in ("mp4", "mov", "m4v", "mkv", "3gp", "3g2", "flv")),
    *((ending, "libx264", "aac") for ending in ("f4v", "ts", "nut", "ismv")),
    ("m2ts", "libx264", "ac3"),
    ("avi", "libx264", MP3),
    ("asf", "libx264", "wmav2"),
    ("wtv", "libx264", "mp2"),
    ("mkv", "libx264rgb", "flac"),
    ("mp4", "libx265 -tag:v hvc1", "aac"),
    ("ts", "libx265", "aac"),
    *((ending, "mpeg2video -bf 2", "mp2") for ending in ("mpg", "vob", "ts", "mkv", "mp4", "avi")),
    *((ending, "mpeg2video -bf 2", "mp2") for ending in ("wtv", "m2ts")),
    ("mov", "mpeg2video -bf 2", PCM),
    ("mxf", "mpeg2video -bf 2", PAL),
    ("mpg", "mpeg1video", "mp2"),
    ("mp4", "mpeg4 -bf 2", "aac"),
    ("avi", "mpeg4", PCM),
    ("avi", "mpeg1video", "mp2"),
    ("mp4", "libaom-av1 -cpu-used 8", "libopus"),
    ("mkv", "libsvtav1 -preset 12", "libopus", "64x64"),
    ("webm", "libaom-av1 -cpu-used 8", "libopus"),
    ("webm", "libvpx", "libvorbis"),
    ("webm", "libvpx-vp9", "libopus"),
    ("ivf", "libvpx", ""),
    ("ivf", "libvpx-vp9", ""),
    ("ogv", "libtheora", "libvorbis"),
    ("wmv", "wmv2", "wmav2"),
    ("asf", "wmv1", "wmav1"),
    ("wmv", "msmpeg4", "wmav2"),
    ("rm", "rv10", "ac3", "176x144"),
    ("rm", "rv20", "ac3", "176x144"),
    ("flv", "flv", MP3),
    ("flv", "flashsv", MP3),
    ("3gp", "h263", "aac", "176x144"),
    ("mov", "svq1", "alac"),
    ("mov", "qtrle", PCM),
    ("mov", "rpza", PCM),
    ("mov", "prores_ks", PCM),
    ("mxf", "jpeg2000", PAL),
    ("mov", "dnxhd -profile:v dnxhr_hq -pix_fmt yuv422p", PCM, "256x128"),
    ("mov", "cfhd", PCM, "64x64"),
    ("mov", "png", PCM),
    ("mov", "v210", PCM),
    ("mov", "rawvideo -pix_fmt uyvy422", PCM),
    ("avi", "huffyuv", PCM),
    ("avi", "utvideo", PCM),
    ("avi", "cinepak", PCM),
    ("avi", "msvideo1", PCM),
    ("avi", "mjpeg -pix_fmt yuvj420p", PCM),
    ("avi", "rawvideo -pix_fmt bgr24", PCM),
    ("avi", "zmbv -pix_fmt bgr0", PCM),
    ("avi", "asv2", PCM),
    ("mkv", "magicyuv", PCM),
    ("mkv", "snow -strict -2", PCM),
    ("mkv", "vc2 -b:v 4M", PCM),
    ("mkv", "ffv1 -pix_fmt yuv420p16le", PCM),
    ("mkv", "ffvhuff", PCM),
    ("y4m", "wrapped_avframe", ""),
    ("apng", "apng", ""),
    ("m4v", "mpeg4 -f m4v", ""),
    ("h264", "libx264", ""),
    ("hevc", "libx265", ""),
    ("m2v", "mpeg2video", ""),
    ("obu", "libaom-av1 -cpu-used 8", ""),
    ("mjpeg", "mjpeg -pix_fmt yuvj420p", "", "640x480"),
    ("gxf", "mpeg2video -bf 2", "pcm_s16le -ar 48000 -ac 1", "720x576"),
]


def write(path: Path, video: str, sound: str, size: str) -> str:
    """The film; skips where this ffmpeg lacks the encoder."""
    codec, *words = video.split()
    known = subprocess.run(["ffmpeg", "-encoders"], capture_output=True, check=True).stdout.decode()
    if not re.search(rf" {codec} ", known):
        pytest.skip(f"this ffmpeg has no {codec}")
    seconds = PICTURES / 25
    inputs = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}"]
    if sound:
        inputs += ["-f", "lavfi", "-i", f"sine=d={seconds}"]
        words += ["-c:a", *sound.split()]
    if codec == "libx265":
        words += ["-x265-params", "log-level=error"]
    ffmpeg(*inputs, "-c:v", codec, *words, path)
    return path.name


def decoded(path: Path, pix_fmt: str) -> bytes:
    """All pictures by ffmpeg alone, chroma repeated where there is more room for it."""
    flags = "neighbor+accurate_rnd+full_chroma_inp+full_chroma_int+bitexact"
    words = ("-map", "0:v:0", "-fps_mode", "passthrough", "-sws_flags", flags)
    return ffmpeg("-i", f"file:{path}", *words, "-f", "rawvideo", "-pix_fmt", pix_fmt, "-")


@pytest.mark.slow
@pytest.mark.parametrize("film", WALK, ids=lambda film: f"{film[1].split()[0]}.{film[0]}")
def test_every_container_and_codec_is_read_right(tmp_path: Path, film: tuple[str, ...]) -> None:
    ending, video, sound, *more = film
    source, output = tmp_path / f"in.{ending}", tmp_path / "out.mkv"
    write(source, video, sound, more[0] if more else "64x48")
    done = run(["upsample", source.name, "-o", "out.mkv", "-c", "ffv1", "--cuts", "off"], tmp_path)
    assert done.code == 0, done.stderr
    frames = len(ffprobe(source, "frame=pict_type", "-select_streams", "v:0"))
    assert frames == PICTURES
    times = [float(row[0]) for row in ffprobe(output, "frame=pts_time", "-select_streams", "v:0")]
    rate = 2 * Fraction(25)
    assert times == pytest.approx([times[0] + float(k / rate) for k in range(2 * frames)], abs=1e-3)
    (pix_fmt,) = ffprobe(output, "stream=pix_fmt", "-select_streams", "v:0")[0]
    pix_fmt = pix_fmt.replace("bgr0", "rgb24")  # the fourth byte means nothing
    if ffprobe(source, "stream=pix_fmt", "-select_streams", "v:0")[0][0].startswith("yuvj"):
        pix_fmt = pix_fmt.replace("yuv", "yuvj")  # full range, by its old names
    made, truth = decoded(output, pix_fmt), decoded(source, pix_fmt)
    size = len(truth) // frames
    assert b"".join(made[2 * k * size :][:size] for k in range(frames)) == truth
    kinds = [kind for (kind,) in ffprobe(output, "stream=codec_type")]
    assert kinds == ["video", "audio"][: 1 + bool(sound)]
    if sound and "converted" not in done.stderr:
        # In Matroska AAC has no header of its own before each packet, as in a transport stream.
        assert hashes(output) == hashes(source) or ending == "ts"
