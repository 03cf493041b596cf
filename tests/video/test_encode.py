"""Coded pictures: what goes in comes out, in the right colours; and failing in words."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from filmcli.errors import MachineError, RenderError, UsageError
from filmcli.frames import Color, Layout, Planes, VideoInfo
from filmcli.video.codecs import Encoding, default_encoding, fitted, output_pix_fmt
from filmcli.video.decode import decode
from filmcli.video.encode import SegmentWriter, _quality, as_coded_on
from filmcli.video.mux import join
from filmcli.video.pixels import layout_of
from filmcli.video.probe import probe, read_ticks
from filmcli.video.process import ask
from filmcli.video.streams import StreamPlan
from filmcli.video.trial import check_encoding
from tests.clips import ffmpeg, ffprobe, noise, pattern, write_film
from tests.marks import slow

W, H = 64, 48
RATE = Fraction(60000, 1001)
LOSSLESS = Encoding("x264", ffmpeg_args=("-qp", "0"))
LOSSLESS_265 = Encoding(
    "x265", preset="ultrafast", ffmpeg_args=("-x265-params", "lossless=1:log-level=error")
)


def layout(name: str) -> Layout:
    found = layout_of(name)
    assert found is not None
    return found


def film_of(tmp_path: Path, name: str, width: int = W, height: int = H) -> VideoInfo:
    frames = noise(layout(name), width, height, 2)
    return probe(write_film(tmp_path / "source.nut", frames, layout(name)))


def coded(tmp_path: Path, info: VideoInfo, encoding: Encoding, count: int = 3) -> VideoInfo:
    """Facts of a segment of `count` pictures of noise."""
    path = str(tmp_path / "segment.nut")
    with SegmentWriter(path, info, encoding, RATE) as writer:
        for planes in noise(info.layout, info.width, info.height, count):
            writer.write(planes)
    return probe(path)


def rates(count: int) -> list[Fraction]:
    """Rates from 1/2 to 1000 of every kind: round, of television, of many digits, and any."""
    drawn = random.Random(count)
    kinds = (1, 2, 7, 10, 100, 1000, 1001)
    found = [Fraction(1, 2), Fraction(597, 5), Fraction(997, 1000), Fraction(1999, 2)]
    while len(found) < count:
        under = drawn.choice([*kinds, drawn.randint(1, 1001)])
        found.append(Fraction(drawn.randint(-(-under // 2), 1000 * under), under))
    return found


@pytest.mark.parametrize("count", [8, *slow(300)])
def test_any_rate_comes_out_exact(tmp_path: Path, count: int) -> None:
    info, path = film_of(tmp_path, "gray", 16, 16), str(tmp_path / "segment.nut")
    for rate in rates(count):
        with SegmentWriter(path, info, Encoding("ffv1"), rate) as writer:
            for planes in noise(info.layout, 16, 16, 4):
                writer.write(planes)
        made = probe(path)
        times = [tick * made.time_base for tick in sorted(read_ticks(made))]
        assert times == [k / rate for k in range(4)], rate


def equal(left: Planes, right: Planes) -> bool:
    return all((a == b).all() for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("yuv420p", LOSSLESS), ("yuv422p10le", LOSSLESS), ("yuv420p12le", LOSSLESS_265),
        ("gbrp", LOSSLESS_265), ("gray", Encoding("ffv1")), ("yuv420p16le", Encoding("ffv1")),
        *slow(
            ("yuv422p", LOSSLESS), ("yuv444p", LOSSLESS), ("yuv420p10le", LOSSLESS),
            ("yuv444p10le", LOSSLESS), ("yuv420p10le", LOSSLESS_265),
            ("gbrp10le", Encoding("ffv1")), ("gbrp16le", Encoding("ffv1")),
        ),
    ],
)  # fmt: skip
def test_a_lossless_encoder_gives_back_every_sample(
    tmp_path: Path, name: str, encoding: Encoding
) -> None:
    info = film_of(tmp_path, name)
    assert output_pix_fmt(info, encoding) == (name, None)
    made = coded(tmp_path, info, encoding)
    assert made.layout.pix_fmt == name
    expected = noise(layout(name), W, H, 3)
    frames = list(decode(made))
    assert all(equal(frame.planes, planes) for frame, planes in zip(frames, expected, strict=True))
    assert [frame.time for frame in frames] == [k / RATE for k in range(3)]


@pytest.mark.parametrize(
    ("name", "codec", "expected", "said"),
    [
        ("yuv420p12le", "x264", "yuv420p10le", "12 bits become 10"),
        ("yuv420p9le", "x264", "yuv420p10le", None),
        ("gbrp", "x264", "yuv444p", "colours are converted"),
        ("yuv444p", "av1", "yuv420p", "coarser"),
        ("gray", "av1", "yuv420p", None),
        ("yuv420p", "prores", "yuv422p10le", None),
        ("yuv444p", "prores", "yuv444p10le", None),
        ("gray16le", "x265", "gray12le", "16 bits become 12"),
        ("gbrp16le", "ffv1", "gbrp16le", None),
        ("yuv444p10le", "mpeg4", "yuv420p", "10 bits become 8"),
        ("gbrp", "ffv1", "bgr0", None),
    ],
)
def test_the_nearest_format_is_taken_and_a_loss_is_said(
    tmp_path: Path, name: str, codec: str, expected: str, said: str | None
) -> None:
    pix_fmt, notice = output_pix_fmt(film_of(tmp_path, name), Encoding(codec))
    assert pix_fmt == expected
    assert (notice is None) if said is None else (notice is not None and said in notice)


def test_recoding_keeps_values_and_range(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(1, 254, W).astype(np.uint8), (H, 1))
    flat = np.full((H // 2, W // 2), 90, np.uint8)
    for reach in ("tv", "pc"):
        info = film_of(tmp_path, "yuv420p")
        info = replace(info, color=replace(info.color, range=reach))
        path = str(tmp_path / f"{reach}.nut")
        with SegmentWriter(path, info, Encoding("ffv1", pix_fmt="yuv444p10le"), RATE) as writer:
            writer.write((ramp, flat, flat))
        (frame,) = decode(probe(path))
        assert np.abs(frame.planes[0] / 4 - ramp).max() < 1
        assert np.abs(frame.planes[1] / 4 - 90).max() < 1
        assert frame.planes[1].shape == (H, W)


def test_rgb_becomes_tagged_yuv_of_the_same_colour(tmp_path: Path) -> None:
    info = film_of(tmp_path, "gbrp")
    path = str(tmp_path / "segment.nut")
    red = tuple(np.full((H, W), value, np.uint8) for value in (0, 0, 255))  # G, B, R
    with SegmentWriter(path, info, LOSSLESS, RATE) as writer:
        writer.write(red)
    made = probe(path)
    assert (made.layout.pix_fmt, made.color.matrix, made.color.range) == ("yuv444p", "bt709", "tv")
    (frame,) = decode(made)
    assert [int(plane[0, 0]) for plane in frame.planes] == [63, 102, 240]  # BT.709's red


def test_tags_and_pixel_shape_are_the_sources(tmp_path: Path) -> None:
    color = Color("bt2020nc", "bt2020", "smpte2084", "tv", "topleft")
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    info = replace(
        film_of(tmp_path, "yuv420p10le"),
        color=color,
        sample_aspect_ratio=Fraction(4, 3),
        hdr_side_data=(("master-display", display), ("max-cll", "1000,400")),
    )
    assert default_encoding(info).codec == "x265"
    made = coded(tmp_path, info, Encoding("x265", preset="ultrafast"))
    assert made.color == color
    assert made.sample_aspect_ratio == Fraction(4, 3)
    assert dict(made.hdr_side_data) == dict(info.hdr_side_data)


def test_untagged_stays_untagged(tmp_path: Path) -> None:
    made = coded(tmp_path, film_of(tmp_path, "yuv420p"), Encoding())
    assert (made.color.matrix, made.color.primaries, made.color.transfer) == (None, None, None)
    assert not made.interlaced


@pytest.mark.parametrize("name", ["yuv420p", "yuv444p"])
def test_odd_sizes_are_padded_by_repeating_the_edge(tmp_path: Path, name: str) -> None:
    info = film_of(tmp_path, name, 63, 47)
    encoding = replace(LOSSLESS, pix_fmt="yuv420p") if name == "yuv420p" else LOSSLESS
    notice = output_pix_fmt(info, encoding)[1]
    made = coded(tmp_path, info, encoding, 1)
    (frame,) = decode(made)
    source = noise(layout(name), 63, 47, 1)[0][0]
    if name == "yuv444p":  # keeps its size: nothing in it is halved
        assert notice is None
        assert (frame.planes[0] == source).all()
    else:
        assert notice is not None
        assert "64x48" in notice
        assert (frame.planes[0] == np.pad(source, ((0, 1), (0, 1)), "edge")).all()


@pytest.mark.parametrize(
    ("source", "encoder", "coded_as"),
    [
        ("yuv420p", "h264_nvenc", "yuv420p"),
        ("yuv420p10le", "hevc_nvenc", "p010le"),
        ("yuv444p10le", "hevc_nvenc", "yuv444p16le"),
        ("gray", "h264_nvenc", "yuv420p"),
    ],
)
def test_nvenc_by_its_one_name(tmp_path: Path, source: str, encoder: str, coded_as: str) -> None:
    info = film_of(tmp_path, source)
    encoding = fitted(Encoding("nvenc"), info)
    assert encoding.encoder == encoder
    if encoder not in ask(["ffmpeg", "-hide_banner", "-encoders"]).stdout.decode():
        pytest.skip("this ffmpeg is built without NVENC")
    assert output_pix_fmt(info, encoding)[0] == coded_as


def test_nvencs_h264_takes_deep_films_in_8_bits(tmp_path: Path) -> None:
    info, encoding = film_of(tmp_path, "yuv420p10le"), Encoding("h264_nvenc")
    if "h264_nvenc" not in ask(["ffmpeg", "-hide_banner", "-encoders"]).stdout.decode():
        pytest.skip("this ffmpeg is built without NVENC")
    pix_fmt, notice = output_pix_fmt(info, encoding)
    assert pix_fmt == "yuv420p"
    assert notice == "yuv420p10le is coded as yuv420p (10 bits become 8)"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        (Encoding("nvenc"), {"rc": "vbr", "b:v": 0, "cq": 18, "preset": "p5"}),
        (Encoding("nvenc", 23, "p7"), {"rc": "vbr", "b:v": 0, "cq": 23, "preset": "p7"}),
        (Encoding("av1_nvenc"), {"rc": "vbr", "b:v": 0, "cq": 22, "preset": "p5"}),
        (Encoding("nvenc", ffmpeg_args=("-b:v", "8M")), {"preset": "p5"}),
        (Encoding("x264", ffmpeg_args=("-qp", "0")), {"preset": "medium"}),
    ],
)
def test_quality_in_the_encoders_words(
    tmp_path: Path, encoding: Encoding, expected: dict[str, str | int]
) -> None:
    assert _quality(encoding, film_of(tmp_path, "yuv420p"), "yuv420p") == expected


def test_the_encoders_own_words_are_passed_on(tmp_path: Path) -> None:
    info = probe(pattern(tmp_path / "in.mp4", 0.2))
    made = coded(tmp_path, info, Encoding("x264", 30, "ultrafast", "yuv422p", ("-g", "1")))
    assert made.layout.pix_fmt == "yuv422p"
    keys = ffprobe(made.path, "packet=flags")
    assert all(flags.startswith("K") for (flags, *_) in keys)


# Every code that ITU-T H.273 gives a meaning which ffprobe has a word for.
TRANSFERS = (1, *range(4, 19))
PRIMARIES = (1, *range(4, 13), 22)
MATRICES = (1, *range(4, 15))
PLACES = range(6)  # of chroma


def tagged(folder: Path, at: int) -> VideoInfo:
    """A film with the codes of number `at` of each kind, written into its coded pictures."""
    film = folder / "untagged.mp4"
    if not film.exists():
        pattern(film, 0.1, size="64x64")
    codes = {
        "transfer_characteristics": TRANSFERS[at % len(TRANSFERS)],
        "colour_primaries": PRIMARIES[at % len(PRIMARIES)],
        "matrix_coefficients": MATRICES[at % len(MATRICES)],
        "chroma_sample_loc_type": PLACES[at % len(PLACES)],
        "video_full_range_flag": at // 2 % 2,
    }
    words = ":".join(f"{key}={code}" for key, code in codes.items())
    ffmpeg("-i", film, "-c", "copy", "-bsf:v", f"h264_metadata={words}", folder / "in.mkv")
    return probe(str(folder / "in.mkv"))


@pytest.mark.parametrize(
    ("encoding", "ending"),
    slow(
        (Encoding("x264", preset="ultrafast"), ".mkv"),
        (Encoding("x264", preset="ultrafast"), ".mp4"),
        (Encoding("x265", preset="ultrafast"), ".mov"),
        (Encoding("av1", preset="12"), ".mkv"),
        (Encoding("ffv1"), ".mkv"),
        (Encoding("libvpx-vp9"), ".webm"),
    ),
)
def test_every_colour_tag_comes_along_or_is_named(
    tmp_path: Path, encoding: Encoding, ending: str
) -> None:
    seen: dict[str, set[str | None]] = {}
    for at in range(16):
        info = tagged(tmp_path, at)
        for kind, tag in vars(info.color).items():
            seen.setdefault(kind, set()).add(tag)
        notices = check_encoding(info, encoding, RATE, f"out{ending}")
        segment, output = str(tmp_path / "segment.nut"), str(tmp_path / f"out{ending}")
        with SegmentWriter(segment, info, encoding, RATE) as writer:
            for planes in noise(info.layout, 64, 64, 2):
                writer.write(planes)
        join([(segment, 2)], info, encoding, RATE, Fraction(0), StreamPlan(), output, {})
        made = probe(output).color
        for kind, tag in vars(info.color).items():
            said = any(f" {tag} cannot be tagged" in notice for notice in notices)
            default = (tag, getattr(made, kind)) in (("tv", None), ("left", None))
            assert said or default or getattr(made, kind) == tag, (kind, tag, made, notices)
    assert {kind: len(tags - {None}) for kind, tags in seen.items()} == {
        "transfer": 16, "primaries": 11, "matrix": 12, "chroma_location": 6, "range": 2
    }  # fmt: skip


def test_a_good_encoding_passes_the_check(tmp_path: Path) -> None:
    info = film_of(tmp_path, "yuv420p")
    assert check_encoding(info, Encoding(), RATE, "out.mp4") == ()
    assert check_encoding(info, Encoding("ffv1"), RATE, "out.mkv") == ()


@pytest.mark.parametrize(
    ("encoding", "output", "kind"),
    [
        (Encoding("no_such_codec"), "out.mp4", MachineError),
        (Encoding("h264_nvenc", ffmpeg_args=("-gpu", "77")), "out.mp4", MachineError),
        (Encoding("x264", preset="leisurely"), "out.mp4", MachineError),
        (Encoding("x264", pix_fmt="bgr48be"), "out.mp4", UsageError),
        (Encoding("x264", ffmpeg_args=("-no_such_option", "1")), "out.mp4", MachineError),
        (Encoding("prores", crf=20), "out.mov", UsageError),
        (Encoding("x265", crf=52), "out.mov", UsageError),
        (Encoding("x264"), "out.webm", UsageError),
    ],
)
def test_a_bad_encoding_fails_the_check_in_words(
    tmp_path: Path, encoding: Encoding, output: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        check_encoding(film_of(tmp_path, "yuv420p"), encoding, RATE, output)
    assert len(str(caught.value).splitlines()) >= 3


@pytest.mark.parametrize(("encoder", "largest"), [("h264_nvenc", 51), ("av1_nvenc", 63)])
def test_to_nvenc_a_quality_of_0_would_say_nothing(
    tmp_path: Path, encoder: str, largest: int
) -> None:
    if encoder not in ask(["ffmpeg", "-hide_banner", "-encoders"]).stdout.decode():
        pytest.skip("this ffmpeg is built without it")
    with pytest.raises(UsageError, match=f"between 1 and {largest}"):
        check_encoding(film_of(tmp_path, "yuv420p"), Encoding(encoder, 0), RATE, "out.mkv")


def encoders() -> list[int]:
    """Process ids of the ffmpeg children of this process."""
    words = ["ps", "--ppid", str(os.getpid()), "-o", "pid=,comm="]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "ffmpeg" in line]


def test_a_killed_encoder_is_reported_and_its_file_removed(tmp_path: Path) -> None:
    info = probe(pattern(tmp_path / "in.mp4", 0.2, size="640x360"))
    path = tmp_path / "segment.nut"
    (planes,) = noise(info.layout, 640, 360, 1)
    with (
        pytest.raises(RenderError),
        SegmentWriter(str(path), info, Encoding(), RATE) as writer,
    ):
        for count in range(200):
            if count == 5:
                os.kill(encoders()[0], signal.SIGKILL)
            writer.write(planes)
    assert not path.exists()
    assert encoders() == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    info = film_of(tmp_path, "yuv420p")
    path = tmp_path / "segment.nut"
    path.symlink_to("/dev/full")
    with (
        pytest.raises(MachineError) as caught,
        SegmentWriter(str(path), info, Encoding("ffv1"), RATE) as writer,
    ):
        for planes in noise(info.layout, W, H, 60):
            writer.write(planes)
    assert caught.value.why == f"The disk that holds {tmp_path} is full."
    assert not path.is_symlink()


def test_leaving_by_an_exception_removes_the_file(tmp_path: Path) -> None:
    info = film_of(tmp_path, "yuv420p")
    path = tmp_path / "segment.nut"
    with (
        pytest.raises(KeyboardInterrupt),
        SegmentWriter(str(path), info, Encoding(), RATE) as writer,
    ):
        writer.write(noise(info.layout, W, H, 1)[0])
        raise KeyboardInterrupt
    assert not path.exists()
    assert encoders() == []


@pytest.mark.parametrize(
    ("words", "container", "codec"),
    [
        ("Encoding('y4m')", "yuv4mpegpipe", "rawvideo"),
        ("Encoding('x264')", "matroska,webm", "h264"),
    ],
)
def test_pictures_go_to_standard_output(
    tmp_path: Path, words: str, container: str, codec: str
) -> None:
    code = (
        "import sys\n"
        "from fractions import Fraction\n"
        "from filmcli.video.decode import decode\n"
        "from filmcli.video.codecs import Encoding\n"
        "from filmcli.video.encode import StreamWriter\n"
        "from filmcli.video.probe import probe\n"
        "info = probe(sys.argv[1])\n"
        f"with StreamWriter(info, {words}, Fraction(60000, 1001)) as writer:\n"
        "    for frame in decode(info):\n"
        "        writer.write(frame.planes)\n"
    )
    info = film_of(tmp_path, "yuv420p10le")
    piped = tmp_path / "piped"
    with open(piped, "wb") as stdout:
        subprocess.run([sys.executable, "-c", code, info.path], stdout=stdout, check=True)
    made = probe(str(piped))
    assert (made.container, made.stream.codec) == (container, codec)
    frames = list(decode(made))
    assert len(frames) == 2
    assert made.layout.pix_fmt == "yuv420p10le"
    if words == "Encoding('y4m')":
        assert made.rate == RATE
        assert equal(frames[1].planes, list(decode(info))[1].planes)


@pytest.mark.parametrize(("name", "depth"), [("yuv444p", 8), ("yuv444p10le", 16)])
def test_png_has_the_films_depth_and_the_colours_that_players_show(
    tmp_path: Path, name: str, depth: int
) -> None:
    info = film_of(tmp_path, name)
    info = replace(info, color=Color("bt709", "bt709", "bt709", "tv"))
    red = tuple(  # of BT.709, limited range
        np.full((H, W), level << (info.layout.depth - 8), info.layout.dtype)
        for level in (63, 102, 240)
    )
    path = str(tmp_path / "segment.nut")
    with SegmentWriter(path, info, Encoding("png"), RATE) as writer:
        writer.write(red)
    made = probe(path)
    assert made.layout.depth == depth
    (frame,) = decode(made)
    green, blue, full = (int(np.median(plane)) / (2**depth - 1) for plane in frame.planes)
    assert full > 0.99 and max(green, blue) < 0.01


@pytest.mark.parametrize("size", ["64x48", "320x240"])
def test_any_machine_codes_as_one_with_so_many_cores(tmp_path: Path, size: str) -> None:
    """x264 told the threads that it takes here by itself gives the same bytes; others differ."""
    info = probe(pattern(tmp_path / "in.mp4", 2, size=size))
    frames = list(decode(info))

    def coded(encoding: Encoding) -> bytes:
        path = tmp_path / "out.nut"
        with SegmentWriter(str(path), info, encoding, RATE) as writer:
            for frame in frames:
                writer.write(frame.planes)
        return path.read_bytes()

    plain = Encoding("x264", preset="ultrafast")
    here = len(os.sched_getaffinity(0))
    assert coded(as_coded_on(here, plain, info)) == coded(plain)
    assert (coded(as_coded_on(here + 8, plain, info)) != coded(plain)) is (size == "320x240")
    for asked in (Encoding("ffv1"), Encoding("x264", ffmpeg_args=("-threads", "1"))):
        assert as_coded_on(64, asked, info) == asked
