"""Options that several commands have: each is written once, so that they mean the same in all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class ByTopic(click.Command):
    """A command whose help lists its options under headings.

    `topics` holds the names of the options under each; what it does not name follows the last.
    """

    def __init__(self, *args: Any, topics: Mapping[str, Sequence[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._topics = topics

    def sections(self, ctx: click.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Yield each topic, and the names and the help of its options."""
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        records = {option.name: option.get_help_record(ctx) for option in options}
        told = {name for names in self._topics.values() for name in names}
        rest = [name for name in records if name not in told]
        for title, names in self._topics.items():
            is_last = title == list(self._topics)[-1]
            found = [records[name] for name in (*names, *rest * is_last)]
            yield title, [record for record in found if record]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each topic as a section of its own."""
        for title, records in self.sections(ctx):
            with formatter.section(title):
                formatter.write_dl(records)


class _Steps(click.ParamType):  # type: ignore[type-arg]
    """A number of steps, or auto."""

    name = "steps"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        return "auto" if value == "auto" else click.IntRange(0, 1000).convert(value, param, ctx)


def steps(default: int | str) -> Decorator:
    """`--steps`, which is `default` unless the user says otherwise."""
    return click.option(
        "--steps", type=_Steps(), default=default, show_default=True, metavar="N|auto",
        help="Adapt the network to each scene in N steps; auto: in one where that costs little.",
    )  # fmt: skip


weights = click.option(
    "-w", "--weights", metavar="NAME|PATH", help="Other weights than those that come with filmcli."
)
cuts = click.option(
    "--cuts",
    default="auto",
    metavar="auto|off|NUMBER|FILE",
    help="Where scenes change. A number from 0 to 1: lower finds more.  [default: auto]",
)
dedupe = click.option(
    "--dedupe", is_flag=True, help="Count repeated pictures as one: drawings on twos and threes."
)
deinterlace = click.option(
    "--deinterlace",
    type=click.Choice(["auto", "off"]),
    default="auto",
    show_default=True,
    help="Interlaced video gets whole pictures first.",
    callback=lambda _context, _option, said: said == "auto",
)
in_fps = click.option(
    "--in-fps", metavar="RATE",
    help="How many pictures of a folder [default: 24], or of a raw stream, are shown a second.",
)  # fmt: skip
video = click.option(
    "--video", type=click.IntRange(0), metavar="N",
    help="Which of several films in a file: number of the stream, or programme (MPEG-TS).",
)  # fmt: skip
device = click.option(
    "-d", "--device", default="auto", show_default=True, help="auto, cuda, cuda:1, mps, cpu."
)
precision = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "float16", "bfloat16"]),
    default="auto",
    show_default=True,
    help="Numbers that the network counts in.",
)
cluster = click.option(
    "--cluster", metavar="local|auto|ADDRESS",
    help="Share the work by Ray: over this machine's GPUs, or over many machines.",
)  # fmt: skip
as_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line on standard output."
)
progress = click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "lines", "off"]),
    default="auto",
    show_default=True,
    help="A bar that moves, or lines now and then.",
)
