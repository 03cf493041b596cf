"""Films whose clock is set anew play on: every piece after the one before, sound with picture."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmcli.video.clock import Packet, find_pieces
from filmcli.video.decode import decode
from filmcli.video.probe import probe
from tests.clips import ffmpeg, ffprobe, pattern
from tests.forked import run
from tests.timelines import patient
from tests.video.remake import remake

TICK = Fraction(1, 90000)
FILM, SOUND, WORDS = 0, 1, 2
TICKS = {FILM: TICK, SOUND: TICK, WORDS: TICK}
LONG, SHORT = 3600, 2160  # a picture of 25 fps, a packet of sound at 48 kHz


def piece(begin: int, pictures: int, lead: int = 0, skew: int = 2) -> list[Packet]:
    """Packets of a recording: pictures from `begin` on, sound that starts `lead` ticks earlier.

    B-frames two deep; sound lies `skew` pictures behind its time in the file.
    """
    timed = [(begin + k * LONG, Packet(FILM, begin + (k + 1) * LONG, begin + k * LONG))
             for k in range(pictures)]  # fmt: skip
    order = [0, 3, 1, 2]  # of coding
    for k, (at, packet) in enumerate(timed):
        if k // 4 * 4 + 4 <= pictures:
            timed[k] = at, packet._replace(pts=begin + (k // 4 * 4 + order[k % 4] + 1) * LONG)
    for k in range(pictures * LONG // SHORT):
        time = begin + LONG - lead + k * SHORT
        timed.append((time + skew * LONG, Packet(SOUND, time, time)))
    return [packet for _, packet in sorted(timed, key=lambda pair: pair[0])]


def shifts(packets: Sequence[Packet], **words: bool) -> dict[int, list[Fraction]]:
    """By how much the packets of each stream are moved, in their order."""
    found = find_pieces(packets, TICKS, FILM, {WORDS}, **words)
    moved = {}
    for stream in TICKS:
        count = sum(packet.stream == stream for packet in packets)
        turns = [turn for turn in found.turns if turn.stream == stream]
        moved[stream] = [
            sum((turn.shift for turn in turns if turn.number <= k), Fraction(0))
            for k in range(count)
        ]
    return moved


@patient
@given(
    st.lists(
        st.tuples(st.integers(0, 90000 * 7200), st.integers(13, 60), st.integers(-20000, 20000)),
        min_size=2,
        max_size=5,
    )
)
def test_pieces_are_put_end_to_end_and_sound_stays_with_its_picture(
    told: list[tuple[int, int, int]],
) -> None:
    pieces = [piece(begin, 4 * (pictures // 4), lead) for begin, pictures, lead in told]
    # What no film tells: whether so small a step is a gap, disorder, or a new clock.
    for (one, n, _), (two, _, _) in pairwise(told):
        step = (two - one - n // 4 * 4 * LONG) / 90000
        if -1.5 < step < 11:
            return
    moved = shifts([packet for each in pieces for packet in each])
    end = pieces[0][0].pts or 0
    count = {FILM: 0, SOUND: 0}
    now = min(p.pts or 0 for p in pieces[0] if p.stream == FILM)
    for each in pieces:
        first = min(p.pts or 0 for p in each if p.stream == FILM)
        for stream in (FILM, SOUND):
            length = sum(packet.stream == stream for packet in each)
            own = moved[stream][count[stream] : count[stream] + length]
            assert own == [(now - first) * TICK] * length, (stream, end)
            count[stream] += length
        now += sum(packet.stream == FILM for packet in each) * LONG


def test_one_clock_is_no_piece() -> None:
    assert find_pieces(piece(7000, 400, 900), TICKS, FILM).turns == ()
    assert find_pieces([], TICKS, FILM).turns == ()


@pytest.mark.parametrize("silent", [FILM, SOUND])
def test_a_stream_may_be_silent_while_the_other_goes_on(silent: int) -> None:
    whole = piece(0, 800)  # 32 s
    hole = range(5 * 90000, 20 * 90000)
    rest = [p for p in whole if p.stream != silent or p.dts not in hole]
    assert find_pieces(rest, TICKS, FILM).turns == ()


def test_words_may_be_far_apart_and_turn_with_the_film() -> None:
    words = [Packet(WORDS, 90000 * at, 90000 * at) for at in (1, 14, 28)]
    film = piece(0, 800)
    for word in words:
        film.insert(next(k for k, p in enumerate(film) if (p.dts or 0) >= (word.dts or 0)), word)
    moved = shifts([*film, *film])
    assert moved[WORDS] == [*[0] * 3, *[32] * 3]
    assert moved[FILM][-1] == moved[SOUND][-1] == 32


@pytest.mark.parametrize("stream", [FILM, SOUND])
@pytest.mark.parametrize("stray", [5 * 3600 * 90000, -3600 * 90000])
def test_one_stray_time_moves_nothing_else(stream: int, stray: int) -> None:
    packets = piece(4 * 3600 * 90000, 200)
    at = [k for k, packet in enumerate(packets) if packet.stream == stream][60]
    pts, dts = packets[at].pts or 0, packets[at].dts or 0
    packets[at] = Packet(stream, pts + stray, dts + stray)
    moved = shifts(packets)
    for each in (FILM, SOUND):
        others = [shift for k, shift in enumerate(moved[each]) if each != stream or k != 60]
        assert set(others) == {0}
    assert abs(moved[stream][60] + stray * TICK) < Fraction(1, 5)


def test_without_leaps_ahead_a_gap_is_a_gap() -> None:
    far = [*piece(0, 40), *piece(90000 * 100, 40)]
    assert set(shifts(far, leaps_ahead=False)[SOUND]) == {0}
    assert shifts(far)[SOUND][-1] == Fraction(8, 5) - 100
    back = [*piece(90000 * 100, 40), *piece(0, 40)]
    assert shifts(back, leaps_ahead=False)[SOUND][-1] == 100 + Fraction(8, 5)


def test_a_clock_that_is_set_anew_all_the_time_is_none() -> None:
    packets = [packet for k in range(1002) for packet in piece(k % 2 * 90000 * 1000, 4)]
    assert find_pieces(packets, TICKS, FILM).turns == ()


def test_pictures_that_do_not_tell_their_time_count(tmp_path: Path) -> None:
    """MPEG-PS tells the time of some pictures only, here not of the last."""
    mpeg2 = ("-c:v", "mpeg2video", "-g", "12", "-bf", "2")
    part = pattern(tmp_path / "part.vob", 2, "-qscale:v", "2", rate="25", codec=mpeg2)
    film = tmp_path / "in.vob"
    film.write_bytes(Path(part).read_bytes() * 3)
    times = [frame.time for frame in decode(probe(str(film)))]
    assert times == [times[0] + Fraction(k, 25) for k in range(150)]


def recordings(folder: Path, ending: str, offsets: Sequence[str]) -> Iterator[Path]:
    """A recording of 2 s of picture and sound for each of `offsets`, at which its clock begins."""
    for at, offset in enumerate(offsets):
        silent = pattern(folder / f"silent{at}.mp4", 2, "-g", "25", rate="25", size="64x48")
        tone = folder / f"tone{at}.wav"
        ffmpeg("-f", "lavfi", "-i", f"anoisesrc=d=2:r=48000:seed={at + 1}", tone)
        path = folder / f"part{at}{ending}"
        codec = "aac" if ending == ".flv" else "mp2"  # TS gives AAC headers of its own
        words = ("-c:v", "copy", "-c:a", codec, "-output_ts_offset", offset)
        ffmpeg("-i", silent, "-i", tone, *words, path)
        yield path


def joined(folder: Path, ending: str, offsets: Sequence[str]) -> tuple[Path, list[Path]]:
    """The recordings one after the other in one file, as `cat` does it."""
    parts = list(recordings(folder, ending, offsets))
    bodies = [part.read_bytes() for part in parts]
    header = 13 if ending == ".flv" else 0
    film = folder / f"in{ending}"
    film.write_bytes(bodies[0] + b"".join(body[header:] for body in bodies[1:]))
    return film, parts


def sound(path: Path) -> dict[str, float]:
    """When each packet of sound is played, counted from the first picture, by its content."""
    entries = ("-show_entries", "packet=pts_time,data_hash", "-show_data_hash", "md5")
    words = ["ffprobe", "-v", "error", "-select_streams", "a", *entries, "-of", "json", str(path)]
    told = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    first = min(float(at) for at, *_ in ffprobe(path, "packet=pts_time", "-select_streams", "v"))
    return {packet["data_hash"]: float(packet["pts_time"]) - first for packet in told["packets"]}


@pytest.mark.parametrize(
    ("ending", "offsets"),
    [
        (".ts", ("0", "103", "5")),  # ahead, and back by more than ffmpeg takes for a wrap
        pytest.param(".ts", ("30", "20", "10", "500"), marks=pytest.mark.slow),
        (".flv", ("0", "0")),
    ],
)
def test_joined_recordings_play_on_sound_and_picture_alike(
    tmp_path: Path, ending: str, offsets: Sequence[str]
) -> None:
    film, parts = joined(tmp_path, ending, offsets)
    info = probe(str(film))
    (notice,) = info.notices
    assert f"{len(parts)} pieces" in notice
    assert info.duration == 2 * len(parts)
    output = tmp_path / "out.mkv"
    remake(str(film), output, Fraction(50))
    times = sorted(float(t) for t, *_ in ffprobe(output, "packet=pts_time", "-select_streams", "v"))
    assert len(times) == 100 * len(parts)
    played = sound(output)
    for at, part in enumerate(parts):
        own = sound(part)
        there = [digest for digest in own if digest in played]
        # Sound that lies over the end of the sound before it is left out.
        assert len(there) >= len(own) - 4
        for digest in there:
            assert played[digest] - own[digest] == pytest.approx(2 * at, abs=0.004)
    steps = [right - left for left, right in pairwise(sorted(played.values()))]
    assert all(0.009 < step < 0.06 for step in steps)


def test_a_part_of_joined_recordings_is_that_part_of_the_whole(tmp_path: Path) -> None:
    film, _ = joined(tmp_path, ".ts", ("0", "103", "5"))
    words = ("--fps", "25", "-c", "ffv1", "--cuts", "off")
    for name, more in (("whole.mkv", ()), ("part.mkv", ("--start", "1.5", "--end", "4.5"))):
        done = run(["upsample", str(film), "-o", name, *words, *more], tmp_path)
        assert done.code == 0, done
        assert done.stderr.count("clock") == 1
    whole, part = (sound(tmp_path / name) for name in ("whole.mkv", "part.mkv"))
    first = min(whole[digest] - at for digest, at in part.items())
    assert first == pytest.approx(1.5, abs=0.03)
    for digest, at in part.items():
        assert whole[digest] - at == pytest.approx(first, abs=0.004)
    inside = [digest for digest, at in whole.items() if 1.55 <= at <= 4.4]
    assert set(inside) <= set(part) and len(part) <= len(inside) + 10


def test_sound_that_is_coded_anew_plays_on_too(tmp_path: Path) -> None:
    film, _ = joined(tmp_path, ".ts", ("0", "103"))
    output = tmp_path / "out.mkv"
    remake(str(film), output, Fraction(50), stretch=Fraction(2))
    ends = [float(t) for t, *_ in ffprobe(output, "packet=pts_time", "-select_streams", "a")]
    assert max(ends) == pytest.approx(8, abs=0.2)
