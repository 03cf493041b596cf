"""The built-in film rebuilt at phases that no camera took: errors of time, and the price of thirds.

Its picture is known at every instant (`clip`), so a made frame can be asked which instant it shows:
the one whose true picture differs least from it. Frames at 24 a second are kept, and made between
them at PHASES.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

import numpy as np

from filmcli.evaluation import clip
from filmcli.evaluation.board import Result, Table, mean_of
from filmcli.evaluation.makers import Maker, Run
from filmcli.evaluation.metrics import Picture, Scorer
from filmcli.evaluation.rebuilt import Watch, judged, unseen

PHASES = (Fraction(1, 3), Fraction(1, 2), Fraction(2, 3))
RATE = Fraction(24)
SIZE = (320, 180)
"""Width and height; the fastest shot then moves by 5 px a frame."""

INTERVALS = 6
FIRST_FRAMES: Mapping[str, int] = {"train": 8, "toys": 40, "planet": 66, "chart": 100}
"""Where, in each shot, its run of INTERVALS begins: far from the cuts and the dissolve."""

_STEPS = 24  # true pictures of an interval, 1.7 ms apart; all PHASES are among them

NOTES = (
    f"The built-in film at {SIZE[0]}x{SIZE[1]}, {RATE} frames a second kept, frames made at phases "
    f"{', '.join(map(str, PHASES))} of {INTERVALS} intervals in each of {len(FIRST_FRAMES)} shots. "
    "Time error: distance in time between the phase asked for and the phase whose true picture has "
    f"the least mean squared error to the made one; true pictures stand 1/{_STEPS} of an interval "
    "apart, with a parabola through the best three."
)


@dataclass(frozen=True)
class TimeError:
    """How far from its moment one made frame shows the film, by who made it, in seconds."""

    step: int
    seconds: Mapping[str, float]


def score_drawn(
    makers: Mapping[str, Maker],
    scorer: Scorer,
    shots: Mapping[str, int] = FIRST_FRAMES,
    intervals: int = INTERVALS,
    watch: Watch = unseen,
) -> tuple[list[Result], list[TimeError]]:
    """Return the scores of each shot, and the time errors of all made frames."""
    results, errors = [], []
    for number, (name, first) in enumerate(shots.items()):
        kept = [_picture(Fraction(first + k)) for k in range(intervals + 1)]
        drawn = [_interval(first + k) for k in range(intervals)]
        truths = [[pictures[int(phase * _STEPS)] for phase in PHASES] for pictures in drawn]
        frames = []
        before, after = _picture(Fraction(first - 1)), _picture(Fraction(first + intervals + 1))
        run = Run(kept, [PHASES] * intervals, number, before, after)
        number = first * (len(PHASES) + 1)
        for at, rebuilt in enumerate(judged(makers, run, truths, number, scorer)):
            watch(rebuilt)
            frames.append(rebuilt.without_pictures)
            pictures = drawn[at // len(PHASES)]
            seconds = {
                maker: float(abs(shown_phase(made, pictures) - rebuilt.phase) / RATE)
                for maker, made in rebuilt.made.items()
            }
            errors.append(TimeError(rebuilt.step, seconds))
        results.append(Result(name, frames))
    return results, errors


def shown_phase(made: Picture, drawn: Sequence[Picture]) -> float:
    """The phase, 0 to 1, that `made` shows of an interval whose true pictures are `drawn`.

    Those are evenly spaced, both ends included; three at least.
    """
    wide = made.astype(np.int32)
    errors = [float(np.mean((wide - picture) ** 2)) for picture in drawn]
    best = int(np.argmin(errors))
    if not 0 < best < len(drawn) - 1:
        return best / (len(drawn) - 1)
    before, here, after = errors[best - 1 : best + 2]
    curve = before - 2 * here + after
    aside = (before - after) / (2 * curve) if curve > 0 else 0.0
    return (best + aside) / (len(drawn) - 1)


def price_of_thirds(results: Sequence[Result]) -> dict[str, float]:
    """By how many dB of PSNR frames at thirds are worse than those in the middle."""
    third, middle, two_thirds = (mean_of(results, step) for step in (1, 2, 3))
    return {
        name: middle[name].psnr - (third[name].psnr + two_thirds[name].psnr) / 2 for name in middle
    }


def median_errors(errors: Sequence[TimeError], step: int | None = None) -> dict[str, float]:
    """Median time error in milliseconds, of one step only if asked for."""
    chosen = [error.seconds for error in errors if step in (None, error.step)]
    return {name: 1000 * median(of[name] for of in chosen) for name in chosen[0]}


def time_table(results: Sequence[Result], errors: Sequence[TimeError]) -> Table:
    """Median time errors of all frames and by phase, and the price of thirds in dB."""
    lines = [("all", len(errors), median_errors(errors))]
    for step, phase in enumerate(PHASES, 1):
        count = sum(error.step == step for error in errors)
        lines.append((f"- at {phase}", count, median_errors(errors, step)))
    lines.append(("thirds below the middle, dB", len(errors), price_of_thirds(results)))
    names = list(errors[0].seconds)
    rows = [
        (words, str(count), *(f"{values[name]:.2f}" for name in names))
        for words, count, values in lines
    ]
    return Table("median time error, ms", ("", "frames", *names), rows, best="lowest")


def _picture(frame: Fraction) -> Picture:
    return clip.picture(frame / RATE, *SIZE)


def _interval(first: int) -> list[Picture]:
    return [_picture(first + Fraction(step, _STEPS)) for step in range(_STEPS + 1)]
