"""What people see: the plan, the progress, the end, and errors; all of it on standard error.

Standard output is for data: the finished paths, or one JSON object a line with `--json`.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING

import click

from filmcli.errors import FilmcliError, MachineError, full_disk
from filmcli.timing import source_rate, spell_rate

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from filmcli.adaptation.film import Adapted
    from filmcli.adaptation.scene import SceneAdaptation
    from filmcli.page.pair import Written
    from filmcli.pipeline.estimate import Estimate
    from filmcli.pipeline.making import Progress
    from filmcli.pipeline.plan import Plan
    from filmcli.pipeline.upsample import Event, Result

_LINES_EVERY_SECONDS = 30.0
_LONG_SECONDS = 2 * 3600.0


def printable(text: str) -> str:
    """Escape what could steer a terminal (control characters, undecodable bytes) in `text`."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def show_path(path: str) -> None:
    """Print a finished path as data: byte for byte, but escaped where a terminal would obey it."""
    click.echo(printable(path) if sys.stdout.isatty() else os.fsencode(path))


def show_error(error: FilmcliError) -> None:
    """Print what went wrong, why, and what to do, one line each."""
    first, *rest = (printable(line) for line in (error.what, error.why, error.do) if line)
    click.echo(f"error: {first}", err=True)
    for line in rest:
        click.echo(f"       {line}", err=True)


def machine_failure(error: OSError) -> MachineError:
    """The three lines for what the system refused us: a full disk, a folder without rights."""
    if isinstance(error, TimeoutError):
        why = "the machine is too busy, or a drive does not answer"
        return MachineError(str(error), why, "try again later")
    what = f"{error.filename or 'a file'} cannot be read or written"
    if full := full_disk(what, error.strerror or "", error.filename):
        return full
    return MachineError(what, str(error.strerror or error), "free space or rights, then try again")


def show_warning(text: str) -> None:
    """Print one line that is no error."""
    click.echo(f"warning: {printable(text)}", err=True)


def show_page(page: Written) -> None:
    """Say where a page is, where its films are, and how large what was made for it is."""
    inside = "both films inside" if page.is_inside else "its films are files of their own"
    click.echo(f"look at {printable(page.path)}: {size(page.size)}, {inside}", err=True)


