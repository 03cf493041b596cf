"""What is compared: for each network the paper's three columns, and its ablations for some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.adaptation.courses import Course
from benchmarks.backbones.stages import VARIANTS, VARIED
from filmcli.backbones import BACKBONES

COUNTS = (1, 3, 10)
_RATES = (1e-5, 1e-4, 1e-3)
_HAND_SET = 3e-5

SUPPORT = 4
SUPPORTS: Mapping[str, int] = {"voxelflow meta, 2 lessons": 2, "voxelflow meta, 12 lessons": 12}
"""Weights that adapt to another number of triplets than `SUPPORT`: two are the paper's."""


def _tuned(weights: str, rate: float = _HAND_SET, subset: str = "all") -> Course:
    """Steps by one rate, by hand."""
    return Course(weights, "doubled", subset, "adam", rate, COUNTS)


def _learned(weights: str) -> Course:
    """Steps by the rates that were learned along."""
    return Course(weights, None, "all", "adam", None, COUNTS)


def columns(network: str) -> Sequence[Course]:
    """Return the base, the re-trained and the meta-trained weights of one network.

    The re-trained ones are of interest as they are; a course has one step at least.
    """
    retrained = replace(_tuned(f"{network} re-trained"), counts=COUNTS[:1])
    return _tuned(network), retrained, _learned(f"{network} meta")


ABLATIONS: Mapping[str, Sequence[Course]] = {
    "Inner steps and order: voxel flow, meta-trained in other ways": (
        *columns(VARIED)[2:],
        *(_learned(f"{VARIED} meta, {name}") for name in VARIANTS),
    ),
    "Inner rates: meta-trained voxel flow, by one rate for all": (
        *columns(VARIED)[2:],
        *(_tuned(f"{VARIED} meta", rate) for rate in _RATES),
    ),
    "Support: meta-trained voxel flow, by two, four and twelve triplets of a scene": (
        *columns(VARIED)[2:],
        *(_learned(label) for label in SUPPORTS),
    ),
    "What adapts: all of DAIN, and the network that corrects its blend alone": (
        *columns("dain")[:1],
        _tuned("dain", subset="fusion"),
    ),
}


def every_course() -> list[Course]:
    """Return all of it once, the table of all networks first."""
    main = [course for network in BACKBONES for course in columns(network)]
    return list(dict.fromkeys([*main, *(c for courses in ABLATIONS.values() for c in courses)]))
