"""Which encoder codes the film, and in which of its pixel formats."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from filmcli.errors import MachineError
from filmcli.frames import Layout, VideoInfo
from filmcli.video.pixels import layout_of, with_alpha
from filmcli.video.process import ask

RAW = "y4m"
"""The codec of a film that is not coded, as pipes carry it."""

NVENC = "nvenc"
"""The codec that NVIDIA's engine codes best: H.264, or HEVC where that would spoil the film."""

_ENCODERS = {
    "x264": "libx264",
    "x265": "libx265",
    "av1": "libsvtav1",
    "prores": "prores_ks",
    "ffv1": "ffv1",
    NVENC: "h264_nvenc",
    RAW: "rawvideo",
}
_SEMI_PLANAR = {
    "nv12": Layout("nv12", "yuv", 8, 1, 1),
    "p010le": Layout("p010le", "yuv", 10, 1, 1),
    "p016le": Layout("p016le", "yuv", 16, 1, 1),
}
_PACKED_RGB = ("rgb24", "bgr24", "bgr0", "rgb0", "0rgb", "0bgr")
_PACKED_RGBA = ("bgra", "argb", "abgr")
# Those whose alpha a segment holds: VP8's lies beside the coded pictures, and NUT has no qtrle.
_ALPHA_ENCODERS = ("ffv1", "prores_ks", "png")
_ANY_SIZE = ("ffv1", "prores", "utvideo", "huffyuv", "ffvhuff", "mpeg4", "libvpx", "libaom", "raw")
_RAW_FORMATS = "gray yuv420p yuv422p yuv444p gray10le gray12le gray16le " + " ".join(
    f"yuv{chroma}p{depth}le" for chroma in (420, 422, 444) for depth in (9, 10, 12, 14, 16)
)


@dataclass(frozen=True)
class Encoding:
    """How the film is coded: `codec` is x264, x265, av1, prores, ffv1, nvenc, y4m or ffmpeg's own.

    None leaves the choice to filmcli: quality by encoder, pixel format as the source's.
    `ffmpeg_args` are further output options of ffmpeg, word by word.
    """

    codec: str = "x264"
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    ffmpeg_args: tuple[str, ...] = ()

    @property
    def encoder(self) -> str:
        """ffmpeg's name of the encoder."""
        return _ENCODERS.get(self.codec, self.codec)


def default_encoding(info: VideoInfo) -> Encoding:
    """x264, which plays everywhere; x265 for what x264 in 8 bits would spoil (depth, HDR)."""
    return Encoding("x265" if _is_deep(info) else "x264")


def fitted(encoding: Encoding, info: VideoInfo) -> Encoding:
    """`encoding`, with NVENC's HEVC in place of its H.264 where the film is deeper than that."""
    deep = encoding.codec == NVENC and _is_deep(info)
    return replace(encoding, codec="hevc_nvenc") if deep else encoding


def _is_deep(info: VideoInfo) -> bool:
    return info.layout.depth > 8 or info.color.is_hdr


def alpha_kept(info: VideoInfo, encoding: Encoding) -> VideoInfo:
    """The film with its alpha as one more plane if `encoding` holds that, else `info` itself."""
    film = with_alpha(info)
    if film is info or encoding.encoder not in _ALPHA_ENCODERS:
        return info
    coded = coded_layout(output_pix_fmt(film, encoding)[0])
    return film if coded is not None and coded.alpha else info


def output_pix_fmt(info: VideoInfo, encoding: Encoding) -> tuple[str, str | None]:
    """The pixel format that is coded, and a notice if it (or the size) is not the source's."""
    layout = info.layout
    chosen = encoding.pix_fmt or _nearest(layout, pix_fmts(encoding))
    notices = []
    lost = _loss(layout, chosen)
    if lost:
        notices.append(f"{layout.pix_fmt} is coded as {chosen} ({', '.join(lost)})")
    width, height = coded_size(info, encoding, chosen)
    if (width, height) != (info.width, info.height):
        notices.append(f"{info.width}x{info.height} is padded to {width}x{height}")
    return chosen, "; ".join(notices) or None


