"""Films with alpha: kept to the last bit where the output holds it, between the pictures too."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filmcli.pipeline.plan import Plan
from filmcli.pipeline.request import Settings
from filmcli.pipeline.upsample import upsample
from filmcli.video.mux import read_tag
from filmcli.video.probe import probe
from tests.clips import ffmpeg, ffprobe
from tests.forked import run
from tests.marks import slow

SIZE = (64, 48)  # width, height


def cutout(count: int, step: int = 2) -> NDArray[np.uint8]:
    """A textured square with soft edges that goes right by `step` px, (count, H, W, 4) RGBA."""
    width, height = SIZE
    pictures = np.zeros((count, height, width, 4), np.uint8)
    rng = np.random.default_rng(0)
    texture = rng.integers(60, 250, (6, 6, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    alpha = np.full((24, 24), 255, np.uint8)
    alpha[[0, -1]] = alpha[:, [0, -1]] = 128
    for at, picture in enumerate(pictures):
        left = 4 + at * step
        picture[12:36, left : left + 24] = np.dstack((texture, alpha))
    return pictures


def write(path: Path, pictures: NDArray[np.uint8], pix_fmt: str, codec: str) -> str:
    given = ("-f", "rawvideo", "-pix_fmt", "rgba", "-s", "{}x{}".format(*SIZE), "-framerate", "10")
    coded = ("-pix_fmt", pix_fmt, "-c:v", codec)
    ffmpeg(*given, "-i", "-", *coded, path, stdin=pictures.tobytes())
    return str(path)


def raw(path: str | Path, pix_fmt: str) -> bytes:
    words = ("-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", pix_fmt)
    return ffmpeg("-i", path, *words, "-")


def rgba(path: str | Path) -> NDArray[np.uint8]:
    return np.frombuffer(raw(path, "rgba"), np.uint8).reshape(-1, SIZE[1], SIZE[0], 4)


@pytest.mark.parametrize(
    ("coder", "coded", "output", "words"),
    [
        ("ffv1", "bgra", "out.mov", {"codec": "png"}),
        ("ffv1", "gbrap10le", "out.mkv", {"codec": "ffv1"}),
        ("ffv1", "yuva420p", "out.mkv", {"codec": "ffv1"}),
        ("ffv1", "bgra", "%02d.png", {}),
        ("ffv1", "bgra", "out.apng", {}),
        *slow(
            ("png", "rgba", "out.mkv", {"codec": "ffv1"}),
            ("ffv1", "gbrap16le", "out.mkv", {"codec": "ffv1"}),
            ("png", "ya8", "out.mkv", {"codec": "ffv1"}),
            ("ffv1", "yuva422p10le", "out.mkv", {"codec": "ffv1"}),
            ("ffv1", "gbrap16le", "%02d.png", {}),
        ),
    ],
)
def test_alpha_of_kept_pictures_is_the_sources_to_the_last_bit(
    tmp_path: Path, coder: str, coded: str, output: str, words: dict[str, str]
) -> None:
    source = write(tmp_path / "in.mkv", cutout(3), coded, coder)
    plans: list[object] = []
    upsample(source, Settings(fps="1x", output=str(tmp_path / output), **words), plans.append)  # type: ignore[arg-type]
    assert not [n for plan in plans if isinstance(plan, Plan) for n in plan.notices]
    # PNG holds ten bits in sixteen, grey and alpha as RGB; what is compared holds both.
    common = {"ya8": "rgba", "bgra": "rgba", "gbrap16le": "rgba64be"}.get(coded, coded)
    assert raw(tmp_path / output, common) == raw(source, common)


@pytest.mark.parametrize("codec", ["ffv1", "prores"])
def test_made_pictures_have_the_alpha_that_lies_between(tmp_path: Path, codec: str) -> None:
    source = write(tmp_path / "in.mkv", cutout(3, step=2), "bgra", "ffv1")
    output = tmp_path / "out.mov" if codec == "prores" else tmp_path / "out.mkv"
    asked = Settings(fps="2x", cuts="off", codec=codec, weights="film-m", output=str(output))
    assert upsample(source, asked).kinds["make"] == 2
    shown = rgba(output)
    truth = rgba(write(tmp_path / "truth.mkv", cutout(5, step=1), "bgra", "ffv1"))
    off = abs(shown[:5, ..., 3].astype(int) - truth[..., 3])
    blend = abs(truth[0, ..., 3].astype(int) / 2 + truth[2, ..., 3] / 2 - truth[1, ..., 3]).mean()
    slack = 2 if codec == "prores" else 0
    assert off[::2].max() <= slack
    assert off[1].mean() < 0.6 * blend and off[3].mean() < 0.6 * blend
    # What is opaque, or not there, in both neighbours is so between them; no black bleeds in.
    assert shown[1, 14:34, 8:26, 3].min() >= 255 - slack
    assert shown[1, :, 36:, 3].max() <= slack
    assert shown[1, 14:34, 8:26, :3].min() > 30


def test_a_gif_stays_cut_out(tmp_path: Path) -> None:
    pictures = cutout(4)
    pictures[..., 3] = (pictures[..., 3] > 64) * 255
    source, output = write(tmp_path / "in.mkv", pictures, "bgra", "ffv1"), tmp_path / "out.gif"
    upsample(source, Settings(fps="1x", output=str(output)))
    assert np.array_equal(rgba(output)[..., 3], pictures[..., 3])


def test_alpha_is_dropped_with_a_notice_where_it_cannot_be_held(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mov", cutout(3), "argb", "qtrle")
    plans: list[object] = []
    upsample(source, Settings(fps="1x", output=str(tmp_path / "out.mp4")), plans.append)
    assert "the alpha channel is dropped" in [
        n for plan in plans if isinstance(plan, Plan) for n in plan.notices
    ]
    assert read_tag(str(tmp_path / "out.mp4"))


def test_alpha_beside_the_pictures_is_dropped_with_a_notice(tmp_path: Path) -> None:
    film = write(tmp_path / "film.mkv", cutout(2), "bgra", "ffv1")
    words = ("-pix_fmt", "yuva420p", "-c:v", "libvpx", "-auto-alt-ref", "0")
    ffmpeg("-i", film, *words, tmp_path / "in.webm")
    assert [n for n in probe(str(tmp_path / "in.webm")).notices if "beside the pictures" in n]


@pytest.mark.parametrize("pix_fmt", ["rgba", "ya16be", "pal8", *slow("rgba64be", "ya8")])
def test_alpha_of_numbered_pictures_is_read(tmp_path: Path, pix_fmt: str) -> None:
    (folder := tmp_path / "shot").mkdir()
    source = write(tmp_path / "in.mkv", cutout(2), "bgra", "ffv1")
    if pix_fmt == "pal8":
        split = "split[a][b];[a]palettegen[p];[b][p]paletteuse"
        ffmpeg("-i", source, "-filter_complex", split, folder / "%d.png")
    else:
        ffmpeg("-i", source, "-pix_fmt", pix_fmt, folder / "%d.png")
    assert ffprobe(folder / "1.png", "stream=pix_fmt") == [[pix_fmt]]
    output = tmp_path / "out.mkv"
    upsample(str(folder), Settings(fps="1x", codec="ffv1", output=str(output)))
    common = "rgba64be" if "16" in pix_fmt or "64" in pix_fmt else "rgba"
    assert raw(output, common) == raw(folder / "%d.png", common)


def test_the_command_line_keeps_alpha(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mkv", cutout(2), "bgra", "ffv1")
    done = run(["upsample", source, "--fps", "1x", "-c", "ffv1", "-o", "-"], tmp_path)
    assert done.code == 0, done.stderr
    film = tmp_path / "piped.mkv"
    film.write_bytes(done.film)
    assert raw(film, "rgba") == raw(source, "rgba")
    assert Fraction(ffprobe(film, "stream=r_frame_rate")[0][0]) == 10
