"""The real command on films whose every frame tells its number by its brightness."""

import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.forked import Done, run

WIDE, HIGH = 96, 64


def level(rate: int, index: int) -> int:
    """Luma of frame `index` of a film at `rate`; 24 and 60 never look alike."""
    return 30 + 7 * index if rate == 24 else 33 + 3 * index


def film(
    path: Path, rate: int, size: tuple[int, int] = (WIDE, HIGH), words: str = "", sound: str = ""
) -> Path:
    """One second of even grey frames; `words` are more of ffmpeg's, before the output."""
    frames = b"".join(
        bytes([level(rate, k)]) * (size[0] * size[1]) + bytes([128]) * (size[0] * size[1] // 2)
        for k in range(rate)
    )
    tone = f"-f lavfi -i sine=d=1 -c:a {sound}".split() if sound else []
    raw = f"-f rawvideo -pix_fmt yuv420p -s {size[0]}x{size[1]} -r {rate} -i -".split()
    command = ["ffmpeg", "-v", "error", "-y", *raw, *tone, *words.split(), "-crf", "1"]
    subprocess.run([*command, f"file:{path}"], input=frames, check=True)
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A source at 24 frames a second with sound, and a result at 60."""
    folder = tmp_path_factory.mktemp("films")
    return film(folder / "a.mp4", 24, sound="aac"), film(folder / "b.mp4", 60)


def compare(*words: str | Path) -> Done:
    return run(["compare", *map(str, words)], Path.cwd())


def luma(path: Path, width: int, height: int) -> np.ndarray:
    """All frames' Y, (N, H, W)."""
    words = ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    command = ["ffmpeg", "-v", "error", "-i", f"file:{path}", *words]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    whole = np.frombuffer(raw, np.uint8).reshape(-1, height * width * 3 // 2)
    return whole[:, : height * width].reshape(-1, height, width)


def probed(path: Path, entries: str) -> list[dict[str, str]]:
    answer = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_entries", entries, f"file:{path}"],
        capture_output=True,
        check=True,
    )
    return json.loads(answer.stdout)[entries.split("=")[0] + "s"]


def held(k: int) -> int:
    """The source's luma while the result shows its frame k."""
    return level(24, int(k * Fraction(24, 60)))


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_side_by_side_the_source_is_held_by_its_own_times(tmp_path: Path, ending: str) -> None:
    a, b = film(tmp_path / f"a.{ending}", 24), film(tmp_path / f"b.{ending}", 60)
    done = compare(a, b)
    output = tmp_path / f"b.compare.{ending}"
    assert (done.code, done.stdout.strip()) == (0, str(output)), done.stderr
    shown = luma(output, 2 * WIDE, HIGH)
    assert len(shown) == 60
    for k, picture in enumerate(shown):
        assert abs(int(picture[-8, 20]) - held(k)) <= 1, k
        assert abs(int(picture[-8, WIDE + 20]) - level(60, k)) <= 1, k
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"a.{ending}",
        f"b.compare.{ending}",
        f"b.{ending}",
    ]


