"""The page in a real browser: it plays, in step, and every key and button does what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

from filmcli.comparison import Shown
from filmcli.page import pair
from filmcli.page.films import Played
from filmcli.page.marks import Clock, Marks, timed_marks
from filmcli.page.pair import Opening, write_pair, write_timed
from filmcli.video.probe import probe
from tests.clips import add_sound
from tests.page.chromium import Chromium, needs_chromium
from tests.page.footage import film, level

pytestmark = needs_chromium
HELD = Keys.SHIFT  # while the rest of the word is typed
ODD = 'a <b> & "c" 100% #1'

# The luma of both patches as they are drawn, at each of so many milliseconds' refreshes.
_SAMPLE = """
const [ms, done] = arguments, canvas = document.createElement("canvas");
const brush = canvas.getContext("2d", { willReadFrequently: true });
const luma = (id) => {
  brush.drawImage(document.querySelector(`#${id} canvas`), 8, 8, 1, 1, 0, 0, 1, 1);
  return 16 + (brush.getImageData(0, 0, 1, 1).data[0] * 219) / 255;
};
const seen = [], end = performance.now() + ms;
const look = (now) => {
  seen.push([luma("source"), luma("result")]);
  if (now < end) requestAnimationFrame(look);
  else done(seen);
};
requestAnimationFrame(look);
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    browser = Chromium()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("films")
    silent = film(folder / "silent.mp4", 60)
    add_sound(folder / f"{ODD}.mp4", str(silent))
    return film(folder / "a.mp4", 24), folder / f"{ODD}.mp4"


def paged(films: tuple[Path, Path], page: Path, opening: Opening | None = None) -> Path:
    source, result = (Shown(probe(str(path)), str(path)) for path in films)
    write_timed(source, result, str(page), opening or Opening(), lambda _: None)
    return page


