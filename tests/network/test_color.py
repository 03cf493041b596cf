"""Planes to RGB and back: known values, and that nothing is lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from filmcli.frames import Color, Layout, Planes
from filmcli.network.color import download, from_rgb, to_rgb, upload

CPU = torch.device("cpu")
LAYOUTS = {
    "yuv420p": Layout("yuv420p", "yuv", 8, 1, 1),
    "yuv422p": Layout("yuv422p", "yuv", 8, 1, 0),
    "yuv440p": Layout("yuv440p", "yuv", 8, 0, 1),
    "yuv411p": Layout("yuv411p", "yuv", 8, 2, 0),
    "yuv444p": Layout("yuv444p", "yuv", 8),
    "yuv420p10le": Layout("yuv420p10le", "yuv", 10, 1, 1),
    "yuv444p12le": Layout("yuv444p12le", "yuv", 12),
    "gray": Layout("gray", "gray", 8),
    "gray16le": Layout("gray16le", "gray", 16),
    "gbrp": Layout("gbrp", "rgb", 8),
    "gbrp10le": Layout("gbrp10le", "rgb", 10),
}
RGBA = Layout("rgba", "rgb", 8, alpha=True)
YUVA = Layout("yuva420p10le", "yuv", 10, 1, 1, alpha=True)
MATRICES = ("bt709", "smpte170m", "bt470bg", "bt2020nc", "smpte240m", "fcc", "ycgco", None)
SITINGS = ("left", "center", "topleft", "top", "bottomleft", "bottom", None)


def there_and_back(planes: Planes, layout: Layout, color: Color) -> Planes:
    (result,) = download(
        from_rgb(to_rgb(upload(planes, CPU), layout, color), layout, color), layout
    )
    return result


def noise(layout: Layout, width: int, height: int, seed: int = 0) -> Planes:
    generator = np.random.default_rng(seed)
    return tuple(
        generator.integers(0, 1 << layout.depth, shape).astype(layout.dtype)
        for shape in layout.plane_shapes(width, height)
    )


def rgb_of(codes: tuple[int, ...], layout: Layout, color: Color, height: int = 2) -> list[float]:
    planes = tuple(
        np.full(shape, code, layout.dtype)
        for shape, code in zip(layout.plane_shapes(2, height), codes, strict=True)
    )
    rgb = to_rgb(upload(planes, CPU), layout, color)
    assert rgb.shape == (1, 3, height, 2)
    return [float(x) for x in rgb[0, :, 0, 0]]


@pytest.mark.parametrize(
    ("name", "color", "codes", "expected"),
    [
        ("yuv420p", Color(), (16, 128, 128), (0, 0, 0)),
        ("yuv420p", Color(), (235, 128, 128), (1, 1, 1)),
        ("yuv444p", Color(range="pc"), (255, 128, 128), (1, 1, 1)),
        ("yuv420p10le", Color(), (940, 512, 512), (1, 1, 1)),
        # SMPTE colour bars at 100 %: red, blue and green in limited BT.709 and BT.601
        ("yuv444p", Color("bt709"), (63, 102, 240), (1, 0, 0)),
        ("yuv444p", Color("bt709"), (32, 240, 118), (0, 0, 1)),
        ("yuv444p", Color("smpte170m"), (81, 90, 240), (1, 0, 0)),
        ("yuv444p", Color("smpte170m"), (145, 54, 34), (0, 1, 0)),
        ("gbrp", Color(), (255, 0, 51), (0.2, 1, 0)),
        ("gbrp", Color(range="tv"), (16, 235, 16), (0, 0, 1)),
        ("gray", Color(), (255,), (1, 1, 1)),
        ("gray", Color(range="tv"), (235,), (1, 1, 1)),
    ],
)
def test_known_colours(
    name: str, color: Color, codes: tuple[int, ...], expected: tuple[float, ...]
) -> None:
    assert rgb_of(codes, LAYOUTS[name], color) == pytest.approx(expected, abs=0.006)


def test_untagged_matrix_depends_on_the_height() -> None:
    layout = LAYOUTS["yuv444p"]
    for height, matrix in ((718, "smpte170m"), (720, "bt709")):
        codes = (90, 100, 200)
        assert rgb_of(codes, layout, Color(), height) == rgb_of(
            codes, layout, Color(matrix), height
        )
    assert rgb_of(codes, layout, Color("bt709")) != rgb_of(codes, layout, Color("smpte170m"))


def test_codes_beyond_black_and_white_are_not_clipped() -> None:
    assert rgb_of((5, 128, 128), LAYOUTS["yuv444p"], Color())[0] == pytest.approx(-11 / 219)
    assert rgb_of((250, 128, 128), LAYOUTS["yuv444p"], Color())[0] == pytest.approx(234 / 219)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(LAYOUTS)),
    matrix=st.sampled_from(MATRICES),
    siting=st.sampled_from(SITINGS),
    color_range=st.sampled_from(("tv", "pc", None)),
    width=st.integers(1, 9),
    height=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_noise_comes_back_unchanged(
    name: str, matrix: str, siting: str, color_range: str, width: int, height: int, seed: int
) -> None:
    layout = LAYOUTS[name]
    # Whole chroma samples: at an odd edge half of the last one's picture is missing.
    width, height = width << layout.chroma_x, height << layout.chroma_y
    color = Color(matrix, range=color_range, chroma_location=siting)  # type: ignore[arg-type]
    planes = noise(layout, width, height, seed)
    for before, after in zip(planes, there_and_back(planes, layout, color), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("siting", SITINGS)
def test_smooth_picture_of_odd_size_comes_back_within_a_level(siting: str) -> None:
    layout, color = LAYOUTS["yuv420p"], Color(chroma_location=siting)
    planes = tuple(
        np.add.outer(np.arange(h) * 2, np.arange(w)).astype(np.uint8) + 40
        for h, w in layout.plane_shapes(37, 23)
    )
    for before, after in zip(planes, there_and_back(planes, layout, color), strict=True):
        assert before.shape == after.shape
        assert np.abs(before.astype(int) - after.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("siting", "x", "y"),
    [("left", 0, 0.5), ("center", 0.5, 0.5), ("topleft", 0, 0), ("bottom", 0.5, 1)],
)
def test_chroma_is_sited_where_the_tag_says(siting: str, x: float, y: float) -> None:
    """A chroma ramp sampled at the tagged places is the same ramp at every pixel."""
    layout, color = LAYOUTS["yuv420p"], Color("bt709", chroma_location=siting)
    rows, columns = np.arange(8) * 2 + y, np.arange(8) * 2 + x
    ramp = np.add.outer(2 * rows, 4 * columns) + 60  # whole codes at each of these sitings
    planes = (np.full((16, 16), 100, np.uint8), ramp.astype(np.uint8), np.full((8, 8), 128, "u1"))
    rgb = to_rgb(upload(planes, CPU), layout, color)
    blue_difference = (rgb[0, 2] - rgb[0, 0]) / (2 - 2 * 0.0722) * 224 + 128
    pixels = np.add.outer(2 * np.arange(16), 4 * np.arange(16)) + 60
    inside = slice(2, 14)
    np.testing.assert_allclose(
        blue_difference.numpy()[inside, inside], pixels[inside, inside], atol=0.01
    )


def test_codes_are_rounded_not_cut() -> None:
    layout = LAYOUTS["gray"]
    codes = torch.tensor([-3.0, 0.4, 0.5, 99.49, 99.5, 254.7, 300.0]).reshape(1, 1, 1, 7)
    ((plane,),) = download((codes,), layout)
    assert plane.tolist() == [[0, 0, 1, 99, 100, 255, 255]]
    assert plane.dtype == np.uint8


def test_grey_keeps_its_mean() -> None:
    """Half a level of darkening, as by truncation, would make made frames flicker."""
    layout, color = LAYOUTS["gray"], Color()
    planes = noise(layout, 64, 64)
    rgb = to_rgb(upload(planes, CPU), layout, color)
    wobble = (torch.rand(rgb.shape, generator=torch.Generator().manual_seed(1)) - 0.5) / 255
    ((made,),) = download(from_rgb(rgb + wobble, layout, color), layout)
    inner = (planes[0] > 0) & (planes[0] < 255)
    assert abs(made[inner].mean() - planes[0][inner].mean()) < 0.02


def test_batch_becomes_one_picture_each() -> None:
    layout = LAYOUTS["yuv420p10le"]
    first, second = noise(layout, 8, 6, 1), noise(layout, 8, 6, 2)
    batch = tuple(torch.cat(p) for p in zip(upload(first, CPU), upload(second, CPU), strict=True))
    pictures = download(from_rgb(to_rgb(batch, layout, Color()), layout, Color()), layout)
    for before, after in zip((first, second), pictures, strict=True):
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(a, b)
            assert b.dtype == layout.dtype


@pytest.mark.parametrize("layout", [RGBA, YUVA], ids=lambda layout: layout.pix_fmt)
def test_what_is_opaque_comes_back_and_what_is_not_seen_has_no_colour(layout: Layout) -> None:
    planes = noise(layout, 16, 8)
    planes[3][:] = (1 << layout.depth) - 1
    back = there_and_back(planes, layout, Color())
    assert all(map(np.array_equal, planes, back))
    planes[3][:] = 0
    back = there_and_back(planes, layout, Color())
    assert not back[3].any()
    assert rgb_of_planes(back, layout).abs().max() == 0
    assert to_rgb(upload(planes, CPU), layout, Color()).abs().max() == 0


def rgb_of_planes(planes: Planes, layout: Layout) -> torch.Tensor:
    """RGB of the colours alone."""
    bare = Layout(layout.pix_fmt, layout.model, layout.depth, layout.chroma_x, layout.chroma_y)
    return to_rgb(upload(planes[:3], CPU), bare, Color())


def test_half_seen_colours_come_back() -> None:
    planes = noise(RGBA, 16, 8)
    planes[3][:] = 128
    assert all(map(np.array_equal, planes, there_and_back(planes, RGBA, Color())))
    seen = to_rgb(upload(planes, CPU), RGBA, Color())
    assert torch.allclose(seen[:, 3], torch.tensor(128 / 255))
    assert torch.allclose(seen[0, 0], torch.from_numpy(planes[2] / 255 * 128 / 255).float())


def test_all_16_bits_travel() -> None:
    layout = Layout("gray16le", "gray", 16)
    plane = np.array([[0, 1, 32767], [32768, 65534, 65535]], layout.dtype)
    (codes,) = upload((plane,), CPU)
    assert codes.flatten().tolist() == plane.ravel().tolist()
    ((back,),) = download((codes,), layout)
    assert back.dtype == layout.dtype
    assert np.array_equal(back, plane)
