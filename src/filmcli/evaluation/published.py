"""What papers report on the benchmarks, to stand beside our own numbers, each with its source.

Means of PSNR in dB and of SSIM. Authors differ in rounding, in the window and the channels of
SSIM, and in what they train on: differences of a few hundredths of a dB mean nothing, and SSIM is
to be compared within one source only.
"""

from __future__ import annotations

from typing import NamedTuple

from filmcli.evaluation.board import Table

_EMA = "table of MCG-NJU/EMA-VFI"
_IFR = "table of ltkong218/IFRNet"
_UPR = "table of srcn-ivl/UPR-Net"
_AMT = "table of MCG-NKU/AMT"
_FILM = "FILM's paper, by Papers with Code"


class Published(NamedTuple):
    """A method's scores on one benchmark; `ssim` is None where the source has none."""

    method: str
    psnr: float
    ssim: float | None
    source: str


PUBLISHED: dict[str, tuple[Published, ...]] = {
    "vimeo90k": (
        Published("SepConv", 33.79, 0.9702, _IFR),
        Published("DAIN", 34.71, 0.9756, _EMA),
        Published("RIFE", 35.62, 0.9780, _EMA),
        Published("IFRNet", 35.80, 0.9794, _IFR),
        Published("AMT-S", 35.97, None, _AMT),
        Published("UPR-Net", 36.03, 0.9801, _UPR),
        Published("FILM-L1", 36.06, 0.970, _FILM),
        Published("SoftSplat", 36.10, 0.970, _IFR),
        Published("EMA-VFI", 36.64, 0.9819, _EMA),
    ),
    "ucf101": (
        Published("AdaCoF", 34.90, 0.9680, _EMA),
        Published("DAIN", 34.99, 0.9683, _EMA),
        Published("BMBC", 35.15, 0.9689, _EMA),
        Published("FILM-L1", 35.32, 0.952, _FILM),
        Published("ABME", 35.38, 0.9698, _EMA),
        Published("SoftSplat", 35.39, 0.952, _IFR),
    ),
    "middlebury": (
        Published("FILM-L1", 37.52, 0.966, _FILM),
        Published("SoftSplat", 38.42, 0.971, "Papers with Code"),
    ),
    "xiph-2k": (
        Published("DAIN", 35.95, 0.940, _EMA),
        Published("IFRNet", 36.00, 0.936, _EMA),
        Published("RIFE", 36.19, 0.938, _EMA),
        Published("ABME", 36.53, 0.944, _EMA),
        Published("SoftSplat", 36.62, 0.944, _EMA),
        Published("FILM-L1", 36.66, 0.951, _FILM),
        Published("EMA-VFI", 36.90, 0.945, _EMA),
    ),
    "xiph-4k": (
        Published("DAIN", 33.49, 0.895, _EMA),
        Published("SoftSplat", 33.60, 0.901, _EMA),
        Published("ABME", 33.73, 0.901, _EMA),
        Published("RIFE", 33.76, 0.894, _EMA),
        Published("FILM-L1", 33.78, 0.906, _FILM),
        Published("IFRNet", 33.99, 0.893, _EMA),
        Published("EMA-VFI", 34.67, 0.907, _EMA),
    ),
    "snu-film hard": (
        Published("RIFE", 30.10, 0.9330, _EMA),
        Published("DAIN", 30.17, 0.9335, _EMA),
        Published("IFRNet", 30.41, 0.9358, _IFR),
        Published("ABME", 30.58, 0.9364, _EMA),
        Published("AMT-S", 30.60, None, _AMT),
        Published("UPR-Net", 30.67, 0.9365, _UPR),
        Published("EMA-VFI", 30.94, 0.9392, _EMA),
    ),
    "snu-film extreme": (
        Published("RIFE", 24.84, 0.8534, _EMA),
        Published("IFRNet", 25.05, 0.8587, _IFR),
        Published("DAIN", 25.09, 0.8584, _EMA),
        Published("AMT-S", 25.30, None, _AMT),
        Published("ABME", 25.42, 0.8639, _EMA),
        Published("UPR-Net", 25.49, 0.8627, _UPR),
        Published("EMA-VFI", 25.69, 0.8661, _EMA),
    ),
}
"""By the name of the benchmark and its level, in rising order of PSNR."""

NOTE = (
    "Published numbers are their authors': rounding, SSIM's window and training data differ, so "
    "compare PSNR to a tenth of a dB, and SSIM within one source only."
)


def published_table(benchmark: str) -> Table | None:
    """What is published on a benchmark; None where nothing is known here."""
    rows = [
        (row.method, row.source, f"{row.psnr:.2f}", "-" if row.ssim is None else f"{row.ssim:g}")
        for row in PUBLISHED.get(benchmark, ())
    ]
    head = ("method", "source", "PSNR, dB", "SSIM")
    return Table(f"published on {benchmark}", head, rows, best="none") if rows else None
