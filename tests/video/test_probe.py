"""What a file says of its film, and the many things that are no film."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.errors import InputError
from filmcli.frames import Layout
from filmcli.video.decode import decode
from filmcli.video.probe import probe
from tests.clips import add_sound, ffmpeg, noise, pattern, write_film

GRAY = Layout("gray", "gray")


def refusal(path: str) -> InputError:
    """The error that probing `path` ends with, which must come at once and in three sentences."""
    started = time.monotonic()
    with pytest.raises(InputError) as caught:
        probe(path)
    assert time.monotonic() - started < 5  # 0.1 s on an idle machine
    assert all((caught.value.what, caught.value.why, caught.value.do))
    return caught.value


def test_facts_of_a_film_with_everything(tmp_path: Path) -> None:
    film = pattern(
        tmp_path / "film.mp4", 1, "-colorspace", "bt709", "-color_primaries", "bt709",
        "-color_trc", "bt709", "-color_range", "tv", rate="24000/1001",
        filters="format=yuv420p,setsar=4/3",
    )  # fmt: skip
    source = add_sound(tmp_path / "in.mkv", film, delays=(0, 0), subtitles=True, chapters=True)
    info = probe(source)
    assert (info.width, info.height, info.layout.pix_fmt) == (128, 96, "yuv420p")
    color = info.color
    assert (color.matrix, color.primaries, color.transfer, color.range) == (*["bt709"] * 3, "tv")
    assert info.sample_aspect_ratio == Fraction(4, 3)
    assert [s.kind for s in info.streams] == ["video", "audio", "audio", "subtitle"]
    assert [s.language for s in info.streams[1:]] == ["eng", "fra", "ita"]
    assert not info.interlaced
    assert not info.color.is_hdr


def test_untagged_stays_untagged(tmp_path: Path) -> None:
    color = probe(pattern(tmp_path / "in.mp4", 0.2)).color
    assert (color.matrix, color.primaries, color.transfer, color.range) == (None,) * 4


def test_hdr_metadata_is_read_in_the_encoders_words(tmp_path: Path) -> None:
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    params = f"log-level=error:hdr10=1:repeat-headers=1:master-display={display}:max-cll=1000,400"
    codec = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", params)
    tags = ("-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc")
    ten_bits = "format=yuv420p10le"
    info = probe(pattern(tmp_path / "in.mkv", 0.2, *tags, filters=ten_bits, codec=codec))
    assert info.color.is_hdr
    assert dict(info.hdr_side_data) == {"master-display": display, "max-cll": "1000,400"}


def test_the_cover_is_not_the_film_and_the_default_video_is(tmp_path: Path) -> None:
    cover = tmp_path / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", cover)
    small = pattern(tmp_path / "small.mp4", 0.5, size="64x48")
    large = pattern(tmp_path / "large.mp4", 0.5, size="128x96")
    both = tmp_path / "both.mkv"
    ffmpeg(
        "-i", small, "-i", large, "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v:0", "0", "-disposition:v:1", "default", both,
    )  # fmt: skip
    assert probe(str(both)).width == 128
    covered = tmp_path / "covered.mp4"
    ffmpeg(
        "-i", cover, "-i", small, "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v:0", "attached_pic", covered,
    )  # fmt: skip
    info = probe(str(covered))
    assert info.width == 64
    assert sum(stream.is_attached_picture for stream in info.streams) == 1
    sound = tmp_path / "sound.m4a"
    ffmpeg(
        "-i", cover, "-f", "lavfi", "-i", "sine=d=0.2", "-map", "0", "-map", "1", "-c:v", "copy",
        "-disposition:v:0", "attached_pic", sound,
    )  # fmt: skip
    assert "no video stream" in refusal(str(sound)).why


def test_what_is_no_film_is_refused_in_words(tmp_path: Path) -> None:
    assert "No such file" in refusal(str(tmp_path / "missing.mp4")).why
    assert "folder" in refusal(str(tmp_path)).why
    (empty := tmp_path / "empty.mp4").touch()
    assert "empty" in refusal(str(empty)).why
    for name in ("text.txt", "text.mp4", "text.ans"):
        (tmp_path / name).write_text("Not a film.\n" * 400)
        refusal(str(tmp_path / name))
    (tmp_path / "noise.mp4").write_bytes(os.urandom(10_000))
    refusal(str(tmp_path / "noise.mp4"))
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.2", sound := tmp_path / "sound.wav")
    assert "no video stream" in refusal(str(sound)).why
    for still in ("still.png", "still.jpg", "still.bmp"):
        ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", tmp_path / still)
        assert "still picture" in refusal(str(tmp_path / still)).why
    os.mkfifo(pipe := tmp_path / "pipe.mp4")
    assert "regular" in refusal(str(pipe)).why
    for word in ("/dev/zero", "http://127.0.0.1:9/film.mp4", "concat:a.mp4|b.mp4", "-", "a\0b"):
        refusal(word)


def test_a_playlist_in_disguise_reaches_no_other_file(tmp_path: Path) -> None:
    film = pattern(tmp_path / "film.mp4", 0.5)
    lists = {
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n",
        "concat.mp4": f"ffconcat version 1.0\nfile '{film}'\n",
        "film.sdp": "v=0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    }
    for name, words in lists.items():
        (tmp_path / name).write_text(words)
        refusal(str(tmp_path / name))


def test_a_truncated_header_is_refused_and_a_liar_about_its_size_too(tmp_path: Path) -> None:
    film = Path(pattern(tmp_path / "in.mp4", 0.5))
    (cut := tmp_path / "cut.mp4").write_bytes(film.read_bytes()[:3000])
    refusal(str(cut))
    huge = Path(write_film(tmp_path / "in.avi", noise(GRAY, 16, 16, 2), GRAY, 24,
                           ("-c:v", "rawvideo")))  # fmt: skip
    bytes_ = bytearray(huge.read_bytes())
    for at in range(len(bytes_) - 8):
        if bytes_[at : at + 8] == (16).to_bytes(4, "little") * 2:
            bytes_[at : at + 8] = (30000).to_bytes(4, "little") * 2
    huge.write_bytes(bytes_)
    refusal(str(huge))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_right_to_read_is_said(tmp_path: Path) -> None:
    film = Path(pattern(tmp_path / "in.mp4", 0.2))
    film.chmod(0)
    assert "ermission" in refusal(str(film)).why


@pytest.mark.parametrize(
    "name",
    [b"a:b.mp4", b"-x.mp4", b"100%d.mp4", b"two\nlines.mp4", b"it's \"q\".mp4", b"\xff\xfe.mp4",
     b"[v];,=.mp4", b"pipe:1.mp4", b"sp ace.mp4", "ü✓.mp4".encode()],
)  # fmt: skip
def test_any_name_will_do(tmp_path: Path, name: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern(tmp_path / "plain.mp4", 0.2)
    os.rename(tmp_path / "plain.mp4", os.path.join(os.fsencode(tmp_path), name))
    monkeypatch.chdir(tmp_path)
    info = probe(os.fsdecode(name))
    assert len(list(decode(info))) == 5


def test_without_ffmpeg_the_machine_is_to_blame(tmp_path: Path) -> None:
    code = (
        "from filmcli.video.probe import probe\n"
        "from filmcli.errors import MachineError\n"
        "try: probe(__import__('sys').argv[1])\n"
        "except MachineError as error: print(error.do)"
    )
    (tmp_path / "a.mp4").write_bytes(b"x")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.mp4")],
        env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "apt-get install ffmpeg" in done.stdout
