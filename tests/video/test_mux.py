"""Joined films: exact times, sound in its place, nothing lost on the way."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.errors import RenderError, VerifyError
from filmcli.frames import Layout
from filmcli.video.codecs import Encoding
from filmcli.video.decode import decode
from filmcli.video.encode import SEGMENT_SUFFIX, SegmentWriter
from filmcli.video.mux import join, read_tag, verify
from filmcli.video.probe import probe, read_packets
from filmcli.video.streams import StreamPlan
from tests.clips import (
    add_sound,
    ffmpeg,
    ffprobe,
    hashes,
    noise,
    pattern,
    starts,
    write_film,
    write_vfr,
)
from tests.marks import slow
from tests.video.remake import FAST, LOSSLESS, remake

YUV420 = Layout("yuv420p", "yuv", 8, 1, 1)
B_FRAMES = ("-qp", "0", "-bf", "3", "-b_strategy", "0", "-b-pyramid", "normal")
NTSC60 = Fraction(60000, 1001)


@pytest.mark.parametrize(
    "rate", [NTSC60, Fraction(125, 2), *slow(Fraction(24000, 1001), Fraction(60))]
)
def test_joined_b_frames_are_the_frames_written_each_at_its_time(
    tmp_path: Path, rate: Fraction
) -> None:
    lengths = (1, 2, 17, 3, 9)
    frames = noise(YUV420, 64, 48, sum(lengths))
    info = probe(write_film(tmp_path / "source.nut", frames, YUV420))
    encoding, segments, first = Encoding("x264", ffmpeg_args=B_FRAMES), [], 0
    for at, length in enumerate(lengths):
        path = str(tmp_path / f"{at}{SEGMENT_SUFFIX}")
        with SegmentWriter(path, info, encoding, rate) as writer:
            for planes in frames[first : first + length]:
                writer.write(planes)
        segments.append((path, length))
        first += length
    output = str(tmp_path / "joined.mp4")
    join(segments, info, encoding, rate, Fraction(0), StreamPlan(), output, {})
    joined = probe(output)
    packets = read_packets(joined, "pts,dts")
    assert any(packet["pts"] != packets[k]["dts"] for k, packet in enumerate(packets))
    shown = list(decode(joined))
    assert [frame.time for frame in shown] == [k / rate for k in range(len(frames))]
    for frame, planes in zip(shown, frames, strict=True):
        assert all((a == b).all() for a, b in zip(frame.planes, planes, strict=True))


@pytest.mark.parametrize(
    ("codec", "ending", "args"),
    [
        ("x265", ".mkv", ("-x265-params", "bframes=4:log-level=error")),
        ("prores", ".mov", ()),
        ("mpeg4", ".mp4", ("-bf", "2")),
        *slow(
            ("av1", ".mp4", ("-preset", "12")),
            ("ffv1", ".mkv", ()),
            ("libvpx-vp9", ".webm", ("-cpu-used", "8", "-deadline", "realtime")),
        ),
    ],
)
def test_every_codec_joins_at_exact_times(
    tmp_path: Path, codec: str, ending: str, args: tuple[str, ...]
) -> None:
    source = pattern(tmp_path / "in.mp4", 0.5)
    output = tmp_path / f"out{ending}"
    remake(source, output, NTSC60, Encoding(codec, ffmpeg_args=args))
    joined = probe(str(output))
    times = [frame.time for frame in decode(joined)]
    assert len(times) == 30
    assert all(abs(time - k / NTSC60) <= joined.time_base for k, time in enumerate(times))


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize(("video", "audio"), [(0.52, 0.0), *slow((1.0, 1.25))])
def test_sound_keeps_its_distance_from_the_picture(
    tmp_path: Path, ending: str, video: float, audio: float
) -> None:
    film = pattern(tmp_path / "film.mp4", 1)
    source = add_sound(tmp_path / f"in{ending}", film, delays=(audio,), video_delay=video)
    output = tmp_path / f"out{ending}"
    remake(source, output, Fraction(60))
    before, after = starts(source), starts(output)
    assert hashes(output) == hashes(source)
    distance = (after["1"] - after["0"]) - (before["1"] - before["0"])
    assert abs(distance) < 1 / 120


def test_an_edit_list_hides_pictures_and_the_sound_still_fits(tmp_path: Path) -> None:
    film = pattern(tmp_path / "film.mp4", 2)
    whole = add_sound(tmp_path / "whole.mp4", film)
    source = tmp_path / "cut.mp4"
    ffmpeg("-ss", "0.9", "-i", whole, "-c", "copy", source)
    info, _ = remake(str(source), tmp_path / "out.mp4", Fraction(60))
    shown = len(list(decode(info)))
    rows = ffprobe(source, "stream=nb_frames", "-select_streams", "v")
    assert shown < int(rows[0][0])
    before, after = [frame.time for frame in decode(info)], starts(tmp_path / "out.mp4")
    sound = next(float(t) for t, *_ in ffprobe(source, "stream=start_time", "-select_streams", "a"))
    new = next(
        float(t) for t, *_ in ffprobe(tmp_path / "out.mp4", "stream=start_time",
                                      "-select_streams", "a")
    )  # fmt: skip
    assert abs((new - after["0"]) - (sound - float(info.start_time + before[0]))) < 1 / 120
    assert hashes(tmp_path / "out.mp4") == hashes(source)


@pytest.mark.parametrize("ending", [".mkv", ".ts", ".nut"])
@pytest.mark.parametrize("source", [".mp4", *slow(".mov")])
def test_what_an_edit_list_hides_does_not_come_back_in_another_container(
    tmp_path: Path, source: str, ending: str
) -> None:
    film = pattern(tmp_path / "film.mp4", 2, "-bf", "2")
    whole = add_sound(tmp_path / f"whole{source}", film, codec="mp3")
    cut = tmp_path / f"cut{source}"
    ffmpeg("-ss", "0.9", "-i", whole, "-map", "0", "-c", "copy", cut)
    output = tmp_path / f"out{ending}"
    remake(str(cut), output, Fraction(60))
    begins = starts(output)
    packet = 1152 / 44100
    # One packet that is hidden in part, and the one before it.
    assert -2 * packet <= begins["1"] - begins["0"] <= 1 / 60
    played = ffmpeg("-i", output, "-map", "0:a", "-f", "s16le", "-")
    assert len(played) / 2 / 44100 == pytest.approx(0.1, abs=3 * packet)  # of its tone of 1 s


def test_everything_else_in_the_file_comes_along(tmp_path: Path) -> None:
    film = pattern(tmp_path / "film.mp4", 1)
    font = tmp_path / "font.ttf"
    font.write_bytes(b"not really a font")
    source = add_sound(
        tmp_path / "in.mkv", film, delays=(0, 0), subtitles=True, chapters=True,
        args=("-attach", str(font), "-metadata:s:t", "mimetype=application/x-truetype-font"),
    )  # fmt: skip
    output = tmp_path / "out.mkv"
    _, plan = remake(source, output, Fraction(60))
    assert plan.notices == ()
    made = probe(str(output))
    assert [s.kind for s in made.streams] == ["video", "audio", "audio", "subtitle", "attachment"]
    assert [s.language for s in made.streams[1:4]] == ["eng", "fra", "ita"]
    assert hashes(output) == hashes(source)
    assert ffprobe(output, "chapter=start_time,end_time:chapter_tags=title") == ffprobe(
        source, "chapter=start_time,end_time:chapter_tags=title"
    )
    (tags,) = ffprobe(output, "format_tags=title,comment")
    assert tags == ["A film", "made for a test [filmcli 0123abcd]"]
    assert read_tag(str(output)) == "0123abcd"
    assert read_tag(source) is None


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_a_cover_stays_a_cover(tmp_path: Path, ending: str) -> None:
    film = add_sound(tmp_path / "film.mp4", pattern(tmp_path / "silent.mp4", 0.5))
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", tmp_path / "cover.png")
    source = tmp_path / "in.mp4"
    ffmpeg(
        "-i", film, "-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v:1", "attached_pic", source,
    )  # fmt: skip
    output = tmp_path / f"out{ending}"
    remake(str(source), output, Fraction(60))
    covers = [s for s in probe(str(output)).streams if s.is_attached_picture]
    assert [s.codec for s in covers] == ["png"]
    assert hashes(output, str(covers[0].index)) == hashes(source, "v:1")


def test_text_subtitles_and_pcm_are_converted_for_mp4_with_a_notice(tmp_path: Path) -> None:
    film = pattern(tmp_path / "film.mp4", 1)
    source = add_sound(tmp_path / "in.mkv", film, codec="pcm_s16le", subtitles=True, chapters=True)
    output = tmp_path / "out.mp4"
    _, plan = remake(source, output, Fraction(60))
    assert [s.codec for s in probe(str(output)).streams[1:3]] == ["alac", "mov_text"]
    assert len(plan.notices) == 2


def test_slow_motion_stretches_sound_about_the_first_picture(tmp_path: Path) -> None:
    film = pattern(tmp_path / "film.mp4", 1)
    source = add_sound(tmp_path / "in.mkv", film, delays=(0.25,), chapters=True, subtitles=True)
    output = tmp_path / "out.mkv"
    _, plan = remake(source, output, Fraction(24), stretch=Fraction(4))
    assert len(plan.notices) == 3
    rows = ffprobe(output, "packet=pts_time,duration_time", "-select_streams", "a")
    first, last = float(rows[0][0]), float(rows[-1][0]) + float(rows[-1][1])
    # AAC puts 23 ms of its own before the first sample, in the source and again in the output.
    assert first == pytest.approx(4 * starts(source)["1"] - 0.023, abs=0.005)
    assert last - first == pytest.approx(4, abs=0.15)


def test_variable_rate_times_become_even_and_the_length_stays(tmp_path: Path) -> None:
    times = [0, 40, 90, 100, 180, 220, 400]
    frames = noise(YUV420, 32, 32, len(times))
    source = write_vfr(tmp_path / "in.mkv", frames, YUV420, times)
    remake(source, tmp_path / "out.mkv", Fraction(50), LOSSLESS)
    made = list(decode(probe(str(tmp_path / "out.mkv"))))
    for k, frame in enumerate(made):
        at = max(i for i, ms in enumerate(times) if ms <= 20 * k)
        assert (frame.planes[0] == frames[at][0]).all()


def test_a_film_that_is_not_what_was_promised_is_found_out(tmp_path: Path) -> None:
    source = pattern(tmp_path / "in.mkv", 1)
    plan = StreamPlan()
    verify(source, 24, Fraction(24), Fraction(1), plan)
    wrong = [
        (23, Fraction(24), Fraction(1), plan),
        (24, Fraction(25), Fraction(1), plan),
        (24, Fraction(24), Fraction(11, 10), plan),
    ]
    for frames, rate, duration, promised in wrong:
        with pytest.raises(VerifyError):
            verify(source, frames, rate, duration, promised)
    with pytest.raises(VerifyError, match="audio"):
        verify(source, 24, Fraction(24), Fraction(1), StreamPlan(expected=Counter(audio=1)))
    heard = add_sound(tmp_path / "heard.mkv", source)
    with pytest.raises(VerifyError, match="1 audio streams instead of 0"):
        verify(heard, 24, Fraction(24), Fraction(1), plan)
    film = bytearray(Path(source).read_bytes())
    place = film.index(bytes.fromhex("1254c367")) + 12  # within its index of elements
    film[place : place + 8] = bytes(8)  # what no element begins with
    Path(source).write_bytes(film)
    with pytest.raises(VerifyError, match="invalid"):
        verify(source, 24, Fraction(24), Fraction(1), plan)


def with_header_again(flv: bytes) -> bytes:
    """The tags of an FLV, the header of its AAC once more in the middle."""
    tags, at = [], 13
    while at + 11 <= len(flv):
        length = 11 + int.from_bytes(flv[at + 1 : at + 4], "big") + 4
        tags.append(flv[at : at + length])
        at += length
    header = next(tag for tag in tags if tag[0] == 8 and tag[12] == 0)
    middle = len(tags) // 2
    now = tags[middle][4:8]
    return flv[:13] + b"".join([*tags[:middle], header[:4] + now + header[8:], *tags[middle:]])


@pytest.mark.parametrize("kind", ["header", "joined"])
@pytest.mark.parametrize("ending", [".mkv", *slow(".mp4")])
def test_sound_whose_header_comes_again_spoils_no_other_stream(
    tmp_path: Path, kind: str, ending: str
) -> None:
    film = add_sound(tmp_path / "in.flv", pattern(tmp_path / "film.mp4", 1))
    whole = Path(film).read_bytes()
    again = whole + whole[13:] if kind == "joined" else with_header_again(whole)
    (tmp_path / "again.flv").write_bytes(again)
    output = tmp_path / f"out{ending}"
    remake(str(tmp_path / "again.flv"), output, Fraction(60))
    made = probe(str(output))
    assert [stream.kind for stream in made.streams] == ["video", "audio"]
    if kind == "header":
        assert hashes(output) == hashes(film)
    before, after = starts(film), starts(output)
    assert after["1"] - after["0"] == pytest.approx(before["1"] - before["0"], abs=0.002)


def test_join_fails_in_words_and_leaves_no_child(tmp_path: Path) -> None:
    info = probe(pattern(tmp_path / "in.mkv", 0.2))
    with pytest.raises(RenderError, match="missing"):
        join([(str(tmp_path / "missing.nut"), 5)], info, FAST, Fraction(60), Fraction(0),
             StreamPlan(), str(tmp_path / "out.mp4"), {})  # fmt: skip