def _nearest(layout: Layout, names: tuple[str, ...]) -> str:
    """The name among `names` that loses least of `layout`, and of those the smallest."""
    if not names or layout.pix_fmt in names:
        return layout.pix_fmt

    def cost(name: str) -> tuple[int, ...]:
        other = coded_layout(name)
        if other is None or other.alpha > layout.alpha:
            return (9,)
        recoded = layout.model != other.model
        lost_chroma = max(0, other.chroma_x - layout.chroma_x) + max(
            0, other.chroma_y - layout.chroma_y
        )
        if layout.model == "gray":
            lost_chroma = 0
        colorless = layout.model != "gray" and other.model == "gray"
        lost_depth = max(0, layout.depth - other.depth)
        spare = -other.chroma_x - other.chroma_y
        full = name.startswith("yuvj")
        lost = (layout.alpha > other.alpha, colorless, lost_depth, lost_chroma)
        return (*lost, recoded, other.depth, spare, full)

    return min(names, key=cost)


def _loss(layout: Layout, name: str) -> list[str]:
    other = coded_layout(name)
    if other is None:
        return ["its samples may change"]
    lost = []
    if other.model != layout.model and layout.model != "gray":
        lost.append("its colours are converted")
    if other.depth < layout.depth:
        lost.append(f"{layout.depth} bits become {other.depth}")
    coarser = other.chroma_x > layout.chroma_x or other.chroma_y > layout.chroma_y
    if coarser and layout.model != "gray":
        lost.append("colour gets coarser")
    return lost


def coded_layout(name: str) -> Layout | None:
    """The layout of a format that an encoder takes; packed RGB holds what planar RGB does."""
    if name in _SEMI_PLANAR:
        return _SEMI_PLANAR[name]
    if name in (*_PACKED_RGB, *_PACKED_RGBA):
        return Layout(name, "rgb", alpha=name in _PACKED_RGBA)
    if re.fullmatch(r"(rgb48|bgr48|rgba64|bgra64)[bl]e", name):
        return Layout(name, "rgb", 16, alpha="64" in name)
    return layout_of(re.sub("be$", "le", name).replace("yuvj", "yuv"))


@lru_cache
def encoder_help(encoder: str) -> str:
    """What ffmpeg says of an encoder; MachineError if it has none of that name."""
    words = ask(["ffmpeg", "-hide_banner", "-h", f"encoder={encoder}"]).stdout.decode()
    if not words.startswith("Encoder"):
        raise MachineError(
            f"This ffmpeg has no encoder {encoder}.",
            "It is misspelt, or ffmpeg was built without it.",
            "Choose another with --codec; `ffmpeg -encoders` lists them.",
        )
    return words


def pix_fmts(encoding: Encoding) -> tuple[str, ...]:
    """The pixel formats that the encoder takes; none if it does not say."""
    if encoding.codec == RAW:
        return tuple(_RAW_FORMATS.split())
    match = re.search(r"Supported pixel formats: (.*)", encoder_help(encoding.encoder))
    names = match[1].split() if match else []
    if encoding.encoder == "h264_nvenc":  # names deeper ones too, and refuses them
        names = [name for name in names if not re.search(r"16|10", name)]
    return tuple(names)


def coded_size(info: VideoInfo, encoding: Encoding, pix_fmt: str) -> tuple[int, int]:
    """Width and height of the coded picture: what 4:2:0 and 4:2:2 need is rounded up to even."""
    layout = coded_layout(pix_fmt)
    if encoding.encoder.startswith(_ANY_SIZE) or layout is None:
        return info.width, info.height
    step_x, step_y = (1 << layout.chroma_x) - 1, (1 << layout.chroma_y) - 1
    return (info.width + step_x) & ~step_x, (info.height + step_y) & ~step_y


def words_of(encoding: Encoding) -> str:
    """The encoder's name and whatever the user asked of it."""
    words = [encoding.codec]
    for name in ("crf", "preset", "pix_fmt"):
        value = getattr(encoding, name)
        words += [f"{name} {value:g}" if name == "crf" else str(value)] if value is not None else []
    return " ".join([*words, *encoding.ffmpeg_args])
