"""Files that nobody should trust: damaged at random, or made to deceive."""

from __future__ import annotations

import os
import pickle
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from filmcli.frames import Layout
from filmcli.network.weights import shipped
from filmcli.video import decode
from tests.clips import ffmpeg, noise, write_film
from tests.forked import Done, run
from tests.marks import slow

CONTAINERS = {
    ".mp4": ("-c:v", "libx264", "-bf", "2", "-c:a", "aac"),
    ".mkv": ("-c:v", "libx264", "-bf", "2", "-c:a", "flac"),
    ".ts": ("-c:v", "mpeg2video", "-c:a", "mp2"),
    ".avi": ("-c:v", "mpeg4", "-c:a", "pcm_s16le"),
    ".gif": (),
    ".y4m": (),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One small film for each container."""
    folder, found = tmp_path_factory.mktemp("films"), {}
    for ending, words in CONTAINERS.items():
        path = folder / f"film{ending}"
        sound = ("-f", "lavfi", "-i", "sine=d=0.2") if words else ()
        picture = "testsrc2=size=48x32:rate=25:duration=0.2,format=yuv420p"
        ffmpeg("-f", "lavfi", "-i", picture, *sound, *words, path)
        found[ending] = path.read_bytes()
    return found


def damaged(whole: bytes, seed: str, count: int) -> Iterator[bytes]:
    """`count` copies, each damaged in one of six ways at places drawn from `seed`."""
    chance = random.Random(seed)
    for at in range(count):
        bytes_ = bytearray(whole)
        # Headers lie at the beginning, or at the end: most of the damage goes there.
        reach = chance.choice((64, 512, len(bytes_)))
        place = chance.randrange(min(reach, len(bytes_)))
        place = len(bytes_) - 1 - place if chance.random() < 0.3 else place
        match at % 6:
            case 0:
                for _ in range(chance.choice((1, 4, 32))):
                    hit = min(place + chance.randrange(256), len(bytes_) - 1)
                    bytes_[hit] ^= 1 << chance.randrange(8)
            case 1:
                del bytes_[place:]
            case 2:
                bytes_[place : place + 4] = chance.choice(
                    (b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff")
                )
            case 3:
                del bytes_[place : place + chance.randrange(1, 200)]
            case 4:
                bytes_[place:place] = bytes_[: chance.randrange(1, 400)]
            case _:
                bytes_[place : place + 64] = chance.randbytes(64)
        yield bytes(bytes_)


def check_harmless(folder: Path, name: str, done: Done) -> None:
    """Ended by itself with a documented code, in words, and left nothing but what it promises."""
    assert done.code in (0, 1, 3, 5), done
    assert "Traceback" not in done.stderr, done
    left = {*os.listdir(folder)} - {name}
    if done.code == 0:
        assert left == {done.stdout.strip()}, (left, done)
        return
    assert done.stdout == "", done
    assert "error: " in done.stderr, done
    assert not left or "goes on from there" in done.stderr, (left, done)


def fuzz(
    folder: Path, films: dict[str, bytes], ending: str, count: int, seconds: float = 600
) -> None:
    """Run on `count` damaged films, or on as many as there is time for: six at least."""
    began = time.monotonic()
    for at, bytes_ in enumerate(damaged(films[ending], ending, count)):
        if at >= 6 and time.monotonic() - began > seconds:
            return
        work = folder / str(at)
        work.mkdir()
        (work / f"in{ending}").write_bytes(bytes_)
        done = run(["upsample", f"in{ending}", "--preset", "ultrafast"], work, limit_seconds=100)
        check_harmless(work, f"in{ending}", done)


@pytest.mark.parametrize("ending", [".mp4", ".ts", ".y4m", *slow(".mkv", ".avi", ".gif")])
def test_a_damaged_film_does_no_harm(tmp_path: Path, films: dict[str, bytes], ending: str) -> None:
    fuzz(tmp_path, films, ending, 1)


@pytest.mark.slow
@pytest.mark.parametrize("ending", CONTAINERS)
def test_many_damaged_films_do_no_harm(
    tmp_path: Path, films: dict[str, bytes], ending: str
) -> None:
    fuzz(tmp_path, films, ending, 60, seconds=90)


def bombs(folder: Path) -> Iterator[Path]:
    """Small files that claim, or are, pictures of gigabytes."""
    path = folder / "huge.y4m"
    path.write_bytes(b"YUV4MPEG2 W1000000 H1000000 F25:1 C420jpeg\nFRAME\n" + bytes(1000))
    yield path
    path = folder / "huge.gif"
    path.write_bytes(b"GIF89a\xff\xff\xff\xff\xf0\0\0" + bytes(6) + b"!\xf9\4\0\0\0\0\0,\0\0\0\0"
                     b"\xff\xff\xff\xff\0\2\2D\1\0;")  # fmt: skip
    yield path
    path = folder / "huge.mkv"  # 144 megapixels of black
    ffmpeg("-f", "lavfi", "-i", "color=s=12000x12000:r=1,format=gray", "-frames:v", "1",
           "-c:v", "ffvhuff", path)  # fmt: skip
    yield path


@pytest.mark.slow
def test_decompression_bombs_are_refused_in_words(tmp_path: Path) -> None:
    for at, path in enumerate(bombs(tmp_path)):
        work = tmp_path / str(at)
        work.mkdir()
        path.rename(work / path.name)
        done = run(["upsample", path.name], work)
        check_harmless(work, path.name, done)
        assert done.code == 3, done
        assert os.listdir(work) == [path.name]


def few_pictures() -> None:
    """A day of film becomes twenty pictures."""
    decode.MAX_PICTURES = 20


def test_a_film_without_an_end_is_given_up(tmp_path: Path) -> None:
    """As a recording that somebody still adds to, faster than it can be read."""
    gray = Layout("gray", "gray")
    write_film(tmp_path / "in.mkv", noise(gray, 32, 32, 21), gray)
    done = run(["upsample", "in.mkv"], tmp_path, few_pictures)
    assert done.code == 3 and "does not end" in done.stderr, done
    assert os.listdir(tmp_path) == ["in.mkv"]
    write_film(tmp_path / "in.mkv", noise(gray, 32, 32, 20), gray)
    assert run(["upsample", "in.mkv"], tmp_path, few_pictures).code == 0


def playlists(film: str) -> dict[str, str]:
    """Texts that some demuxer would follow to the file `film`."""
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n"
    mpd = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        f'<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
        f"<BaseURL>{film}</BaseURL><SegmentBase/></Representation></AdaptationSet></Period></MPD>"
    )
    return {
        "hls.mp4": hls,
        "hls.ts": hls,
        "concat.mkv": f"ffconcat version 1.0\nfile '{film}'\n",
        "dash.mp4": mpd,
        "list.mov": f"RTSPtext\r\nrtsp://127.0.0.1:9/{film}\r\n",
        "session.sdp": "v=0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "smil.avi": f'<smil><body><video src="{film}"/></body></smil>',
    }


def test_playlists_in_disguise_are_followed_nowhere(
    tmp_path: Path, films: dict[str, bytes]
) -> None:
    bait = tmp_path / "bait.mp4"
    bait.write_bytes(films[".mp4"])
    os.utime(bait, (1, 1))  # the time of its last reading tells on whoever opens it
    for name, text in playlists(str(bait)).items():
        work = tmp_path / name.replace(".", "_")
        work.mkdir()
        (work / name).write_text(text)
        done = run(["upsample", name], work)
        check_harmless(work, name, done)
        assert done.code == 3, (name, done)
    assert bait.stat().st_atime == 1


class _Shell:
    """Unpickled, it leaves a file."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch unpickled",)


def test_weights_of_strangers_are_not_run_and_refused_in_words(
    tmp_path: Path, films: dict[str, bytes]
) -> None:
    (tmp_path / "in.mp4").write_bytes(films[".mp4"])
    ours = shipped("film-m")
    whole = Path(ours).read_bytes()
    shaped = {name: np.zeros(3, np.float32) for name in load_file(ours)}
    strangers = {
        "pickle.pt": pickle.dumps(_Shell()),
        "pickle.safetensors": pickle.dumps(_Shell()),
        "torn.safetensors": whole[: len(whole) // 2],
        "head.safetensors": (1 << 62).to_bytes(8, "little") + whole[8:],
        "shape.safetensors": save(shaped, {"config": "film-m"}),
        "empty.safetensors": b"",
        "text.npz": b"these are no weights",
    }
    for name, content in strangers.items():
        (tmp_path / name).write_bytes(content)
    before = sorted(os.listdir(tmp_path))
    for name in strangers:
        done = run(["upsample", "in.mp4", "-w", name], tmp_path)
        assert done.code == 5 and "Traceback" not in done.stderr, (name, done)
        assert done.stderr.count("error: ") == 1 and done.stdout == "", (name, done)
        assert sorted(os.listdir(tmp_path)) == before
