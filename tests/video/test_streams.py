"""All that lies in a film beside its picture: carried, converted with a notice, or named."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.video.codecs import Encoding
from filmcli.video.probe import probe
from tests.clips import ffmpeg, ffprobe, hashes, pattern
from tests.video.remake import FAST, remake

RATE = Fraction(30)
SLOW = pytest.mark.slow
SRT = "1\n00:00:00,100 --> 00:00:00,400\nA line of words.\n"
WEBM = Encoding("libvpx", ffmpeg_args=("-deadline", "realtime", "-cpu-used", "8"))
FLAGS = "default,forced,comment,hearing_impaired,original"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Half a second of picture, with which the other streams are put together."""
    return pattern(tmp_path_factory.mktemp("film") / "film.mp4", 0.5, size="64x48")


def mux(path: Path, film: str, inputs: Sequence[str | Path], *words: str | Path) -> str:
    """The film and all streams of the other `inputs` in one file."""
    listed = [word for name in inputs for word in ("-i", name)]
    maps = [word for at in range(len(inputs) + 1) for word in ("-map", str(at))]
    ffmpeg("-i", film, *listed, *maps, "-c", "copy", *words, path)
    return str(path)


def flags(path: str | Path, kind: str) -> list[list[str]]:
    """The dispositions of every stream of a kind."""
    names = FLAGS.split(",")
    return [
        [name for name, flag in zip(names, row, strict=True) if flag == "1"]
        for row in ffprobe(path, f"stream_disposition={FLAGS}", "-select_streams", kind)
    ]


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_every_sound_keeps_bits_language_title_and_flags(
    tmp_path: Path, film: str, ending: str
) -> None:
    tone = tmp_path / "tone.mka"
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.5", "-f", "lavfi", "-i", "sine=f=880:d=0.5",
           "-f", "lavfi", "-i", "sine=f=220:d=0.5", "-map", "0", "-map", "1", "-map", "2",
           "-c:a:0", "aac", "-c:a:1", "ac3", "-c:a:2", "flac", tone)  # fmt: skip
    words = ("-disposition:a:0", "0", "-disposition:a:1", "default", "-disposition:a:2", "comment",
             "-metadata:s:a:0", "language=fra", "-metadata:s:a:1", "language=jpn",
             "-metadata:s:a:2", "language=eng", "-strict", "experimental")  # fmt: skip
    source = mux(tmp_path / f"in{ending}", film, [tone], *words)
    output = tmp_path / f"out{ending}"
    _, plan = remake(source, output, RATE)
    assert plan.notices == ()
    assert hashes(output) == hashes(source)
    assert [s.language for s in probe(str(output)).streams[1:]] == ["fra", "jpn", "eng"]
    assert flags(output, "a") == flags(source, "a")
    assert ["default"] in flags(output, "a") and ["comment"] in flags(output, "a")


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_sound_is_copied_bit_for_bit(tmp_path: Path, film: str, ending: str) -> None:
    tones = []
    for codec in ("aac", "libmp3lame", "ac3", "eac3", "libopus", "flac", "alac"):
        tones.append(tmp_path / f"{codec}.mkv")
        tone = "sine=d=0.5:sample_rate=48000"
        ffmpeg("-f", "lavfi", "-i", tone, "-c:a", codec, tones[-1])
    source = mux(tmp_path / "in.mkv", film, tones)
    _, plan = remake(source, tmp_path / f"out{ending}", RATE)
    assert plan.notices == ()
    assert len(hashes(source)) == 7
    assert hashes(tmp_path / f"out{ending}") == hashes(source)


def picture_subtitle() -> bytes:
    """A PGS stream of one 8x2 picture, shown at 0.1 s and taken away at 0.4 s."""

    def part(kind: int, seconds: float, body: bytes) -> bytes:
        return b"PG" + struct.pack(">IIBH", int(seconds * 90000), 0, kind, len(body)) + body

    lines = b"\x00\x88\x01\x00\x00" * 2
    place = struct.pack(">HBBHH", 0, 0, 0, 4, 4)
    window = b"\x01" + struct.pack(">BHHHH", 0, 4, 4, 8, 2)
    shape = struct.pack(">HBBBHHH", 0, 0, 0xC0, 0, len(lines) + 4, 8, 2)

    def screen(number: int, state: int, body: bytes) -> bytes:
        head = struct.pack(">HHBHBBBB", 64, 48, 0x10, number, state, 0, 0, bool(body))
        return head + body

    return b"".join([
        part(0x16, 0.1, screen(0, 0x80, place)), part(0x17, 0.1, window),
        part(0x14, 0.1, b"\x00\x00\x01\xeb\x80\x80\xff"), part(0x15, 0.1, shape + lines),
        part(0x80, 0.1, b""), part(0x16, 0.4, screen(1, 0, b"")), part(0x17, 0.4, window),
        part(0x80, 0.4, b""),
    ])  # fmt: skip


