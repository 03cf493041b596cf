"""The built-in film: the same truth each time, smooth but for its cuts, moving by its laws."""

from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest

from filmcli.evaluation.clip import CUTS, DISSOLVE, DURATION, picture, sound

WIDE, HIGH = 192, 108


def change(before: float, after: float) -> float:
    """Mean absolute change in levels between two times."""
    difference = picture(before, WIDE, HIGH).astype(int) - picture(after, WIDE, HIGH)
    return float(np.abs(difference).mean())


@pytest.mark.parametrize(("width", "height"), [(WIDE, HIGH), (128, 128), (33, 47), (90, 160)])
def test_any_size_is_drawn(width: int, height: int) -> None:
    shown = picture(Fraction(1, 3), width, height)
    assert shown.shape == (height, width, 3)
    assert shown.dtype == np.uint8
    assert shown.std() > 10


def test_the_same_time_gives_the_same_picture() -> None:
    first = picture(0.75, WIDE, HIGH)
    picture(4.0, WIDE, HIGH)
    assert np.array_equal(picture(Fraction(3, 4), WIDE, HIGH), first)


def test_outside_the_film_there_is_no_truth() -> None:
    for time in (-0.001, float(DURATION) + 0.001):
        with pytest.raises(ValueError, match="lasts"):
            picture(time, WIDE, HIGH)
    with pytest.raises(ValueError, match="too small"):
        picture(0, 31, 108)


def test_a_new_shot_begins_at_the_cut_and_nowhere_else() -> None:
    hop = 0.001
    for cut in CUTS:
        assert change(float(cut) - hop, float(cut)) > 25
    times = np.arange(0.0, float(DURATION) - hop, 0.0625)
    smooth = [t for t in times if not any(t < cut <= t + hop for cut in CUTS)]
    assert max(change(t, t + hop) for t in smooth) < 1.5


def test_the_dissolve_is_a_slow_mixture() -> None:
    begin, end = (float(edge) for edge in DISSOLVE)
    steps = np.linspace(begin, end, 9)
    assert max(change(a, b) for a, b in pairwise(steps)) < 24
    assert change(begin, end) > 45


def test_the_field_glides_at_its_speed() -> None:
    """0.62 heights a second, seen on the ground between two poles."""
    hop, high = 0.02, 360
    ground = np.s_[320:358, 270:390]
    before, after = (
        cv2.cvtColor(picture(t, 640, high), cv2.COLOR_RGB2GRAY)[ground].astype(np.float32)
        for t in (0.5, 0.5 + hop)
    )
    (moved, sunk), _ = cv2.phaseCorrelate(before, after, cv2.createHanningWindow((120, 38), 5))
    assert moved == pytest.approx(-0.62 * hop * high, abs=0.25)
    assert sunk == pytest.approx(0, abs=0.25)


def test_the_logo_stands_still() -> None:
    """Its white letters stay bright at all times: nothing behind them is as bright."""
    letters = np.min(
        [picture(t, 640, 360)[12:40, 540:635].max(axis=2) for t in np.linspace(0.1, 4.9, 9)], axis=0
    )
    assert (letters > 160).sum() > 200


def test_the_beep_begins_with_the_cut() -> None:
    rate = 48000
    track = sound(DURATION, rate).astype(float)
    assert track.shape == (5 * rate,)
    for cut in CUTS:
        at = int(cut * rate)
        window = 480  # 10 ms: ten waves of the beep
        tone = np.exp(-2j * np.pi * 1000 * np.arange(window) / rate)
        before = abs(track[at - window : at] @ tone)
        after = abs(track[at : at + window] @ tone)
        assert after > 8 * before
        late = abs(track[at + 2880 : at + 2880 + window] @ tone)
        assert after > 8 * late  # and ends after 60 ms


@pytest.mark.parametrize(("duration", "samples"), [(0, 0), (Fraction(1, 3), 16000), (6, 288000)])
def test_sound_has_the_length_asked_for(duration: Fraction, samples: int) -> None:
    assert sound(Fraction(duration)).shape == (samples,)
