"""Decoded pictures are the source's own samples, each with the exact time of its own."""

from __future__ import annotations

import logging
import os
import signal
import struct
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filmcli.errors import InputError, RenderError
from filmcli.frames import Layout, Plane, Planes
from filmcli.video.decode import (
    LEAP_FRAMES,
    decode,
    decode_near,
    last_duration,
    pictures,
    thumbnails,
)
from filmcli.video.pixels import EXACT_FLAGS, layout_of, plan_pixels
from filmcli.video.probe import probe
from tests.clips import add_sound, ffmpeg, noise, pattern, raw, write_film, write_vfr
from tests.marks import slow

W, H = 32, 24
PLANAR = (
    *("yuv420p", "yuv422p", "yuv444p", "yuv420p9le", "yuv420p10le", "yuv422p10le", "yuv444p10le"),
    *("yuv420p12le", "yuv444p12le", "yuv420p14le", "yuv420p16le", "yuv444p16le"),
    *("gray", "gray10le", "gray16le", "gbrp", "gbrp10le", "gbrp12le", "gbrp16le"),
)


def layout(name: str) -> Layout:
    found = layout_of(name)
    assert found is not None
    return found


def equal(left: Planes, right: Planes) -> bool:
    return all((a == b).all() for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("name", PLANAR)
def test_planar_pictures_come_out_as_they_went_in(tmp_path: Path, name: str) -> None:
    frames = noise(layout(name), W, H, 3)
    info = probe(write_film(tmp_path / "in.nut", frames, layout(name)))
    assert info.layout == layout(name)
    assert info.notices == ()
    decoded = list(decode(info))
    assert len(decoded) == 3
    assert all(equal(frame.planes, planes) for frame, planes in zip(decoded, frames, strict=True))


def chroma(bytes_: NDArray[np.uint8], width: int, height: int, dtype: str = "u1") -> Planes:
    """Planes of interleaved chroma samples after a plane of luma (nv12 and its family)."""
    samples = bytes_.view(dtype)
    luma, pairs = samples[: W * H].reshape(H, W), samples[W * H :].reshape(height, width, 2)
    return luma, pairs[..., 0], pairs[..., 1]


def packed(order: str, dtype: str = "u1") -> Callable[[NDArray[np.uint8]], Planes]:
    """Planes G, B, R of packed samples named in `order`."""

    def unpack(bytes_: NDArray[np.uint8]) -> Planes:
        pixels = bytes_.view(dtype).reshape(H, W, len(order))
        return tuple(pixels[..., order.index(color)] for color in "gbr")

    return unpack


def coarse(
    width: int, height: int, across: int, down: int, dtype: str = "u1"
) -> Callable[[NDArray[np.uint8]], Planes]:
    """Planes Y, U, V; each chroma sample `across` times beside and `down` times below itself."""

    def repeat(bytes_: NDArray[np.uint8]) -> Planes:
        samples, size = bytes_.view(dtype), width * height
        both = samples[W * H : W * H + 2 * size].reshape(2, height, width)
        finer = both.repeat(across, axis=2).repeat(down, axis=1)
        return samples[: W * H].reshape(H, W), finer[0], finer[1]

    return repeat


PACKED: dict[str, tuple[int, Callable[[NDArray[np.uint8]], Planes]]] = {
    "nv12": (W * H * 3 // 2, lambda b: chroma(b, W // 2, H // 2)),
    "nv24": (W * H * 3, lambda b: chroma(b, W, H)),
    "p010le": (W * H * 3, lambda b: tuple(p >> 6 for p in chroma(b, W // 2, H // 2, "<u2"))),
    "p016le": (W * H * 3, lambda b: chroma(b, W // 2, H // 2, "<u2")),
    "p210le": (W * H * 4, lambda b: tuple(p >> 6 for p in chroma(b, W // 2, H, "<u2"))),
    "yuyv422": (
        W * H * 2,
        lambda b: (b[::2].reshape(H, W), b[1::4].reshape(H, W // 2), b[3::4].reshape(H, W // 2)),
    ),
    "rgb24": (W * H * 3, packed("rgb")),
    "bgr24": (W * H * 3, packed("bgr")),
    "bgra": (W * H * 4, packed("bgra")),
    "argb": (W * H * 4, packed("argb")),
    "rgb48be": (W * H * 6, packed("rgb", ">u2")),
    "rgba64le": (W * H * 8, packed("rgba", "<u2")),
    "yuv411p": (W * H * 3 // 2, coarse(W // 4, H, 2, 1)),
    "yuv410p": (W * H * 9 // 8, coarse(W // 4, H // 4, 2, 2)),
    "yuv440p": (W * H * 2, coarse(W, H // 2, 1, 2)),
    "yuva420p": (W * H * 5 // 2, coarse(W // 2, H // 2, 1, 1)),
    "yuv420p10be": (W * H * 3, coarse(W // 2, H // 2, 1, 1, ">u2")),
    "ya8": (W * H * 2, lambda b: (b[::2].reshape(H, W),)),
    "monob": (W * H // 8, lambda b: (255 * np.unpackbits(b).reshape(H, W),)),
}
VALID = {"p010le": 0xFFC0, "p210le": 0xFFC0, "yuv420p10be": 0xFF03}


@pytest.mark.parametrize("name", PACKED)
def test_packed_pictures_are_unpacked_without_rounding(name: str) -> None:
    size, unpack = PACKED[name]
    bytes_ = np.random.default_rng(1).integers(0, 256, size, np.uint8)
    if name in VALID:
        bytes_.view("<u2")[:] &= VALID[name]
    plan = plan_pixels(name)
    steps = ",".join(f"scale=flags={EXACT_FLAGS},format={step}" for step in plan.steps)
    out = ffmpeg(
        "-f", "rawvideo", "-pix_fmt", name, "-s", f"{W}x{H}", "-i", "-", "-vf", steps,
        "-f", "rawvideo", "-", stdin=bytes_.tobytes(),
    )  # fmt: skip
    assert equal(plan.layout.split(out, W, H), unpack(bytes_))


def test_palette_and_full_range_jpeg_are_read_as_they_are(tmp_path: Path) -> None:
    palette = "split[a][b];[a]palettegen[p];[b][p]paletteuse"
    gif = pattern(tmp_path / "a.gif", 0.3, rate="10", filters=palette, codec=())
    reference = ffmpeg("-i", gif, "-f", "rawvideo", "-pix_fmt", "gbrp", "-")
    assert raw([frame.planes for frame in decode(probe(gif))]) == reference
    jpeg = pattern(
        tmp_path / "a.avi", 0.3, filters="format=yuvj422p", codec=("-c:v", "mjpeg", "-q:v", "2")
    )
    info = probe(jpeg)
    assert (info.layout.pix_fmt, info.color.range) == ("yuv422p", "pc")
    reference = ffmpeg("-i", jpeg, "-f", "rawvideo", "-pix_fmt", "yuvj422p", "-")
    assert raw([frame.planes for frame in decode(info)]) == reference


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(60000, 1001)])
def test_times_of_b_frames_are_exact_fractions(tmp_path: Path, rate: Fraction) -> None:
    film = pattern(tmp_path / "in.mp4", 1, "-bf", "3", rate=str(rate))
    info = probe(film)
    times = [frame.time for frame in decode(info)]
    assert times == [k / rate for k in range(len(times))]
    assert info.rate == rate
    assert last_duration(info, times) == 1 / rate


@pytest.mark.parametrize("ending", [".mkv", ".nut"])
def test_variable_times_are_the_packets_own(tmp_path: Path, ending: str) -> None:
    times = [0, 40, 90, 100, 350, 351, 1000]
    frames = noise(layout("yuv420p"), W, H, len(times))
    film = write_vfr(tmp_path / f"in{ending}", frames, layout("yuv420p"), times)
    decoded = list(decode(probe(film)))
    assert [frame.time for frame in decoded] == [Fraction(ms, 1000) for ms in times]
    assert all(equal(frame.planes, planes) for frame, planes in zip(decoded, frames, strict=True))


def test_first_skips_pictures_but_not_their_places(tmp_path: Path) -> None:
    info = probe(pattern(tmp_path / "in.mp4", 1, "-bf", "2"))
    whole = list(decode(info))
    for first in (1, 7, 23):
        part = list(decode(info, first))
        assert [frame.time for frame in part] == [frame.time for frame in whole[first:]]
        assert equal(part[0].planes, whole[first].planes)


def test_of_two_pictures_at_one_time_the_later_is_kept_also_when_some_are_skipped(
    tmp_path: Path,
) -> None:
    times = [0, 40, 80, 80, 120, 160, 160, 200]
    frames = noise(layout("gray"), W, H, len(times))
    info = probe(write_vfr(tmp_path / "in.mkv", frames, layout("gray"), times))
    kept = [0, 1, 3, 4, 6, 7]
    for first in (0, 3, 4):
        decoded = list(decode(info, first))
        assert [frame.time * 1000 for frame in decoded] == [times[k] for k in kept[first:]]
        for frame, k in zip(decoded, kept[first:], strict=True):
            assert equal(frame.planes, frames[k])


def test_a_clock_that_is_set_back_goes_on_after_one_interval(tmp_path: Path) -> None:
    parts = [
        Path(pattern(tmp_path / f"{at}.ts", 1, "-output_ts_offset", offset, rate="25"))
        for at, offset in enumerate(("10", "2"))
    ]
    film = tmp_path / "in.ts"
    film.write_bytes(b"".join(part.read_bytes() for part in parts))
    times = [frame.time for frame in decode(probe(str(film)))]
    assert times == [Fraction(k, 25) for k in range(50)]


@pytest.mark.parametrize("ending", [".ts", ".mkv", ".mp4"])
def test_times_count_from_the_container_not_from_the_video(tmp_path: Path, ending: str) -> None:
    film = pattern(tmp_path / "film.mp4", 0.5)
    late = add_sound(tmp_path / f"in{ending}", film, video_delay=0.5)
    info = probe(late)
    times = [frame.time for frame in decode(info)]
    assert abs(times[0] - Fraction(1, 2)) < Fraction(1, 40)
    assert len(times) == 12


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p"])
def test_pictures_stand_upright(tmp_path: Path, turn: int, pix_fmt: str) -> None:
    frames = noise(layout(pix_fmt), W, H, 2)
    lossless = ("-c:v", "libx264", "-qp", "0")
    film = write_film(tmp_path / "lying.mp4", frames, layout(pix_fmt), 24, lossless)
    turned = tmp_path / "turned.mp4"
    ffmpeg("-i", film, "-c", "copy", "-metadata:s:v:0", f"rotate={turn}", turned)
    info = probe(str(turned))
    assert (info.width, info.height) == ((W, H) if turn == 180 else (H, W))
    # ffmpeg turns pictures by itself when it is left alone: the same way round.
    upright = ffmpeg("-i", turned, "-f", "rawvideo", "-pix_fmt", "yuv444p", "-")
    size = W * H * 3
    decoded = list(decode(info))
    for at, frame in enumerate(decoded):
        assert frame.planes[0].tobytes() == upright[at * size : at * size + W * H]
    for frame, planes in zip(decoded, frames, strict=True):
        for plane, seen in zip(planes, frame.planes, strict=True):
            quarter = np.rot90(plane, info.rotation // -90)
            across = seen.shape[1] // quarter.shape[1]
            down = seen.shape[0] // quarter.shape[0]
            assert (seen == quarter.repeat(across, axis=1).repeat(down, axis=0)).all()
    small = next(thumbnails(info))
    assert small.luma.shape == (info.height, info.width)


def lay(plane: Plane, a: int, b: int, c: int, d: int) -> Plane:
    """Show the sample at (x, y) at (a x + c y, b x + d y), y downwards, moved into the picture."""
    y, x = np.indices(plane.shape)
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    shown = np.zeros((down.max() + 1, across.max() + 1), plane.dtype)
    shown[down, across] = plane
    return shown


def with_matrix(film: str, *values: int) -> None:
    """Set a, b, c, d of the display matrix in the header of an mp4's first track."""
    a, b, c, d = (value << 16 for value in values)
    data = bytearray(Path(film).read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    Path(film).write_bytes(data)


@pytest.mark.parametrize("a", [1, -1])
@pytest.mark.parametrize("d", [1, -1])
@pytest.mark.parametrize("lying", [False, True])
def test_all_eight_turns_and_mirrors_look_as_a_player_shows_them(
    tmp_path: Path, a: int, d: int, lying: bool
) -> None:
    matrix = (0, a, d, 0) if lying else (a, 0, 0, d)
    frames = noise(layout("yuv420p"), W, H, 1)
    lossless = ("-c:v", "libx264", "-qp", "0")
    film = write_film(tmp_path / "in.mp4", frames, layout("yuv420p"), 24, lossless)
    with_matrix(film, *matrix)
    info = probe(film)
    assert (info.width, info.height) == ((H, W) if lying else (W, H))
    (shown,) = decode(info)
    for plane, seen in zip(frames[0], shown.planes, strict=True):
        assert (seen == lay(plane, *matrix)).all()
    by_ffmpeg = ffmpeg("-i", film, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
    assert by_ffmpeg == raw([shown.planes])  # which turns by itself if it is left alone
    small = next(thumbnails(info))
    assert small.luma.shape == (info.height, info.width)
    (seen_in_colour,) = pictures(info)
    assert np.corrcoef(seen_in_colour.mean(2).ravel(), small.luma.ravel())[0, 1] > 0.5  # else 0


def test_thumbnails_are_the_same_pictures_at_the_same_times(tmp_path: Path) -> None:
    info = probe(pattern(tmp_path / "in.mp4", 1, "-bf", "3", size="640x360"))
    frames, small = list(decode(info)), list(thumbnails(info))
    assert [picture.time for picture in small] == [frame.time for frame in frames]
    assert small[0].color.shape == (90, 160, 3)
    for frame, picture in zip(frames, small, strict=True):
        full = frame.planes[0].reshape(90, 4, 160, 4).mean(axis=(1, 3))
        seen = (picture.luma.astype(float) * 219 / 255) + 16
        assert np.abs(full - seen).mean() < 2


def test_a_changing_size_is_scaled_to_the_first(tmp_path: Path) -> None:
    parts = [
        pattern(tmp_path / "a.ts", 0.5, size="64x48"),
        pattern(tmp_path / "b.ts", 0.5, "-output_ts_offset", "0.5", size="96x64"),
    ]
    film = tmp_path / "in.ts"
    film.write_bytes(b"".join(Path(part).read_bytes() for part in parts))
    info = probe(str(film))
    whole = list(decode(info))
    assert len(whole) == 24
    assert {frame.planes[0].shape for frame in whole} == {(48, 64)}
    part = list(decode(info, 20))
    assert [frame.time for frame in part] == [frame.time for frame in whole[20:]]


def test_combs_are_taken_out_and_times_stay(tmp_path: Path) -> None:
    film = pattern(
        tmp_path / "in.mkv", 1, "-flags", "+ilme+ildct", rate="50", size="128x96",
        filters="interlace=lowpass=0,format=yuv420p,setfield=tff", codec=("-c:v", "ffv1"),
    )  # fmt: skip
    info = probe(film)
    assert info.interlaced
    woven, clean = list(decode(info, deinterlace=False)), list(decode(info))
    assert [frame.time for frame in woven] == [frame.time for frame in clean]
    assert len(clean) == 25

    def combing(planes: Planes) -> float:
        luma = planes[0].astype(int)
        return float(np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) / 2).mean())

    assert combing(clean[10].planes) < 0.7 * combing(woven[10].planes)


def test_progressive_pictures_under_an_interlaced_flag_are_left_alone(tmp_path: Path) -> None:
    film = pattern(
        tmp_path / "in.mkv", 1, filters="gblur=3,format=yuv420p,setfield=tff",
        codec=("-c:v", "ffv1"),
    )  # fmt: skip
    assert not probe(film).interlaced


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_half_a_film_gives_half_the_pictures_and_a_warning(
    tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    faststart = ("-movflags", "+faststart") if ending == ".mp4" else ()
    film = Path(pattern(tmp_path / f"in{ending}", 4, *faststart))
    whole = film.read_bytes()
    film.write_bytes(whole[: len(whole) // 2])
    info = probe(str(film))
    with caplog.at_level(logging.WARNING, "filmcli"):
        small = list(thumbnails(info))
    assert 20 < len(small) < 76
    assert "ends early" in caplog.text
    assert len(list(decode(info))) == len(small)


def test_a_killed_decoder_is_an_error_not_an_end(tmp_path: Path) -> None:
    frames = decode(probe(pattern(tmp_path / "in.mp4", 20, size="320x240")))
    next(frames)
    (child,) = children()
    os.kill(child, signal.SIGKILL)
    with pytest.raises(RenderError, match="killed"):
        list(frames)


def test_a_closed_generator_leaves_no_child(tmp_path: Path) -> None:
    frames = decode(probe(pattern(tmp_path / "in.mp4", 20, size="320x240")))
    next(frames)
    assert len(children()) == 1
    frames.close()  # type: ignore[attr-defined]
    assert children() == []


def test_a_film_without_a_decodable_picture_is_an_input_error(tmp_path: Path) -> None:
    film = Path(pattern(tmp_path / "in.avi", 0.5, codec=("-c:v", "mpeg4")))
    bytes_ = film.read_bytes()
    start = bytes_.index(b"movi") + 16
    film.write_bytes(bytes_[:start] + bytes(len(bytes_) - start))
    with pytest.raises(InputError):
        list(decode(probe(str(film))))


def test_the_last_picture_of_a_film_is_shown_as_long_as_its_packet_says(tmp_path: Path) -> None:
    times = [0, 40, 80, 120]
    frames = noise(layout("yuv420p"), W, H, 4)
    film = write_vfr(tmp_path / "in.mov", frames, layout("yuv420p"), times)
    held = tmp_path / "held.mov"
    stretch = "setts=duration='if(eq(N,3),16*DURATION,DURATION)'"
    ffmpeg("-i", film, "-c", "copy", "-bsf:v", stretch, held)
    usual = last_duration(probe(film), [frame.time for frame in decode(probe(film))])
    info = probe(str(held))
    assert last_duration(info, [frame.time for frame in decode(info)]) >= 15 * usual


def test_a_film_ends_where_its_pictures_end_whatever_its_header_claims(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Torn off 15 s before its end; its index stands in front and knows all of it."""
    front = ("-movflags", "+faststart", "-g", "10")
    whole = Path(pattern(tmp_path / "whole.mp4", 30, *front, rate="10", size="64x48"))
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    info = probe(str(torn))
    times = [small.time for small in thumbnails(info)]
    assert 100 < len(times) < 200
    assert last_duration(info, times) == Fraction(1, 10)
    assert "ends early" in caplog.text


@pytest.mark.parametrize("ending", [".mkv", ".webm", ".ts", ".mp4", ".flv"])
def test_a_film_that_starts_late_does_not_end_early(
    tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    codec = ("-c:v", "libvpx-vp9" if ending == ".webm" else "libx264", "-g", "10")
    late = pattern(tmp_path / f"in{ending}", 2, "-output_ts_offset", "5", codec=codec)
    info = probe(late)
    assert len(list(thumbnails(info))) == 48
    assert "ends early" not in caplog.text
    assert info.duration is None or abs(info.duration - 2) < Fraction(1, 5)


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov"])
def test_a_last_picture_that_claims_one_tick_is_shown_like_the_others(
    tmp_path: Path, ending: str
) -> None:
    film = write_film(tmp_path / "even.mkv", noise(layout("gray"), W, H, 30), layout("gray"), 25,
                      ("-c:v", "mpeg4", "-g", "1"), "gray")  # fmt: skip
    short = tmp_path / f"in{ending}"
    shorten = "setts=duration='if(eq(N,29),1,DURATION)'"
    ffmpeg("-i", film, "-c", "copy", "-bsf:v", shorten, short)
    info = probe(str(short))
    times = [frame.time for frame in decode(info)]
    assert len(times) == 30
    assert last_duration(info, times) == pytest.approx(Fraction(1, 25))


def test_a_single_picture_lasts_a_twenty_fifth_without_better_knowledge(tmp_path: Path) -> None:
    info = probe(write_film(tmp_path / "in.mkv", noise(layout("gray"), W, H, 1), layout("gray")))
    times = [frame.time for frame in decode(info)]
    assert len(times) == 1
    assert Fraction(1, 100) < last_duration(info, times) < Fraction(1, 10)


def children() -> list[int]:
    """Process ids of this process's own running children."""
    listed = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "pid=,comm="], capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    return [int(line.split()[0]) for line in listed.splitlines() if "ffmpeg" in line]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("open.mkv", ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "3", "-x264-params",
                      "open-gop=1")),
        ("refreshed.mp4", ("-c:v", "libx264", "-preset", "ultrafast", "-intra-refresh", "1")),
        *slow(
            ("closed.mp4", ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2")),
            ("no_index.ts", ("-c:v", "mpeg2video")),
        ),
    ],
)  # fmt: skip
def test_a_decoder_that_leaps_gives_the_same_frames(
    tmp_path: Path, name: str, codec: tuple[str, ...]
) -> None:
    info = probe(pattern(tmp_path / name, 30, codec=codec, size="64x48"))
    frames = list(decode(info))
    times = [frame.time for frame in frames]
    for first in (LEAP_FRAMES + 1, len(frames) - 1, len(frames)):
        near = list(decode_near(info, times, first))
        assert [frame.time for frame in near] == times[first:]
        pairs = zip(near, frames[first:], strict=True)
        assert all(equal(one.planes, other.planes) for one, other in pairs)


def test_a_leap_into_frames_that_are_not_as_they_were_begins_anew(tmp_path: Path) -> None:
    info = probe(pattern(tmp_path / "in.mp4", 25, size="64x48"))
    frames = list(decode(info))
    times = [frame.time + 10 * (at > LEAP_FRAMES + 9) for at, frame in enumerate(frames)]
    near = list(decode_near(info, times, LEAP_FRAMES + 1))
    assert [frame.time for frame in near] == [frame.time for frame in frames[LEAP_FRAMES + 1 :]]