class _Warnings(logging.Handler):
    """Passes the library's warnings on to the person at the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        show_warning(record.getMessage())


@contextmanager
def library_warnings() -> Iterator[None]:
    """Show what the library logs as warnings while the `with` lasts."""
    handler = _Warnings(level=logging.WARNING)
    logger = logging.getLogger("filmcli")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss, or m:ss below an hour."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def size(count: int) -> str:
    """Bytes as people say them: 870 kB, 4.3 MB, 12 GB."""
    number, unit = count / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{number:.{1 if number < 10 else 0}f} {unit}"


def _pace(times: float) -> str:
    """How many times as fast as the film is shown: 0.043x, 1.39x, 12x."""
    return f"{times:.{3 if times < 0.1 else 2 if times < 10 else 0}f}x"


class Teller:
    """Tells a person of the main path's events: a bar on a terminal, plain lines without one."""

    def __init__(self, mode: str, quiet: bool, to_stdout: bool) -> None:
        """`mode` is auto, bar, lines or off; `to_stdout` prints finished paths as data."""
        if mode == "auto":
            mode = "bar" if sys.stderr.isatty() else "lines"
        self._mode = "off" if quiet else mode
        self._quiet = quiet
        self._to_stdout = to_stdout
        self._started = self._told = 0.0
        self._made = 0
        self._films: dict[str, Plan] = {}
        self._at: dict[str, Progress] = {}
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __call__(self, event: Event) -> None:
        """Hear of one event."""
        from filmcli.adaptation.film import Adapted
        from filmcli.pipeline.estimate import Estimate
        from filmcli.pipeline.making import Progress
        from filmcli.pipeline.plan import Plan
        from filmcli.pipeline.upsample import Result
        from filmcli.survey.firstpass import Surveying

        match event:
            case Surveying():
                self._survey(event.source, event.done)
            case Plan():
                self.close()
                self._plan(event)
            case Estimate():
                self._estimate(event)
            case Adapted():
                self._adapted(event)
            case Progress():
                self._progress(event)
            case Result():
                self.close()
                self._result(event)

    def fail(self, source: str, failure: FilmcliError) -> None:
        """Tell why a film was given up; the other ones go on."""
        self._at.pop(source, None)
        self.close()
        show_error(failure)

    def page(self, page: Written) -> None:
        """Tell of the page of a film."""
        if not self._quiet:
            show_page(page)

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar:
            self._bar.stop()
        self._bar = self._task = None
        self._started, self._made = 0.0, 0

    def _survey(self, source: str, done: int) -> None:
        if self._mode == "bar" and not self._at:
            self._move_bar(f"reading {printable(source)}", done, None, "")

    def _plan(self, plan: Plan) -> None:
        self._films[plan.source] = plan
        if self._quiet:
            return
        for line in plan_lines(plan):
            click.echo(line, err=True)
        for notice in plan.notices:
            click.echo(f"notice: {printable(notice)}", err=True)

    def _estimate(self, expected: Estimate) -> None:
        film = self._films[expected.source]
        if not self._quiet:
            more = ", besides adaptation" * any(film.steps)
            length = clock(expected.seconds)
            frame = f"a frame made just now took {expected.each:.2g} s"
            click.echo(f"   about {length} on this machine{more}: {frame}", err=True)
        if expected.seconds > _LONG_SECONDS:
            hours = round(expected.seconds / 3600)
            show_warning(f"{expected.source} will take about {hours} hours on this machine")
            for way in _shorter(film):
                click.echo(f"         {way}", err=True)

    def _adapted(self, event: Adapted) -> None:
        if self._mode == "lines":
            scene = event.scene
            words = scene.why and f"not adapted, {scene.why}"
            if scene.before and scene.after:
                scores = f"{scene.before:.2f} -> {scene.after:.2f} dB on held-out"
                words = f"{words or adapted_words(scene)}: {scores} frames, {scene.seconds:.1f}s"
            place = f"scene {scene.scene + 1}/{event.scenes}"
            click.echo(f"filmcli: {printable(event.source)} {place} {words}", err=True)

    def _progress(self, at: Progress) -> None:
        now = time.monotonic()
        if not self._started:
            self._started, self._told = now, now
        # Of films that are made at once the frames are counted together.
        self._made += at.done - (self._at[at.source].done if at.source in self._at else at.done - 1)
        self._at[at.source] = at
        left = sum(film.total - film.done for film in self._at.values())
        speed = max(self._made, 1) / max(now - self._started, 1e-3)
        pace = _pace(speed / float(self._films[at.source].timeline.rate))
        scene = f"scene {at.scene}/{at.scenes}"
        if self._mode == "bar":
            total = sum(film.total for film in self._at.values())
            words = [f"{pace} real time", f"{clock(left / speed)} left"]
            words += [size(at.written)] if at.written else []
            if at.nodes:
                scene = f"{at.nodes} node{'s' * (at.nodes != 1)}"
                words = [f"{speed:.1f} fps", *words]
            self._move_bar(scene, total - left, total, "  ".join(words))
        elif self._mode == "lines" and now - self._told >= _LINES_EVERY_SECONDS:
            self._told = now
            written = f", {size(at.written)} written" if at.written else ""
            scene += f" on {at.node}, one of {at.nodes}," if at.nodes else ""
            click.echo(
                f"filmcli: {printable(at.source)} {100 * at.done // at.total}% "
                f"{at.done}/{at.total} frames {scene} {speed:.1f} fps, {pace} real time, "
                f"eta {left / speed:.0f}s{written}",
                err=True,
            )

    def _result(self, result: Result) -> None:
        self._at.pop(result.source, None)
        if not self._quiet and result.skipped:
            click.echo(f"already done: {printable(result.output)}", err=True)
        elif not self._quiet:
            speed = result.frames / max(result.seconds, 1e-3)
            click.echo(
                f"done: {printable(result.output)}   {result.frames} frames, "
                f"{clock(float(result.duration))} of film, verified   "
                f"in {clock(result.seconds)}, {speed:.1f} fps",
                err=True,
            )
            if result.tried:
                click.echo(f"   {_gained(result)}", err=True)
        if self._to_stdout:
            show_path(result.output)

    def _move_bar(self, words: str, done: int, total: int | None, end: str) -> None:
        if self._bar is None or self._task is None:
            self._bar = new_bar()
            self._bar.start()
            self._task = self._bar.add_task(words, total=total, end=end)
        self._bar.update(self._task, description=words, completed=done, total=total, end=end)