@pytest.mark.parametrize(
    ("layout", "size", "source_at", "result_at"),
    [
        ("stack", (WIDE, 2 * HIGH), (HIGH - 5, 40), (2 * HIGH - 5, 40)),
        ("split", (WIDE, HIGH), (HIGH - 5, WIDE // 2 - 20), (HIGH - 5, WIDE // 2 + 20)),
    ],
)
def test_other_layouts(
    films: tuple[Path, Path],
    tmp_path: Path,
    layout: str,
    size: tuple[int, int],
    source_at: tuple[int, int],
    result_at: tuple[int, int],
) -> None:
    output = tmp_path / "c.mkv"
    assert compare(*films, "--layout", layout, "-o", output).code == 0
    shown = luma(output, *size).astype(int)
    for k, picture in enumerate(shown):
        assert abs(picture[source_at] - held(k)) <= 1
        assert abs(picture[result_at] - level(60, k)) <= 1


def test_diff_is_four_times_the_difference(films: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "c.mp4"
    assert compare(*films, "--layout", "diff", "-o", output).code == 0
    for k, picture in enumerate(luma(output, WIDE, HIGH)):
        apart = abs(level(60, k) - held(k))
        assert abs(int(picture[-8, 40]) - min(235, 16 + 4 * apart)) <= 3, k


def test_frames_of_a_variable_rate_keep_their_times(tmp_path: Path) -> None:
    a = film(tmp_path / "a.mp4", 24)
    b = film(tmp_path / "b.mp4", 60, words="-vf select=not(mod(n\\,7))+eq(n\\,9) -fps_mode vfr")
    assert compare(a, b).code == 0
    output = tmp_path / "b.compare.mp4"
    times = [frame["pts_time"] for frame in probed(b, "frame=pts_time")]
    assert [frame["pts_time"] for frame in probed(output, "frame=pts_time")] == times
    for time, picture in zip(times, luma(output, 2 * WIDE, HIGH), strict=True):
        assert abs(int(picture[-8, 20]) - held(round(float(time) * 60))) <= 1


def test_the_sound_is_the_source_s_own(films: tuple[Path, Path], tmp_path: Path) -> None:
    def packets(path: Path) -> bytes:
        words = f"ffmpeg -v error -i file:{path} -map 0:a -c copy -f md5 -".split()
        return subprocess.run(words, capture_output=True, check=True).stdout

    output = tmp_path / "c.mp4"
    assert compare(*films, "-o", output).code == 0
    assert packets(output) == packets(films[0])


def test_pcm_loses_nothing_in_mp4_and_stays_in_matroska(tmp_path: Path) -> None:
    a, b = film(tmp_path / "a.mkv", 24, sound="pcm_s16le"), film(tmp_path / "b.mp4", 60)
    for name, codec in (("c.mp4", "alac"), ("c.mkv", "pcm_s16le")):
        assert compare(a, b, "-o", tmp_path / name).code == 0
        assert probed(tmp_path / name, "stream=codec_name")[1]["codec_name"] == codec


def test_slow_stretches_time_and_leaves_the_sound_out(
    films: tuple[Path, Path], tmp_path: Path
) -> None:
    output = tmp_path / "c.mp4"
    assert compare(*films, "--slow", "4", "-o", output).code == 0
    streams = probed(output, "stream=codec_type,nb_frames")
    assert [(s["codec_type"], s["nb_frames"]) for s in streams] == [("video", "60")]
    times = [float(frame["pts_time"]) for frame in probed(output, "frame=pts_time")]
    assert times == pytest.approx([k * 4 / 60 for k in range(60)], abs=1e-4)


def test_a_smaller_source_is_enlarged_and_its_shape_kept(
    films: tuple[Path, Path], tmp_path: Path
) -> None:
    small = film(tmp_path / "a.mp4", 24, size=(32, 32))
    assert compare(small, films[1], "-o", tmp_path / "c.mp4").code == 0
    first = luma(tmp_path / "c.mp4", 2 * WIDE, HIGH)[0, -8].astype(int)
    assert abs(first[WIDE // 2] - held(0)) <= 1  # 64x64 in the middle of 96x64
    assert max(first[:12]) <= 18  # black beside it
    assert max(first[WIDE - 12 : WIDE - 2]) <= 18


def test_odd_sizes_and_the_same_file_twice(tmp_path: Path) -> None:
    odd = tmp_path / "odd.mkv"
    words = f"ffmpeg -v error -f lavfi -i testsrc=s=51x37:d=0.2 -pix_fmt yuv420p -c:v ffv1 {odd}"
    subprocess.run(words.split(), check=True)
    assert compare(odd, odd).code == 0
    assert luma(tmp_path / "odd.compare.mkv", 104, 38).shape == (5, 38, 104)


def test_stills_are_spread_and_show_no_kept_frame(films: tuple[Path, Path], tmp_path: Path) -> None:
    done = compare(*films, "--stills", "3", "-o", tmp_path / "s.mp4")
    names = [tmp_path / f"s-{number}.png" for number in (1, 2, 3)]
    assert (done.code, done.stdout.split()) == (0, [str(name) for name in names])
    assert sorted(tmp_path.iterdir()) == names
    for name, k in zip(names, (9, 29, 49), strict=True):
        streams = probed(name, "stream=width,height")
        assert (streams[0]["width"], streams[0]["height"]) == (2 * WIDE, HIGH)
        raw = subprocess.run(
            f"ffmpeg -v error -i {name} -f rawvideo -pix_fmt gray -".split(),
            capture_output=True,
            check=True,
        ).stdout
        row = np.frombuffer(raw, np.uint8).reshape(HIGH, 2 * WIDE)[-8].astype(float)
        assert row[20] == pytest.approx((held(k) - 16) * 255 / 219, abs=2)
        assert row[WIDE + 20] == pytest.approx((level(60, k) - 16) * 255 / 219, abs=2)


def test_there_are_no_more_stills_than_frames(films: tuple[Path, Path], tmp_path: Path) -> None:
    short = tmp_path / "short.mkv"
    words = f"ffmpeg -v error -i {films[1]} -frames:v 3 -c:v ffv1 {short}"
    subprocess.run(words.split(), check=True)
    assert compare(films[0], short, "--stills", "12").code == 0
    assert len(list(tmp_path.glob("short.compare-*.png"))) == 3


def test_names_may_hold_anything(films: tuple[Path, Path], tmp_path: Path) -> None:
    for stem in ("-it's 100%d: [a],\n ü", os.fsdecode(b"caf\xe9")):
        strange = tmp_path / f"{stem}.mp4"
        strange.write_bytes(films[1].read_bytes())
        assert compare(films[0], strange).code == 0
        assert (tmp_path / f"{stem}.compare.mp4").exists()
        assert compare(films[0], strange, "--stills", "1").code == 0
        assert (tmp_path / f"{stem}.compare-1.png").exists()


def test_what_exists_is_replaced_only_when_asked(films: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "c.mp4"
    output.write_text("mine")
    done = compare(*films, "-o", output)
    assert done.code == 4
    assert output.read_text() == "mine"
    (tmp_path / "c-2.png").write_text("mine")
    assert compare(*films, "-o", output, "--stills", "2").code == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c-2.png", "c.mp4"]
    assert compare(*films, "-o", output, "-y").code == 0
    assert len(luma(output, 2 * WIDE, HIGH)) == 60


@pytest.mark.parametrize("layout", ["side", "diff"])
def test_ten_bits_stay_ten_bits(films: tuple[Path, Path], tmp_path: Path, layout: str) -> None:
    deep = tmp_path / "deep.mkv"
    words = f"ffmpeg -v error -i {films[1]} -frames:v 6 -pix_fmt yuv420p10le -c:v ffv1 {deep}"
    subprocess.run(words.split(), check=True)
    assert compare(films[0], deep, "--layout", layout).code == 0
    stream = probed(tmp_path / "deep.compare.mkv", "stream=pix_fmt")[0]
    assert stream["pix_fmt"] == "yuv420p10le"


def test_bad_words_and_bad_films(films: tuple[Path, Path], tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("this is no film\n" * 50)
    cases = {
        (films[0], tmp_path / "missing.mp4"): 3,
        (text, films[1]): 3,
        (films[0], text): 3,
        (films[0], films[1], "--layout", "wheel"): 2,
        (films[0], films[1], "--slow", "0"): 2,
        (films[0], films[1], "--stills", "0"): 2,
        (films[0], films[1], "-o", tmp_path / "c.webm"): 2,
        (films[0], films[1], "-y", "-o", films[0]): 2,
        (films[0], films[1], "-o", tmp_path / "nowhere" / "c.mp4"): 5,
    }
    for words, code in cases.items():
        done = compare(*words)
        assert done.code == code, (words, done.stderr)
        assert "rror" in done.stderr
        assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["text.mp4"]
    assert films[0].stat().st_size > 1000


def test_folders_and_patterns_of_pictures_are_films(
    tmp_path: Path, films: tuple[Path, Path]
) -> None:
    for name, path in zip("ab", films, strict=True):
        (tmp_path / name).mkdir()
        words = ["-i", f"file:{path}", "-fps_mode", "passthrough", f"{tmp_path / name}/%d.png"]
        subprocess.run(["ffmpeg", "-v", "error", *words], check=True)
    pictures = (tmp_path / "a", tmp_path / "b" / "%d.png")
    assert run(["compare", *map(str, pictures)], tmp_path).code == 2  # at which rate?
    for both, name, rate in ((pictures, "c.mp4", ["--fps", "60"]), (films, "d.mp4", [])):
        words = ["compare", *map(str, both), *rate, "--layout", "stack", "-o", name]
        done = run(words, tmp_path)
        assert done.code == 0, done.stderr
    pair = [luma(tmp_path / name, WIDE, 2 * HIGH)[:, 20:] for name in ("c.mp4", "d.mp4")]
    assert len(pair[0]) == len(pair[1]) == 60
    centre = [shown[:, [28, 92], 48].astype(int) for shown in pair]  # below the labels
    assert abs(centre[0] - centre[1]).max() <= 2
    words = ["compare", *map(str, pictures), "--fps", "60", "--stills"]
    stills = run([*words, "2"], tmp_path)
    assert stills.stdout.splitlines() == [f"{tmp_path}/b/b.compare-{n}.png" for n in (1, 2)]
    among = run([*words, "1", "-y", "-o", f"{tmp_path}/a/x.mp4"], tmp_path)
    assert among.code == 2 and "never replaced" in among.stderr


def test_sound_that_nobody_can_decode_is_left_out_with_a_word(
    tmp_path: Path, films: tuple[Path, Path]
) -> None:
    """As a telephone's spatial sound: a second track whose codec has a name of its own."""
    source = tmp_path / "in.mov"
    tracks = ["-map", "0", "-map", "0:a", "-c", "copy", "-c:a:1", "pcm_s16le"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", films[0], *tracks, source], check=True)
    content = source.read_bytes()
    assert content.count(b"sowt") == 1
    source.write_bytes(content.replace(b"sowt", b"apac"))
    for name in ("out.mp4", "out.mkv"):
        done = run(["compare", "in.mov", str(films[1]), "-o", name], tmp_path)
        assert done.code == 0, done.stderr
        assert "warning: sound stream 2 cannot be written, and is left out" in done.stderr
        assert tracks_of(tmp_path / name) == ["aac"]


def tracks_of(path: Path) -> list[str]:
    words = ["-select_streams", "a", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]
    told = subprocess.run(["ffprobe", "-v", "error", *words, path], capture_output=True, check=True)
    return told.stdout.decode().split()


@pytest.mark.parametrize("layout", ["side", "split", "diff"])
def test_colour_that_four_columns_share_is_shown_at_odd_widths(tmp_path: Path, layout: str) -> None:
    width, height = 65, 48
    picture = bytes([90]) * (width * height) + bytes([128]) * (2 * 17 * 12)
    raw = f"-f rawvideo -pix_fmt yuv410p -s {width}x{height} -r 24 -i - -c:v ffv1 in.mkv".split()
    subprocess.run(["ffmpeg", "-v", "error", *raw], input=picture * 4, cwd=tmp_path, check=True)
    words = ["--layout", layout, "-o", "out.mp4"]
    done = run(["compare", "in.mkv", "in.mkv", *words], tmp_path)
    assert done.code == 0, done.stderr
    shown = luma(tmp_path / "out.mp4", 132 if layout == "side" else 66, height)
    assert len(shown) == 4
    assert abs(float(np.median(shown)) - (16 if layout == "diff" else 90)) <= 2


def test_a_page_holds_both_films_and_replaces_nothing_unasked(
    films: tuple[Path, Path], tmp_path: Path
) -> None:
    page = tmp_path / "out.html"
    done = compare(*films, "--page", page)
    assert (done.code, done.stdout.strip()) == (0, str(page)), done.stderr
    assert done.stderr.startswith(f"look at {page}: ") and "both films inside" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]
    assert page.stat().st_size > sum(path.stat().st_size for path in films)
    before = page.read_bytes()
    refused = compare(*films, "--page", page)
    assert (refused.code, page.read_bytes()) == (4, before)
    assert compare(*films, "--page", page, "-y", "--layout", "stack").code == 0
    assert b'data-view="stack"' in page.read_bytes()
    # nor what could come to lie beside it
    (tmp_path / "new.result.mp4").write_bytes(b"mine")
    assert compare(*films, "--page", tmp_path / "new.html").code == 4


def test_a_page_is_an_output_by_itself(films: tuple[Path, Path], tmp_path: Path) -> None:
    for words in (("-o", "b.mp4"), ("--stills", "2")):
        done = compare(*films, "--page", tmp_path / "out.html", *words)
        assert done.code == 2 and "--page" in done.stderr
    done = compare(films[0], tmp_path / "missing.mp4", "--page", tmp_path / "out.html")
    assert done.code == 3
    assert list(tmp_path.iterdir()) == []
