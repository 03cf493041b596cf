"""Where a made frame stands: how far its picture is off, and what it scores in place.

A camera that shakes is somewhere else between two frames than the middle of its way. A frame that
puts everything a pixel aside looks as real as the true one and scores decibels less. What it scores
once each piece of it is put in its place, by flow from the truth, is how well it is drawn: no
network that sees its neighbours alone can know the places.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean
from typing import NamedTuple

import cv2
import numpy as np

from filmcli.evaluation.board import Table
from filmcli.evaluation.metrics import Picture, Score, Scorer, mean_score, psnr
from filmcli.evaluation.rebuilt import Rebuilt

_EDGE = 16  # px that are not scored, as a picture that is put in place lacks some there
_ROUNDS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4)
_BLUR_PX = 5
_PIECE_PX = 8  # over which what moves a picture's pieces is smooth, so that it draws nothing


class Place(NamedTuple):
    """PSNR as made and in place, dB, and how far a frame is off, px."""

    made: float
    placed: float
    off: float


class Places:
    """Sees rebuilt frames of `film`, and tells how far each maker's are off, in the mean."""

    def __init__(self, scorer: Scorer) -> None:
        self.film = ""
        self._scorer = scorer
        self._found: dict[str, dict[str, list[Place]]] = defaultdict(lambda: defaultdict(list))
        self._pieced: dict[str, dict[str, list[Score]]] = defaultdict(lambda: defaultdict(list))

    def __call__(self, rebuilt: Rebuilt) -> None:
        """See one frame."""
        for maker, made in rebuilt.made.items():
            self._found[self.film][maker].append(place_of(made, rebuilt.truth))
            pieced = self._scorer({maker: pieced_together(made, rebuilt.truth)}, rebuilt.truth)
            self._pieced[self.film][maker].append(pieced[maker])

    def tables(self) -> list[Table]:
        """A row for every film: of every maker PSNR as made, in place, and how far it is off; PSNR
        and LPIPS with each piece in its place, and their mean.
        """
        makers = list(next(iter(self._found.values())))
        head = "sequence", *makers
        whole = [
            (film, *(_spelled(found[maker]) for maker in makers))
            for film, found in self._found.items()
        ]
        means = {
            film: [mean_score(found[maker]) for maker in makers]
            for film, found in self._pieced.items()
        }
        means["mean"] = [mean_score(of) for of in zip(*means.values(), strict=True)]
        pieces = [
            (film, *(f"{of.psnr:.2f}, {of.lpips:.4f}" for of in scores))
            for film, scores in means.items()
        ]
        return [
            Table("PSNR, in its place, px off", head, whole, "none"),
            Table("PSNR, LPIPS, each piece in its place", head, pieces, "none"),
        ]


def place_of(made: Picture, truth: Picture) -> Place:
    """Return where `made` stands beside `truth`: found as one shift of all of it, by fractions.

    Where none is found it counts as in its place.
    """
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (truth, made)]
    shift = np.eye(2, 3, dtype=np.float32)
    try:
        _, shift = cv2.findTransformECC(
            *grey, shift, cv2.MOTION_TRANSLATION, _ROUNDS, None, _BLUR_PX
        )
    except cv2.error:  # nothing alike, or nothing at all to be seen
        return Place(_decibels(made, truth), _decibels(made, truth), 0.0)
    size = made.shape[1], made.shape[0]
    placed = cv2.warpAffine(
        made,
        shift,
        size,
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    off = float(np.hypot(*shift[:, 2]))
    return Place(_decibels(made, truth), _decibels(placed, truth), off)


def pieced_together(made: Picture, truth: Picture) -> Picture:
    """Return `made` with each piece where it stands in `truth`, as far as DIS flow finds it."""
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (truth, made)]
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*grey, None)  # type: ignore[call-overload]
    flow = cv2.GaussianBlur(flow, (0, 0), _PIECE_PX)
    rows, columns = np.indices(grey[0].shape, np.float32)
    pieced: Picture = cv2.remap(
        made,
        columns + flow[..., 0],
        rows + flow[..., 1],
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return pieced


def _decibels(made: Picture, truth: Picture) -> float:
    inner = np.s_[_EDGE:-_EDGE, _EDGE:-_EDGE]
    return psnr(made[inner], truth[inner])


def _spelled(places: list[Place]) -> str:
    made, placed, off = (fmean(values) for values in zip(*places, strict=True))
    return f"{made:.2f}, {placed:.2f}, {off:.2f}"