@pytest.fixture(scope="module")
def page(films: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paged(films, tmp_path_factory.mktemp("page") / "out.html")


def frames_seen(chromium: Chromium, ms: int = 0) -> list[tuple[int, int]]:
    """Numbers of the source's and the result's frames that are drawn, refresh by refresh."""
    seen = chromium.driver.execute_async_script(_SAMPLE, ms)
    return [(round((a - level(24, 0)) / 2), round(b - level(60, 0))) for a, b in seen]


def shown(chromium: Chromium) -> tuple[int, int]:
    """The pair that is drawn, once the page says that it is where it was sent."""
    chromium.until("return document.body.getAttribute('aria-busy') === 'false'")
    return frames_seen(chromium)[-1]


def beside(frame: int) -> int:
    """The source's frame that is shown with one of the result."""
    return frame * 24 // 60


def test_it_opens_on_the_first_pair_and_asks_nobody_for_anything(
    chromium: Chromium, page: Path
) -> None:
    chromium.addresses()
    chromium.complaints()
    chromium.open(page)
    assert shown(chromium) == (0, 0)
    assert ODD in chromium.text("result-label")
    assert chromium.text("legend") == (
        "36 at a source frame's time144 between two source frames1 cut"
    )
    asked = chromium.addresses()
    assert page.as_uri() in asked
    assert {address.partition(":")[0] for address in asked} <= {"file", "blob", "data"}
    assert chromium.complaints() == []


@pytest.mark.parametrize("speed", [1, 0.25])
def test_both_play_in_step(chromium: Chromium, page: Path, speed: float) -> None:
    chromium.open(page)
    if speed < 1:
        chromium.click("quarter")
    chromium.press("L")  # however slow the test is, the film does not end
    chromium.click("play")
    seen = frames_seen(chromium, 1000)
    assert [source for source, _ in seen] == [beside(result) for _, result in seen]
    assert len(set(seen)) >= 8  # however busy the machine is
    assert seen[-1][1] - seen[0][1] <= 1.3 * 60 * speed
    chromium.click("play")
    source, result = shown(chromium)
    assert source == beside(result) and result > 0
    assert chromium.complaints() == []


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        (Clock(source=Fraction(-1, 2)), lambda frame: max(0, frame - 30) * 24 // 60),
        (Clock(source=Fraction(5, 2)), lambda frame: min(71, 60 + frame * 24 // 60)),
        (Clock(slow=Fraction(20)), lambda frame: frame * 24 // 1200),
    ],
    ids=["before it begins", "after its end", "slower than browsers play"],
)
def test_where_the_source_cannot_play_it_stands_at_the_right_frame(
    chromium: Chromium,
    films: tuple[Path, Path],
    tmp_path: Path,
    clock: Clock,
    expected: Callable[[int], int],
) -> None:
    source, result = (Shown(probe(str(path)), str(path)) for path in films)

    def mark(first: Played, second: Played) -> Marks:
        return timed_marks(first.shown, second.shown, [])._replace(clock=clock)

    write_pair(source, result, str(tmp_path / "out.html"), mark)
    chromium.open(tmp_path / "out.html")
    chromium.click("play")
    seen = frames_seen(chromium, 800)
    assert [at for at, _ in seen] == [expected(frame) for _, frame in seen]
    assert len({frame for _, frame in seen}) >= 8
    chromium.press(Keys.END)
    chromium.until("return document.getElementById('play').textContent === 'Play'")
    assert shown(chromium) == (expected(179), 179)


def test_a_machine_too_slow_to_play_both_shows_pairs_of_stills(
    chromium: Chromium, page: Path
) -> None:
    chromium.open(page)
    chromium.js("Ahead.prototype.follow = () => {}")  # the source does not get anywhere
    chromium.click("play")
    chromium.until("return Number(document.getElementById('seek').value) > 60")
    seen = frames_seen(chromium, 300)
    assert [source for source, _ in seen] == [beside(result) for _, result in seen]


def test_it_steps_by_frames_of_the_result(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    for frame in range(1, 7):
        chromium.press(".")
        assert shown(chromium) == (beside(frame), frame)
        assert chromium.text("status").startswith(f"Frame {frame + 1} of 180 · ")
    chromium.click("back")
    assert shown(chromium) == (2, 5)
    chromium.press(*",.,,")
    assert shown(chromium) == (1, 3)


def test_keys_go_where_those_of_mpv_go(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    for key, frame in (
        (HELD + Keys.ARROW_RIGHT + Keys.ARROW_RIGHT + Keys.ARROW_LEFT, 60),
        (Keys.ARROW_RIGHT, 179),
        (Keys.HOME, 0),
        (Keys.PAGE_UP, 90),
        (".", 91),
        (Keys.PAGE_DOWN, 90),
        (Keys.END, 179),
        (Keys.ARROW_UP + Keys.ARROW_DOWN, 0),
    ):
        chromium.press(key)
        assert shown(chromium) == (beside(frame), frame), frame


def test_keys_set_the_speed(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    told = []
    for key in ("[", Keys.BACKSPACE, "]", Keys.BACKSPACE, "{", "{", "}", "q", "q"):
        chromium.press(key)
        told.append(chromium.text("speed"))
    assert told == ["0.91×", "1×", "1.1×", "1×", "0.5×", "0.25×", "0.5×", "0.25×", "1×"]


def test_it_loops_over_a_span(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    for action in (HELD + Keys.ARROW_RIGHT, "l", "..........", "l"):
        chromium.press(action)
        shown(chromium)
    chromium.click("play")
    frames = [result for _, result in frames_seen(chromium, 1000)]
    chromium.click("play")
    assert min(frames) >= 60 and max(frames) <= 70
    assert sum(later < earlier for earlier, later in pairwise(frames)) >= 2
    assert chromium.text("loop") == "End the loop"


def seen_levels(chromium: Chromium, *places: float) -> list[int]:
    """Brightness of the stage's upper half, in so many shares of its width."""
    picture = chromium.picture("stage")
    high, wide = picture.shape[:2]
    return [int(picture[high // 3, round(at * (wide - 1))].mean()) for at in places]


def grey(luma: float) -> float:
    """What luma of 16 to 235 looks like on a screen."""
    return (luma - 16) * 255 / 219


def test_the_divider_is_dragged(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    chromium.press(Keys.END)
    pair_shown = shown(chromium)
    left, right = grey(level(24, pair_shown[0])), grey(level(60, pair_shown[1]))
    assert abs(left - right) > 20
    for end in (0.2, 0.8):
        chromium.drag("stage", (0.5, 0.5), (end, 0.6))
        levels = seen_levels(chromium, 0.1, end - 0.06, end + 0.06, 0.9)
        assert np.allclose(levels, [left, left, right, right], atol=2)
    for key in (Keys.HOME, Keys.ARROW_RIGHT):
        chromium.js("document.getElementById('divider').focus()")
        chromium.press(key)
    assert np.allclose(seen_levels(chromium, 0.01, 0.1), [left, right], atol=2)


def test_every_view_shows_what_it_is_called(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    chromium.press(Keys.END)
    source, result = shown(chromium)
    left, right = grey(level(24, source)), grey(level(60, result))
    expected = {
        "2": (left, left, right, right),
        "4": (4 * (right - left),) * 4,
        "5": (right,) * 4,
        "x": (left,) * 4,
        "1": (left, left, right, right),
    }
    for key, levels in expected.items():
        chromium.press(key)
        assert np.allclose(seen_levels(chromium, 0.05, 0.4, 0.6, 0.95), levels, atol=8), key
    chromium.press("3")
    picture = chromium.picture("stage")
    quarter = picture.shape[0] // 4
    assert np.allclose(picture[[quarter - 20, 3 * quarter - 20], 40].mean(1), [left, right], atol=2)


def test_zooming_moves_both_films_alike(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    chromium.press("2", "+", "+")
    assert chromium.text("zoom") == "2×"
    chromium.drag("stage", (0.2, 0.5), (0.3, 0.9))
    boxes = chromium.js(
        "return ['source', 'result'].map((id) => {"
        " const own = document.getElementById(id).getBoundingClientRect();"
        " const box = document.querySelector(`#${id} canvas`).getBoundingClientRect();"
        " return [box.x - own.x, box.y - own.y, box.width / own.width] })"
    )
    assert boxes[0] == pytest.approx(boxes[1], abs=0.5)
    assert boxes[0][2] == pytest.approx(2)
    chromium.press("0")
    assert chromium.text("zoom") == "1×"


def test_a_narrow_screen_holds_all_of_it(chromium: Chromium, page: Path) -> None:
    chromium.open(page, (360, 740))
    assert chromium.js("return document.scrollingElement.scrollWidth") <= 360
    boxes = chromium.js(
        "return [...document.querySelectorAll('button, #stage, #seek')].filter((e) => !e.hidden)"
        ".map((e) => e.getBoundingClientRect()).map((b) => [b.left, b.right, b.width, b.height])"
    )
    assert len(boxes) == 19
    assert all(left >= 0 and right <= 360 and min(w, h) >= 24 for left, right, w, h in boxes)
    unnamed = chromium.js(
        "return [...document.querySelectorAll('button, input, [role]:not([hidden])')].filter("
        "(e) => !(e.textContent.trim() || e.ariaLabel)).map((e) => e.id)"
    )
    assert unnamed == []


def test_large_films_lie_beside_the_page(
    chromium: Chromium, films: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair, "INSIDE_BYTES", 0)
    mkv = film(tmp_path / "a.mkv", 24)
    page = paged((mkv, films[1]), tmp_path / "100% #1.html", Opening("diff", 0.25))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "100% #1.html", "100% #1.source.mp4", "a.mkv",
    ]  # fmt: skip
    assert page.stat().st_size < 100_000
    chromium.complaints()
    chromium.open(page)
    assert chromium.js("return document.getElementById('stage').dataset.view") == "diff"
    assert chromium.text("speed") == "0.25×"
    chromium.press(Keys.SPACE)
    chromium.until("return document.getElementById('seek').value > 6")
    assert chromium.complaints() == []