def new_bar() -> Bar:
    """A bar on standard error for tasks with an `end` field, their last words."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[end]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )


def plan_lines(plan: Plan) -> Iterator[str]:
    """Say in a few lines what is going to happen."""
    info, timeline = plan.info, plan.timeline
    first, last = timeline.shown
    frames, scenes = last - first + len(plan.found.repeats), timeline.scenes
    length = timeline.count / timeline.rate
    pictures = len(timeline.times) + len(plan.found.repeats)
    source = spell_rate(
        pictures / (timeline.times[-1] + timeline.last_duration - timeline.times[0])
    )
    yield (
        f"{printable(plan.source)}   {info.width}x{info.height} {info.layout.pix_fmt} "
        f"{info.color.matrix or 'no colour tags'}   {source} -> {spell_rate(timeline.rate)} fps   "
        f"{clock(float(length))}   {frames} -> {timeline.count} frames"
    )
    settings = plan.request.settings
    if settings.preview and settings.start is not None and settings.end is not None:
        part = f"{clock(float(settings.start))} to {clock(float(settings.end))}"
        yield f"   preview: {part} of the film, where most moves"
    yield (
        f"   {scenes} scene{'s' if scenes > 1 else ''}: {plan.kinds['keep']} frames kept, "
        f"{plan.kinds['make']} made, {plan.kinds['hold']} held"
    )
    yield from _adapted(plan)
    if plan.dedupe:
        repeats = len(plan.found.repeats)
        yield f"   {repeats} of {frames} frames are repeats: motion goes on through them"
    yield from _hint(plan)
    yield f"   {plan.device} - {plan.written_as} -> {printable(plan.output)}"


def _adapted(plan: Plan) -> Iterator[str]:
    """Say to how many scenes the network is adapted, if to any."""
    if plan.request.settings.steps == "auto":
        count, scenes = sum(plan.steps), plan.timeline.scenes
        if count:
            which = "the scene" if scenes == 1 else f"{count} of them"
            yield f"   adapts to {which}, for a twentieth of the time at most (--steps 0: to none)"
    elif any(plan.steps):
        yield f"   adapts to every scene in {plan.steps[0]} step{'s' * (plan.steps[0] != 1)}"


def _gained(result: Result) -> str:
    """Say what adaptation gave the film."""
    count = f"{result.adapted} of {result.tried} scene{'s' * (result.tried != 1)} adapted"
    if result.gained is None:
        return f"{count}: none gains by it"
    return f"{count}: their held-out frames gained {result.gained:.2f} dB"


def _hint(plan: Plan) -> Iterator[str]:
    """Name a rate next to the one asked for that would keep many more original frames."""
    source, rate = source_rate(plan.timeline.times, plan.timeline.last_duration), plan.timeline.rate
    for multiple in (Fraction(n, 2) for n in range(4, 21)):
        near = source * multiple
        if near != rate and abs(near / rate - 1) < Fraction(1, 500):
            yield (
                f"   hint: at --fps {spell_rate(near)} ({spell_rate(multiple)}x) one of every "
                f"{multiple.numerator} frames is the source's own"
            )


def _shorter(plan: Plan) -> Iterator[str]:
    """Ways to wait for less."""
    yield "try it first: --preview 10 makes ten seconds; -ss and -to make any other part"
    yield "fewer frames take less time: give a lower --fps"
    if plan.device.startswith("cpu"):
        yield "an NVIDIA card is many times faster; several machines can share the work: --cluster"


def adapted_words(scene: SceneAdaptation) -> str:
    """Say how a scene was adapted to: by itself, or with what an earlier one lent."""
    if scene.like is not None and not scene.steps:
        return f"as scene {scene.like + 1}"
    taken = f"{scene.steps} step{'s' * (scene.steps != 1)}"
    return f"adapted, {taken}" + ("" if scene.like is None else f" on from scene {scene.like + 1}")
