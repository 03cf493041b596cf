"""Which planar layout holds a pixel format without loss, and how ffmpeg gets there.

swscale repacks exactly only along certain roads (packed RGB to planar RGB, palette to RGB, nv12
to yuv420p ...); elsewhere it goes through YUV and rounds. `plan_pixels` names the road, as filter
steps after which the bytes on the pipe are the decoder's own samples. The way back to a coded
film keeps the samples' meaning: its colour tags.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal, NamedTuple

from filmcli.errors import InputError
from filmcli.frames import Color, Layout, VideoInfo

EXACT_FLAGS = "neighbor+accurate_rnd+full_chroma_inp+full_chroma_int+bitexact"
"""swscale flags under which a repack or a whole-number chroma repeat changes no sample."""

SMOOTH_FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
"""swscale flags for pictures that must change, in size or in colour."""

_CHROMA = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}
_FINER = {"410": "420", "411": "422", "440": "444"}
# Semi-planar and packed YUV: the planar format of the same samples.
_PACKED_YUV = {
    "nv12": "yuv420p", "nv21": "yuv420p", "nv16": "yuv422p", "nv24": "yuv444p",
    "nv42": "yuv444p", "nv20": "yuv422p10", "yuyv422": "yuv422p", "uyvy422": "yuv422p",
    "yvyu422": "yuv422p", "uyyvyy411": "yuv422p", "y210": "yuv422p10", "p010": "yuv420p10",
    "p210": "yuv422p10", "p410": "yuv444p10", "p016": "yuv420p16", "p216": "yuv422p16",
    "p416": "yuv444p16", "ayuv64": "yuv444p16", "xyz12": "gbrp12",
}  # fmt: skip
# Packed RGB: the step before planar RGB (None: straight), and the depth.
_PACKED_RGB = {
    **dict.fromkeys(("rgb24", "bgr24", "0rgb", "0bgr", "rgb0", "bgr0"), (None, 8)),
    **dict.fromkeys(("argb", "rgba", "abgr", "bgra"), (None, 8)),
    **dict.fromkeys(("pal8", "rgb8", "bgr8", "rgb4_byte", "bgr4_byte"), ("rgb24", 8)),
    **dict.fromkeys(("rgb565", "rgb555", "rgb444", "bgr565", "bgr555", "bgr444"), ("rgb24", 8)),
    **dict.fromkeys(("rgb48", "bgr48", "rgba64", "bgra64"), (None, 16)),
    **dict.fromkeys(("x2rgb10", "x2bgr10"), ("rgb48le", 16)),
}
_LOSSY = ("xyz12", "x2rgb10", "x2bgr10")
# Formats with alpha: the step before the layout that keeps it (None: straight), and that layout.
_WITH_ALPHA = {
    **dict.fromkeys(("rgba", "bgra", "argb", "abgr", "gbrap", "pal8", "ya8"), (None, "rgba")),
    **dict.fromkeys(("rgba64", "bgra64"), (None, "gbrap16")),
    "ya16": ("rgba64le", "gbrap16"),
}
# Where the encoders' options have other words than ffprobe and the filters.
_OPTION_WORDS = {
    ("colorspace", "gbr"): "rgb",
    ("color_trc", "bt470m"): "gamma22",
    ("color_trc", "bt470bg"): "gamma28",
}
_ALPHA_DROPPED = "the alpha channel is dropped"


class PixelPlan(NamedTuple):
    """`layout` of the raw pipe, filter `steps` that lead there, and notices for people.

    Each step is the pixel format that one scale filter puts out; no step: the decoder's own
    bytes, possibly under the name of its full-range twin (yuvj420p).
    """

    layout: Layout
    steps: tuple[str, ...]
    notices: tuple[str, ...]


def layout_of(pix_fmt: str) -> Layout | None:
    """The Layout of a planar pixel format, or of rgba; None for any other."""
    if pix_fmt == "rgba":
        return Layout(pix_fmt, "rgb", alpha=True)
    match = re.fullmatch(
        r"(?:yuv(a?)(420|422|444)p|(gray)|gbr(a?)p)(9|10|12|14|16)?(le|be)?", pix_fmt
    )
    if match is None or match[6] == "be":
        return None
    depth = int(match[5] or 8)
    model: Literal["yuv", "gray", "rgb"] = "yuv" if match[2] else "gray" if match[3] else "rgb"
    chroma_x, chroma_y = _CHROMA[match[2]] if match[2] else (0, 0)
    return Layout(pix_fmt, model, depth, chroma_x, chroma_y, bool(match[1] or match[4]))


def with_alpha(info: VideoInfo) -> VideoInfo:
    """The same film with its alpha as one more plane; `info` itself if it has none."""
    if _ALPHA_DROPPED not in info.notices:
        return info
    plan = plan_pixels(info.source_pix_fmt, info.rotation, alpha=True)
    others = tuple(notice for notice in info.notices if notice != _ALPHA_DROPPED)
    return replace(info, layout=plan.layout, notices=others)


def plan_pixels(source: str, rotation: int = 0, alpha: bool = False) -> PixelPlan:
    """The layout that holds the pixel format `source`; InputError if ffmpeg cannot unpack it.

    A quarter turn (`rotation` 90 or 270) makes 4:2:2 into 4:4:4: ffmpeg has no upright 4:2:2
    lying on its side. Without `alpha` that channel is left out, with a notice.
    """
    notices = []
    bare = re.sub(r"(le|be)$", "", source)
    full = bare.replace("yuvj", "yuv")
    match = re.fullmatch(r"yuv(a?)(410|411|420|422|440|444)p(\d*)", full)
    via: str | None = None
    if alpha and bare in _WITH_ALPHA:
        via, target = _WITH_ALPHA[bare]
    elif match:
        chroma = _FINER.get(match[2], match[2])
        if chroma == "422" and rotation in (90, 270):
            chroma = "444"
        target = f"yuv{match[1] if alpha else ''}{chroma}p{match[3]}"
        if match[1] and not alpha:
            notices.append(_ALPHA_DROPPED)
    elif match := re.fullmatch(r"gbr(a?)p(\d*|f32)", bare):
        target = f"gbr{match[1] if alpha else ''}p{match[2].replace('f32', '16')}"
        if match[1] and not alpha:
            notices.append(_ALPHA_DROPPED)
        if match[2] == "f32":
            notices.append("float samples are rounded to 16 bits")
    elif match := re.fullmatch(r"gray(\d*|f32)", bare):
        target = f"gray{match[1].replace('f32', '16')}"
    elif bare in ("ya8", "ya16", "monow", "monob"):
        target = "gray16" if bare == "ya16" else "gray"
        if bare.startswith("ya"):
            notices.append(_ALPHA_DROPPED)
    elif bare in _PACKED_YUV:
        target = _PACKED_YUV[bare]
    elif bare in _PACKED_RGB or bare.startswith("bayer_"):
        via, depth = _PACKED_RGB.get(bare, ("rgb48le", 16) if "16" in bare else ("rgb24", 8))
        target = "gbrp" if depth == 8 else f"gbrp{depth}"
        if bare in _WITH_ALPHA and bare != "pal8":
            notices.append(_ALPHA_DROPPED)
    else:
        raise InputError(
            f"Pictures of pixel format {source} cannot be read.",
            "No planar format is known that holds them.",
            "Convert the film first: ffmpeg -i FILM -c:v ffv1 -pix_fmt yuv444p16le new.mkv",
        )
    if bare in _LOSSY:
        notices.append(f"pictures are converted from {source}; kept frames may differ by rounding")
    return _plan(source, target, via, tuple(notices))


def _plan(source: str, target: str, via: str | None, notices: tuple[str, ...]) -> PixelPlan:
    if target[-1].isdigit():
        target += "le"
    layout = layout_of(target)
    assert layout is not None, target
    same_bytes = source.replace("yuvj", "yuv") == target
    steps = () if same_bytes else tuple(step for step in (via, target) if step)
    return PixelPlan(layout, steps, notices)


def coded_color(info: VideoInfo, pix_fmt: str) -> Color:
    """What the samples of `info`'s film mean once they are coded as `pix_fmt`."""
    color = info.color
    if info.layout.model == "rgb" and "yuv" in pix_fmt:
        return Color("bt709", color.primaries or "bt709", color.transfer, "tv")
    if info.layout.model == "yuv" and re.match("rgb|bgr|gbr|0|arg|abg", pix_fmt):
        return Color("gbr", color.primaries, color.transfer, "pc")
    if pix_fmt.startswith("yuvj"):
        return Color(color.matrix, color.primaries, color.transfer, "pc", color.chroma_location)
    return color


def color_words(color: Color) -> dict[str, str]:
    """ffmpeg's output options for the tags that `color` has."""
    named = {
        "colorspace": color.matrix,
        "color_primaries": color.primaries,
        "color_trc": color.transfer,
        "color_range": color.range,
        "chroma_sample_location": color.chroma_location,
    }
    return {key: _OPTION_WORDS.get((key, tag), tag) for key, tag in named.items() if tag}


def filter_words(color: Color) -> dict[str, str]:
    """The words of ffmpeg's filter setparams for the tags that `color` has."""
    named = {
        "colorspace": color.matrix,
        "color_primaries": color.primaries,
        "color_trc": color.transfer,
        "range": color.range,
    }
    return {key: tag for key, tag in named.items() if tag}


def rgb_words(info: VideoInfo) -> dict[str, str]:
    """The scale filter's words that make RGB of a film in YUV, as players show it."""
    # Untagged pictures mean what players take them for.
    matrix = info.color.matrix or ("bt709" if info.height >= 720 else "bt470bg")
    matrix = re.sub("bt2020.*", "bt2020", matrix)
    before = info.color.range or "tv"
    return {"flags": SMOOTH_FLAGS, "in_color_matrix": matrix, "in_range": before}
