"""What is stored beside coded pictures is kept, or named before the work."""

from __future__ import annotations

import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.frames import Shape
from filmcli.survey.firstpass import first_pass
from filmcli.video.codecs import Encoding
from filmcli.video.decode import thumbnails
from filmcli.video.marks import Marks, write_marks
from filmcli.video.probe import probe
from filmcli.video.seen import CAPTIONS, Seen, lost_beside
from tests.clips import ffmpeg, hashes, pattern
from tests.forked import run
from tests.marks import slow

X264, X265 = Encoding("x264"), Encoding("x265")
HDR = ("master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)",
       "max-cll=1000,400")  # fmt: skip


def captioned(stream: bytes, pairs: dict[int, bytes]) -> bytes:
    """H.264 with access unit delimiters, to whose pictures two bytes of CEA-608 each are added.

    They lie in a message of user data (ITU-T T.35, ATSC A/53 part 4) before the coded slices.
    """
    first, *units = stream.split(b"\x00\x00\x00\x01\x09")
    made = first
    for number, unit in enumerate(units):
        made += b"\x00\x00\x00\x01\x09" + unit[:1]
        if number in pairs:
            told = b"\xb5\x00\x31GA94\x03\xc1\xff\xfc" + pairs[number] + b"\xff"
            message = bytes([4, len(told)]) + told + b"\x80"
            made += b"\x00\x00\x00\x01\x06" + message.replace(b"\0\0", b"\0\0\3")
        made += unit[1:]
    return made


def film(path: Path, *args: str, codec: str = "libx264") -> str:
    return pattern(path, 0.25, *args, size="64x48", codec=("-c:v", codec))


def test_captions_and_shapes_are_seen(tmp_path: Path) -> None:
    stream, path = tmp_path / "in.h264", tmp_path / "in.mp4"
    film(stream, "-bf", "0", "-aud", "1")
    stream.write_bytes(captioned(stream.read_bytes(), {2: b"\xc8\x45", 4: b"\xcc\xcc"}))
    ffmpeg("-i", stream, "-c", "copy", path)
    seen = Seen()
    list(thumbnails(probe(str(path)), seen=seen))
    assert seen.beside[CAPTIONS] == 2
    assert seen.shapes == {Shape(64, 48, Fraction(1)): 6}
    assert list(lost_beside([CAPTIONS], X265)) == [
        "captions inside the pictures (CEA-608, CEA-708)"
    ]


def test_what_is_lost_is_said_before_the_work(tmp_path: Path) -> None:
    stream = tmp_path / "in.h264"
    film(stream, "-bf", "0", "-aud", "1")
    stream.write_bytes(captioned(stream.read_bytes(), {3: b"\xc8\x45"}))
    done = run(["upsample", "in.h264", "-c", "ffv1", "--dry-run"], tmp_path)
    notice = "notice: captions inside the pictures (CEA-608, CEA-708) cannot be carried over"
    assert notice in done.stderr.splitlines()


def test_what_every_film_of_its_kind_has_is_passed_over(tmp_path: Path) -> None:
    path = film(tmp_path / "in.ts", codec="mpeg2video")
    found = first_pass(probe(path), "off")
    assert "GOP timecode" in found.beside and list(lost_beside(found.beside, X264)) == []