def subtitle(folder: Path, kind: str) -> Path:
    """A file with one subtitle of the kind."""
    path = folder / f"words.{kind}"
    if kind == "sup":
        path.write_bytes(picture_subtitle())
    else:
        (folder / "words.txt").write_text(SRT)
        coder = ("-c:s", "mov_text") if kind == "mp4" else ()
        ffmpeg("-f", "srt", "-i", folder / "words.txt", *coder, path)
    return path


@pytest.mark.parametrize(
    ("kind", "holder", "ending", "codec", "said"),
    [
        pytest.param("srt", ".mkv", ".mkv", "subrip", None, marks=SLOW),
        pytest.param("ass", ".mkv", ".mkv", "ass", None, marks=SLOW),
        pytest.param("vtt", ".mkv", ".mkv", "webvtt", None, marks=SLOW),
        ("sup", ".mkv", ".mkv", "hdmv_pgs_subtitle", None),
        pytest.param("mp4", ".mp4", ".mp4", "mov_text", None, marks=SLOW),
        ("mp4", ".mp4", ".mkv", "subrip", "converted to srt"),
        ("srt", ".mkv", ".mp4", "mov_text", "converted to mov_text"),
        pytest.param(
            "ass", ".mkv", ".mp4", "mov_text", "converted to mov_text", marks=pytest.mark.slow
        ),
        pytest.param(
            "vtt", ".mkv", ".mov", "mov_text", "converted to mov_text", marks=pytest.mark.slow
        ),
        ("sup", ".mkv", ".mp4", None, "dropped"),
        pytest.param(
            "srt", ".mkv", ".webm", "webvtt", "converted to webvtt", marks=pytest.mark.slow
        ),
    ],
)
def test_subtitles_go_where_the_container_lets_them(
    tmp_path: Path,
    film: str,
    kind: str,
    holder: str,
    ending: str,
    codec: str | None,
    said: str | None,
) -> None:
    words = ("-metadata:s:s:0", "language=ita", "-disposition:s:0", "forced")
    source = mux(tmp_path / f"in{holder}", film, [subtitle(tmp_path, kind)], *words)
    output = tmp_path / f"out{ending}"
    encoding = WEBM if ending == ".webm" else FAST
    _, plan = remake(source, output, RATE, encoding)
    found = [s for s in probe(str(output)).streams if s.kind == "subtitle"]
    assert [s.codec for s in found] == ([codec] if codec else [])
    assert [s.language for s in found] == (["ita"] if codec else [])
    assert bool(plan.notices) == bool(said)
    if said:
        assert said in plan.notices[0]
    if codec and not said:
        assert hashes(output, "s") == hashes(source, "s")
        assert flags(output, "s") == flags(source, "s")
    if said and codec:
        text = ffmpeg("-i", output, "-map", "0:s", "-f", "srt", "-").decode()
        assert "A line of words." in text and "00:00:00,1" in text


def test_attachments_that_do_not_fit_are_named(tmp_path: Path, film: str) -> None:
    (font := tmp_path / "font.ttf").write_bytes(b"not really a font")
    attach = ("-attach", font, "-metadata:s:t", "mimetype=application/x-truetype-font")
    source = mux(tmp_path / "in.mkv", film, [], *attach)
    _, plan = remake(source, tmp_path / "out.mp4", RATE)
    assert len(plan.notices) == 1
    assert "attachment" in plan.notices[0] and "dropped" in plan.notices[0]


@pytest.mark.parametrize("ending", [".mov", ".mkv"])
def test_a_track_of_time_codes_is_named_and_breaks_nothing(tmp_path: Path, ending: str) -> None:
    source = pattern(tmp_path / "in.mov", 0.5, "-timecode", "01:00:00:00", size="64x48")
    assert [s.kind for s in probe(source).streams] == ["video", "data"]
    _, plan = remake(source, tmp_path / f"out{ending}", RATE)
    assert len(plan.notices) == 1 and "data stream 1" in plan.notices[0]


def test_a_second_film_in_the_file_is_copied(tmp_path: Path, film: str) -> None:
    other = pattern(tmp_path / "other.mp4", 0.5, size="96x64")
    chosen = ("-disposition:v:0", "0", "-disposition:v:1", "default")
    source = mux(tmp_path / "in.mkv", film, [other], *chosen)
    output = tmp_path / "out.mkv"
    info, plan = remake(source, output, RATE)
    assert info.width == 96 and plan.notices == ()
    made = probe(str(output))
    assert (made.width, len(made.streams)) == (96, 2)
    assert hashes(output, "1") == hashes(source, "0")
    assert flags(output, "v") == [["default"], []]
