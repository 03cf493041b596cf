"""Time codes at another rate; the truth is counted by the rule that leaves numbers out."""

from __future__ import annotations

from fractions import Fraction

import pytest

from filmcli.video.tags import new_time_code

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("code", "old", "new", "later", "then"),
    [
        ("01:00:00:12", Fraction(24), Fraction(60), 0, "01:00:00:30"),
        ("01:00:00:12", Fraction(24000, 1001), 2 * NTSC, 0, "01:00:00:30"),
        ("10:20:30:24", Fraction(25), Fraction(50), 0, "10:20:30:48"),
        ("10:20:30:49", Fraction(50), Fraction(25), 0, "10:20:30:24"),
        ("00:59:59;29", NTSC, 2 * NTSC, 0, "00:59:59;58"),
        ("00:59:59;29", NTSC, Fraction(60), 0, "00:59:59:58"),
        ("00:00:59;29", NTSC, NTSC, Fraction(1001, 30000), "00:01:00;02"),
        ("00:09:59;29", NTSC, NTSC, Fraction(1001, 30000), "00:10:00;00"),
        ("23:59:59:24", Fraction(25), Fraction(25), Fraction(1, 25), "00:00:00:00"),
        ("00:00:00:00", Fraction(25), Fraction(50), Fraction(90), "00:01:30:00"),
    ],
)
def test_a_time_code_keeps_its_clock(
    code: str, old: Fraction, new: Fraction, later: Fraction, then: str
) -> None:
    assert new_time_code(code, old, new, Fraction(later)) == then


def test_ten_minutes_of_drop_frame_leave_out_eighteen_numbers() -> None:
    """Every picture of ten minutes: numbers 0 and 1 of a minute are left out, but in the tenth."""
    numbers = [
        f"00:{m:02}:{s:02};{f:02}"
        for m in range(11)
        for s in range(60)
        for f in range(30)
        if not (m % 10 and s == 0 and f < 2)
    ]
    for k in (0, 1799, 1800, 1801, 3597, 3598, 17981, 17982, 17983, 19000):
        assert new_time_code("00:00:00;00", NTSC, NTSC, k / NTSC) == numbers[k]