def boxed(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


SIDE_BY_SIDE = boxed(b"st3d", b"\0\0\0\0\x02")
TURNED = struct.pack(">Iiii", 0, 30 << 16, 0, 0)  # to the left, in degrees of 16.16 bits
WAYS = {
    "equirectangular": boxed(b"equi", bytes(20)),
    "cubemap": boxed(b"cbmp", struct.pack(">III", 0, 0, 8)),
}


def marked(path: Path, way: str = "equirectangular") -> str:
    """A film of half a second that says it is spherical and side by side.

    The boxes stand at the end of the coded picture's entry in the mp4, whose `moov` is last.
    """
    content = bytearray(Path(film(path)).read_bytes())
    head = boxed(b"svhd", b"\0\0\0\0x\0")
    around = boxed(b"sv3d", head + boxed(b"proj", boxed(b"prhd", TURNED) + WAYS[way]))
    more, entry = SIDE_BY_SIDE + around, content.find(b"avc1", content.find(b"stsd")) - 4
    end = entry + struct.unpack_from(">I", content, entry)[0]
    content[end:end] = more
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        at = content.find(kind, 0 if kind == b"moov" else content.find(b"moov")) - 4
        struct.pack_into(">I", content, at, struct.unpack_from(">I", content, at)[0] + len(more))
    path.write_bytes(content)
    return str(path)


def test_marks_of_films_around_you_are_seen(tmp_path: Path) -> None:
    found = first_pass(probe(marked(tmp_path / "in.mp4")), "off")
    assert set(lost_beside(found.beside, X264)) == {
        "marks of a spherical film (360 degrees)",
        "marks of a stereoscopic film (3D)",
    }


@pytest.mark.parametrize(("output", "sound"), [("out.mp4", True), *slow(("out.mov", False))])
def test_a_film_around_you_says_so_in_mp4(tmp_path: Path, output: str, sound: bool) -> None:
    """And plays as before: its index grew, and all that stands behind it was moved."""
    marked(tmp_path / "bare.mp4")
    tone = ["-f", "lavfi", "-i", "sine=d=0.25", "-c:a", "aac"] if sound else []
    unofficial = ("-strict", "unofficial")
    ffmpeg("-i", tmp_path / "bare.mp4", *tone, "-c:v", "copy", *unofficial, tmp_path / "in.mp4")
    done = run(["upsample", "in.mp4", "-o", output, "--cuts", "off"], tmp_path)
    assert done.code == 0, done.stderr
    assert "cannot be carried over" not in done.stderr
    words = ("-v", "error", "-show_entries", "stream_side_data=side_data_type,projection,type")
    told = subprocess.run(
        ["ffprobe", *words, output], capture_output=True, cwd=tmp_path, check=True
    )
    assert b"projection=equirectangular" in told.stdout and b"type=side by side" in told.stdout
    whole = subprocess.run(
        ["ffmpeg", "-v", "error", "-xerror", "-i", output, "-f", "null", "-"],
        capture_output=True, cwd=tmp_path, check=True)  # fmt: skip
    assert whole.stderr == b""
    if sound:
        assert hashes(tmp_path / output) == hashes(tmp_path / "in.mp4")


WORDS = """<rdf:SphericalVideo><GSpherical:Spherical>true</GSpherical:Spherical>
<GSpherical:Stitched>true</GSpherical:Stitched><GSpherical:StitchingSoftware>none
</GSpherical:StitchingSoftware><GSpherical:ProjectionType>equirectangular
</GSpherical:ProjectionType></rdf:SphericalVideo>"""


def test_a_camera_that_says_it_in_words_is_believed(tmp_path: Path) -> None:
    """Version 1 of the marks: XML in a box of the track."""
    film(tmp_path / "plain.mp4")
    ffmpeg("-i", tmp_path / "plain.mp4", "-c", "copy", "-movflags", "+faststart",
           tmp_path / "in.mp4")  # fmt: skip
    words = boxed(b"uuid", bytes.fromhex("ffcc8263f8554a938814587a02521fdd") + WORDS.encode())
    write_marks(str(tmp_path / "in.mp4"), Marks(track=words))
    done = run(["upsample", "in.mp4", "-o", "out.mp4", "--cuts", "off"], tmp_path)
    assert done.code == 0, done.stderr
    assert "cannot be carried over" not in done.stderr
    assert (tmp_path / "out.mp4").read_bytes().count(words) == 1
    found = first_pass(probe(str(tmp_path / "out.mp4")), "off").beside
    assert "spherical information" in found


def told_marks(path: Path) -> str:
    """What ffprobe tells of spherical and stereoscopic marks of the stream."""
    words = ("-v", "error", "-of", "compact", "-show_entries", "stream_side_data")
    done = subprocess.run(["ffprobe", *words, path], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("codec", "way"),
    [("libvpx-vp9", "cubemap"), *slow(("x264", "equirectangular"), ("ffv1", "equirectangular"))],
)
def test_a_film_around_you_says_so_in_matroska_and_back(
    tmp_path: Path, codec: str, way: str
) -> None:
    truth = marked(tmp_path / "in.mp4", way)
    for source, output, coded in (("in.mp4", "out.mkv", codec), ("out.mkv", "back.mp4", "x264")):
        words = ["-c", coded, "--cuts", "off", "--fps", "24"]
        done = run(["upsample", source, "-o", output, *words], tmp_path)
        assert done.code == 0, done.stderr
        assert "cannot be carried over" not in done.stderr
        assert told_marks(tmp_path / output) == told_marks(Path(truth))
    assert f"projection={way}" in told_marks(Path(truth)) and "yaw=30" in told_marks(Path(truth))


@pytest.mark.parametrize(("codec", "output"), [("mpeg4", "out.mkv"), ("x264", "out.ts")])
def test_marks_that_a_film_cannot_have_are_named(tmp_path: Path, codec: str, output: str) -> None:
    marked(tmp_path / "in.mp4")
    done = run(["upsample", "in.mp4", "-o", output, "-c", codec, "--dry-run"], tmp_path)
    assert "marks of a spherical film (360 degrees) cannot be carried over" in done.stderr


@pytest.mark.parametrize(("name", "codec"), [("out.ts", "x264"), *slow(("out.mkv", "mpeg4"))])
def test_a_film_for_two_eyes_says_so_where_it_can(tmp_path: Path, name: str, codec: str) -> None:
    marked(tmp_path / "in.mp4")
    done = run(["upsample", "in.mp4", "-o", name, "-c", codec, "--cuts", "off"], tmp_path)
    assert done.code == 0, done.stderr
    assert "marks of a stereoscopic film" not in done.stderr
    words = ["ffmpeg", "-hide_banner", "-i", name, "-vf", "showinfo", "-f", "null", "-"]
    told = subprocess.run(words, capture_output=True, cwd=tmp_path, check=True).stderr
    assert b"stereoscopic information: type - side by side\n" in told


def test_mastering_metadata_is_lost_where_not_x265_codes(tmp_path: Path) -> None:
    path = film(tmp_path / "in.mkv", "-x265-params", ":".join(("log-level=error", *HDR)),
                codec="libx265")  # fmt: skip
    found = first_pass(probe(path), "off")
    assert list(lost_beside(found.beside, X265)) == []
    assert set(lost_beside(found.beside, X264)) == {"mastering display", "content light level"}
