"""All that lies in a film beside its picture: carried, converted with a notice, or named."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.video.codecs import Encoding
from filmcli.video.mux import read_tag
from filmcli.video.probe import probe
from filmcli.video.streams import plan_streams
from tests.clips import ffmpeg, ffprobe, hashes, pattern
from tests.marks import slow
from tests.video.remake import FAST, remake
from tests.video.transport import with_data

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
             "-metadata:s:a:2", "language=eng", "-strict", "experimental",
             "-metadata:s:a:1", "title=A naïve name")  # fmt: skip
    source = mux(tmp_path / f"in{ending}", film, [tone], *words)
    output = tmp_path / f"out{ending}"
    _, plan = remake(source, output, RATE)
    assert plan.notices == ()
    assert hashes(output) == hashes(source)
    made = probe(str(output)).streams[1:]
    assert [s.language for s in made] == ["fra", "jpn", "eng"]
    assert [s.title for s in made] == [None, "A naïve name", None]
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


@pytest.mark.parametrize(
    ("ending", "sound", "says"),
    [
        (".ts", "mp3", None),
        (".m2ts", "mp3", "audio stream 1 (mp3) is converted to aac"),
        *slow(
            (".ts", "flac", "audio stream 1 (flac) is converted to aac"),
            (".nut", "mp3", None),
        ),
    ],
)
def test_a_container_holds_only_what_is_known_again_when_it_is_read(
    tmp_path: Path, film: str, ending: str, sound: str, says: str | None
) -> None:
    tone = tmp_path / "tone.mkv"
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.5", "-c:a", sound, tone)
    source = mux(tmp_path / "in.mkv", film, [tone, subtitle(tmp_path, "srt")])
    _, plan = remake(source, tmp_path / f"out{ending}", RATE)
    dropped = "subtitle stream 2 (subrip) is dropped: the container cannot hold it"
    assert list(plan.notices) == ([says] if says else []) + [dropped]


def test_attachments_that_do_not_fit_are_named(tmp_path: Path, film: str) -> None:
    (font := tmp_path / "font.ttf").write_bytes(b"not really a font")
    attach = ("-attach", font, "-metadata:s:t", "mimetype=application/x-truetype-font")
    source = mux(tmp_path / "in.mkv", film, [], *attach)
    _, plan = remake(source, tmp_path / "out.mp4", RATE)
    assert len(plan.notices) == 1
    assert "attachment" in plan.notices[0] and "dropped" in plan.notices[0]


@pytest.mark.parametrize("ending", [".mov", ".mp4", ".mkv"])
def test_a_time_code_is_carried_at_the_new_rate(tmp_path: Path, ending: str) -> None:
    source = pattern(tmp_path / "in.mov", 0.5, "-timecode", "01:00:00:12", size="64x48", rate="24")
    assert [s.kind for s in probe(source).streams] == ["video", "data"]
    output = tmp_path / f"out{ending}"
    _, plan = remake(source, output, Fraction(60))
    made = probe(str(output))
    assert plan.notices == () and made.time_code == "01:00:00:30"
    tracks = ["video"] if ending == ".mkv" else ["video", "data"]
    assert [s.kind for s in made.streams] == tracks


def test_what_happens_to_a_time_code_that_cannot_be_carried_is_said(tmp_path: Path) -> None:
    source = pattern(tmp_path / "in.mov", 0.5, "-timecode", "01:00:00:00", size="64x48")
    info = probe(source)
    for output, asked in (("a.ts", {}), ("a.mp4", {"stretch": Fraction(2)}),
                          ("a.mp4", {"rate": Fraction(300)})):  # fmt: skip
        notices = plan_streams(info, output, **asked).notices
        assert [n for n in notices if n.startswith("time code 01:00:00:00 is dropped: ")], output


def telemetry(path: Path, film: str, tag: bytes) -> str:
    """An mp4 with a track of data: one of words, renamed."""
    words = path.with_suffix(".srt")
    words.write_text(SRT)
    ffmpeg(
        "-i", film, "-i", words, "-map", "0", "-map", "1", "-c:v", "copy", "-c:s", "mov_text", path
    )
    content = path.read_bytes()
    assert content.count(b"tx3g") == content.count(b"sbtl") == 1
    path.write_bytes(content.replace(b"tx3g", tag).replace(b"sbtl", b"meta"))
    return str(path)


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_telemetry_is_carried_bit_for_bit(tmp_path: Path, film: str, ending: str) -> None:
    source = telemetry(tmp_path / "in.mp4", film, b"gpmd")
    output = tmp_path / f"out{ending}"
    _, plan = remake(source, output, RATE)
    (data,) = [s for s in probe(str(output)).streams if s.kind == "data"]
    assert plan.notices == () and data.tag == "gpmd"
    assert hashes(output, "d") == hashes(source, "d")


def test_data_that_is_dropped_is_called_by_its_name(tmp_path: Path, film: str) -> None:
    source = telemetry(tmp_path / "in.mp4", film, b"gpmd")
    (notice,) = plan_streams(probe(source), "out.mkv").notices
    assert notice == "data stream 1 (GoPro telemetry) und is dropped: the container cannot hold it"
    source = telemetry(tmp_path / "other.mp4", film, b"mebx")
    (notice,) = plan_streams(probe(source), "out.mp4").notices
    assert "(a telephone's timed metadata)" in notice and "ffmpeg cannot write it" in notice


KLV = bytes.fromhex("060e2b34020b01010e0103010100000004")  # a key, and a length of four bytes
MESSAGES = {0.3: KLV + b"some", 0.7: KLV + b"more"}
DATA_OF_TRANSPORT = {  # kind of stream, its description, that of the programme
    "klv": (0x06, b"\x05\x04KLVA", b""),
    "timed_id3": (0x15, b"\x26\x0d\xff\xffID3 \xffID3 \0\x0f", b""),
    "scte_35": (0x86, b"", b"\x05\x04CUEI"),
}


@pytest.mark.parametrize(("codec", "name"), [
    ("klv", "KLV metadata"), ("timed_id3", "ID3 tags"), ("scte_35", "splice points, SCTE 35")
])  # fmt: skip
def test_data_of_a_transport_stream_is_carried_or_named(
    tmp_path: Path, codec: str, name: str
) -> None:
    kind, about, programme = DATA_OF_TRANSPORT[codec]
    source = with_data(tmp_path / "in.ts", kind, about, MESSAGES, programme)
    info = probe(source)
    assert [s.codec for s in info.streams] == ["h264", codec]
    for output in ("out.ts", "out.mkv", "out.mp4"):
        (*notices,) = plan_streams(info, output).notices
        is_carried = codec == "klv" and output == "out.ts"
        said = [notice for notice in notices if f"data stream 1 ({name}) is dropped" in notice]
        assert len(said) == (not is_carried), (output, notices)


def test_klv_without_times_is_named(tmp_path: Path) -> None:
    kind, about, _ = DATA_OF_TRANSPORT["klv"]
    source = with_data(tmp_path / "in.ts", kind, about, MESSAGES, timed=False)
    (notice,) = plan_streams(probe(source), "out.ts").notices
    assert notice == "data stream 1 (KLV metadata) is dropped: ffmpeg cannot write it"


def test_klv_stays_bit_for_bit_beside_its_pictures(tmp_path: Path) -> None:
    kind, about, _ = DATA_OF_TRANSPORT["klv"]
    source = with_data(tmp_path / "in.ts", kind, about, MESSAGES)
    output = tmp_path / "out.ts"
    remake(source, output, RATE)
    assert hashes(output, "d") == hashes(source, "d")
    rows = ffprobe(output, "packet=stream_index,dts_time")
    times = [float(row[1]) for row in rows if row[0] == "0"]
    shown, places = [0.0], []
    for index, time, *_ in rows:
        if index == "0":
            shown.append(float(time) - times[0])
        else:
            places.append(max(shown))
    assert places == pytest.approx(list(MESSAGES), abs=0.12)


TELEPHONE = {"com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "iPhone",
             "com.apple.quicktime.creationdate": "2024-05-01T10:00:00+0200",
             "com.apple.quicktime.location.ISO6709": "+52.5-013.4/", "title": "A film"}  # fmt: skip


@pytest.mark.parametrize("ending", [".mov", ".mp4", ".mkv"])
def test_a_telephones_tags_are_kept(tmp_path: Path, film: str, ending: str) -> None:
    source = tmp_path / "in.mov"
    words = [word for key, value in TELEPHONE.items() for word in ("-metadata", f"{key}={value}")]
    ffmpeg("-i", film, "-c", "copy", "-movflags", "+use_metadata_tags", *words, source)
    output = tmp_path / f"out{ending}"
    _, plan = remake(str(source), output, RATE)
    kept = {key.lower(): value for key, value in probe(str(output)).tags}
    assert plan.notices == ()
    assert {key: kept.get(key.lower()) for key in TELEPHONE} == TELEPHONE
    assert read_tag(str(output)) == "0123abcd"


def test_tags_that_do_not_fit_are_named(tmp_path: Path, film: str) -> None:
    source = tmp_path / "in.mkv"
    ffmpeg("-i", film, "-c", "copy", "-metadata", "title=A", "-metadata", "director=B", source)
    info = probe(str(source))
    assert plan_streams(info, "out.mkv").notices == ()
    (notice,) = plan_streams(info, "out.mp4").notices
    assert notice.lower() == "the container cannot hold these tags: director"
    (notice,) = plan_streams(info, "out.ts").notices
    assert "title" in notice.lower() and "director" in notice.lower()


def test_chapters_are_spoken_of_where_there_are_some(film: str) -> None:
    assert plan_streams(probe(film), "out.mkv", stretch=Fraction(2)).notices == ()


@pytest.mark.parametrize(("holder", "ending"), [(".mkv", ".mp4"), (".mov", ".mkv")])
def test_the_films_own_language_and_title_are_kept(
    tmp_path: Path, film: str, holder: str, ending: str
) -> None:
    source = tmp_path / f"in{holder}"
    named = ("-metadata:s:v:0", "language=fra", "-metadata:s:v:0", "title=A name")
    ffmpeg("-i", film, "-c", "copy", *named, source)
    remake(str(source), tmp_path / f"out{ending}", RATE)
    made = probe(str(tmp_path / f"out{ending}")).stream
    assert (made.language, made.title) == ("fra", "A name")


def test_titles_that_do_not_fit_are_named(tmp_path: Path, film: str) -> None:
    source = tmp_path / "in.mkv"
    ffmpeg("-i", film, "-c", "copy", "-metadata:s:v:0", "title=A name", source)
    (notice,) = plan_streams(probe(str(source)), "out.ts").notices
    assert notice == "the container cannot hold the titles of streams 0"


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
