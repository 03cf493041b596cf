"""Options that several commands have: each is written once, so that they mean the same in all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def steps(default: int) -> Decorator:
    """`--steps`, which is `default` unless the user says otherwise."""
    return click.option(
        "--steps", type=click.IntRange(0, 1000), default=default, show_default=True, metavar="N",
        help="Steps of adaptation to each scene.",
    )  # fmt: skip


weights = click.option(
    "-w", "--weights", metavar="NAME|PATH", help="Other weights than the shipped ones."
)
cuts = click.option(
    "--cuts",
    default="auto",
    metavar="auto|off|NUMBER|FILE",
    help="Where scenes change. A number in 0..1: lower finds more.",
)
dedupe = click.option(
    "--dedupe", is_flag=True, help="Count repeated pictures as one: drawings on twos and threes."
)
deinterlace = click.option(
    "--deinterlace",
    type=click.Choice(["auto", "off"]),
    default="auto",
    show_default=True,
    callback=lambda _context, _option, said: said == "auto",
)
in_fps = click.option(
    "--in-fps", metavar="RATE",
    help="Pictures a second of pictures in files of their own [default: 24] and of raw streams.",
)  # fmt: skip
video = click.option(
    "--video", type=click.IntRange(0), metavar="N",
    help="Of several films in a file this one: its stream, or its programme (MPEG-TS).",
)  # fmt: skip
device = click.option(
    "-d", "--device", default="auto", show_default=True, help="auto, cuda, cuda:1, mps, cpu."
)
precision = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "float16", "bfloat16"]),
    default="auto",
    show_default=True,
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line on standard output."
)
