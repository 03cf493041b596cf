"""Shapes and colours through the whole command: what was made fits what was kept."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from filmcli.frames import Layout, Planes, VideoInfo
from filmcli.video.decode import decode
from filmcli.video.pixels import layout_of
from filmcli.video.probe import probe
from tests.clips import ffmpeg, ffprobe, pattern, raw, write_film
from tests.forked import run
from tests.marks import slow

PICTURES = 4
LOSSLESS = ("-c:v", "libx264", "-qp", "0")


def layout(name: str) -> Layout:
    found = layout_of(name)
    assert found is not None
    return found


def breathing(name: str, share: float, width: int = 48, height: int = 32) -> list[Planes]:
    """Pictures of one colour, each plane at its own `share` of the scale, with a little grain.

    The grain differs from picture to picture, so that the network has something to do.
    """
    chance, form = np.random.default_rng(7), layout(name)
    top = (1 << form.depth) - 1
    return [
        tuple(
            (round((share + at * (0.6 - share) / 4) * top) + chance.integers(-1, 2, shape))
            .clip(0, top)
            .astype(form.dtype)
            for at, shape in enumerate(form.plane_shapes(width, height))
        )
        for _ in range(PICTURES)
    ]


def upsample(source: str, name: str, *words: str) -> tuple[VideoInfo, list[Planes], str]:
    """What the command makes of a film: facts, pictures, and what was said."""
    folder = Path(source).parent
    done = run(["upsample", source, "-o", name, "--cuts", "off", *words], folder)
    assert done.code == 0, done
    info = probe(str(folder / name))
    return info, [frame.planes for frame in decode(info)], done.stderr


TAGS = {
    "bt601": ("smpte170m", "smpte170m", "smpte170m"),
    "bt709": ("bt709", "bt709", "bt709"),
    "bt2020": ("bt2020nc", "bt2020", "bt2020-10"),
    "pq": ("bt2020nc", "bt2020", "smpte2084"),
    "hlg": ("bt2020nc", "bt2020", "arib-std-b67"),
    "untagged": (None, None, None),
}


@pytest.mark.parametrize(
    ("name", "tags", "reach", "share"),
    [
        ("yuv420p", "bt601", "tv", 0.25),
        ("yuv420p", "untagged", None, 0.98),  # above white
        ("yuv420p10le", "pq", "tv", 0.4),
        ("gbrp", "untagged", "pc", 0.3),
        *slow(
            ("yuv422p", "bt709", "pc", 0.5),
            ("yuv444p", "bt709", "tv", 0.02),  # below black
            ("yuv422p10le", "hlg", "tv", 0.7),
            ("yuv420p12le", "bt2020", "pc", 0.3),
            ("gray", "untagged", None, 0.6),
        ),
    ],
)
def test_made_pictures_have_the_brightness_and_the_tags_of_kept_ones(
    tmp_path: Path, name: str, tags: str, reach: str | None, share: float
) -> None:
    frames = breathing(name, share)
    words = ["-c:v", "ffv1"]
    for option, tag in zip(("colorspace", "color_primaries", "color_trc"), TAGS[tags], strict=True):
        words += [f"-{option}", tag] if tag else []
    words += ["-color_range", reach] if reach and name != "gbrp" else []
    source = write_film(tmp_path / "in.mkv", frames, layout(name), 24, words)
    before = probe(source)
    codec = ["-c", "x265", "--ffmpeg-args", "-x265-params lossless=1"] if name == "gbrp" else []
    info, made, _ = upsample(source, "out.mkv", *(codec or ["-c", "ffv1"]))
    assert info.layout == before.layout == layout(name)
    color = info.color
    assert (color.matrix, color.primaries, color.transfer, color.range) == (
        before.color.matrix, before.color.primaries, before.color.transfer, before.color.range
    )  # fmt: skip
    if name != "gbrp":
        assert (color.matrix, color.primaries, color.transfer) == TAGS[tags]
    assert len(made) == 2 * PICTURES
    assert raw(made[::2]) == raw(frames)
    level = 2.0 ** (layout(name).depth - 8)
    for k in range(1, 2 * PICTURES - 1, 2):
        for plane, still in zip(made[k], made[k - 1], strict=True):
            assert abs(float(plane.mean()) - float(still.mean())) <= 0.4 * level


def test_a_film_that_stands_still_stands_still(tmp_path: Path) -> None:
    """Every picture the same to the last bit, whatever is in it."""
    one = breathing("yuv420p10le", 0.5)[0]
    source = write_film(tmp_path / "in.mkv", [one] * 6, layout("yuv420p10le"), Fraction(24))
    _, made, _ = upsample(source, "out.mkv", "--fps", "60", "-c", "ffv1")
    assert len(made) == 15
    assert raw(made) == raw([one]) * 15


@pytest.mark.parametrize(
    ("size", "codec"),
    [
        ((1, 16), "x264"),
        ((15, 17), "ffv1"),
        *slow(((2, 2), "ffv1"), ((16, 1), "x264"), ((600, 2), "ffv1")),
    ],
)
def test_any_size_is_a_picture(tmp_path: Path, size: tuple[int, int], codec: str) -> None:
    frames = breathing("yuv444p", 0.5, *size)
    source = write_film(tmp_path / "in.mkv", frames, layout("yuv444p"), 24, LOSSLESS)
    words = ["--ffmpeg-args", "-qp 0"] if codec == "x264" else []
    info, made, _ = upsample(source, "out.mkv", "-c", codec, *words)
    assert (info.width, info.height) == size
    assert raw(made[::2]) == raw(frames)


def test_an_odd_size_is_padded_where_the_encoder_must_and_that_is_said(tmp_path: Path) -> None:
    frames = breathing("yuv420p", 0.5, 15, 17)
    source = write_film(tmp_path / "in.mkv", frames, layout("yuv420p"))
    info, _, said = upsample(source, "out.mp4")
    assert (info.width, info.height) == (16, 18)
    assert "notice: 15x17 is padded to 16x18" in said


@pytest.mark.parametrize(("turn", "shape"), [(90, "9:16"), *slow((180, "16:9"))])
def test_a_telephones_film_stands_upright_with_its_pixels_shape(
    tmp_path: Path, turn: int, shape: str
) -> None:
    lying = pattern(tmp_path / "lying.mp4", 0.2, size="64x48", filters="format=yuv420p,setsar=16/9")
    source = tmp_path / "in.mp4"
    ffmpeg("-i", lying, "-c", "copy", "-metadata:s:v:0", f"rotate={turn}", source)
    info, made, _ = upsample(str(source), "out.mp4", "--preset", "ultrafast", "--crf", "4")
    assert info.rotation == 0
    assert (info.width, info.height) == ((48, 64) if turn == 90 else (64, 48))
    assert info.sample_aspect_ratio == Fraction(shape.replace(":", "/"))
    upright = ffmpeg("-i", source, "-f", "rawvideo", "-pix_fmt", "gray", "-frames:v", "1", "-")
    seen = ffmpeg("-i", tmp_path / "out.mp4", "-f", "rawvideo", "-pix_fmt", "gray", "-frames:v",
                  "1", "-")  # fmt: skip
    difference = np.frombuffer(upright, np.uint8).astype(int) - np.frombuffer(seen, np.uint8)
    assert np.abs(difference).mean() < 3
    assert len(made) == 10


def spliced(folder: Path, *parts: tuple[str, int]) -> str:
    """A film that changes its size: parts of a size and a number of pictures, 25 a second."""
    whole, begin = b"", Fraction(0)
    for size, count in parts:
        name = folder / f"{size}.ts"
        offset = ("-output_ts_offset", f"{float(begin):.3f}")
        pattern(name, count / 25, *offset, "-bf", "0", size=size, rate="25")
        whole, begin = whole + name.read_bytes(), begin + Fraction(count, 25)
    (folder / "in.ts").write_bytes(whole)
    return str(folder / "in.ts")


def test_a_film_that_changes_its_size_has_that_of_most_of_its_pictures(tmp_path: Path) -> None:
    source = spliced(tmp_path, ("64x48", 3), ("96x64", 8))
    info, made, said = upsample(source, "out.mkv", "-c", "ffv1")
    assert (info.width, info.height, len(made)) == (96, 64, 22)
    notice = "notice: its pictures are of several sizes, 96x64 (8), 64x48 (3): all are made 96x64"
    assert notice in said
    truth = [frame.planes for frame in decode(probe(str(tmp_path / "96x64.ts")))]
    assert raw(made[6::2]) == raw(truth)
    words = ("-vf", "scale=96:64:flags=bicubic", "-f", "rawvideo", "-pix_fmt", "yuv420p")
    small = ffmpeg("-i", tmp_path / "64x48.ts", *words, "-")
    off = np.frombuffer(raw(made[:6:2]), np.uint8).astype(int) - np.frombuffer(small, np.uint8)
    assert np.abs(off).max() <= 1


def test_fields_of_a_film_that_changes_its_size_are_parted(tmp_path: Path) -> None:
    woven = "tinterlace=interleave_top,fieldorder=tff"
    codec = ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-bf", "0")
    whole = b""
    for size, seconds, begin in (("96x64", 0.4, 0), ("64x48", 0.2, 0.4)):
        offset = ("-output_ts_offset", str(begin))
        part = pattern(tmp_path / f"{size}.ts", seconds, *offset, size=size, rate="50",
                       filters=f"format=yuv420p,{woven}", codec=codec)  # fmt: skip
        whole += Path(part).read_bytes()
    (tmp_path / "in.ts").write_bytes(whole)
    info, made, said = upsample(str(tmp_path / "in.ts"), "out.mkv", "--fps", "50")
    frames = len(ffprobe(tmp_path / "in.ts", "frame=pict_type", "-select_streams", "v"))
    assert (info.width, info.height, len(made)) == (96, 64, 2 * frames) and frames >= 13
    assert "every field becomes a picture" in said and "all are made 96x64" in said


def test_a_short_other_size_at_the_end_changes_nothing_before(tmp_path: Path) -> None:
    source = spliced(tmp_path, ("64x48", 5), ("96x64", 2))
    info, made, said = upsample(source, "out.mkv", "-c", "ffv1")
    assert (info.width, info.height, len(made)) == (64, 48, 14)
    assert "64x48 (5), 96x64 (2): all are made 64x48" in said
    truth = [frame.planes for frame in decode(probe(str(tmp_path / "64x48.ts")))]
    assert raw(made[:10:2]) == raw(truth)


def test_mastering_metadata_comes_along(tmp_path: Path) -> None:
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    params = f"log-level=error:hdr10=1:repeat-headers=1:master-display={display}:max-cll=1000,400"
    codec = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", params)
    tags = ("-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc")
    source = pattern(
        tmp_path / "in.mkv", 0.2, *tags, size="64x48", filters="format=yuv420p10le", codec=codec
    )
    info, _, _ = upsample(source, "out.mp4", "--preset", "ultrafast")
    assert info.stream.codec == "hevc" and info.layout.depth == 10
    assert (info.color.transfer, info.color.primaries) == ("smpte2084", "bt2020")
    assert dict(info.hdr_side_data) == {"master-display": display, "max-cll": "1000,400"}
