"""`python docs/man.py FOLDER`: a manual page for each command, made of what its --help says."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from filmcli import __version__
from filmcli.cli import main
from filmcli.cli.options import ByTopic

VERBATIM = "\b\n"
"""What click wants before lines that are not to be wrapped."""


def page(context: click.Context) -> str:
    """The manual page of a command, in roff's man macros."""
    command, name = context.command, context.command_path.replace(" ", "-")
    described = [part.strip("\n") for part in cleandoc(command.help or "").split("\n\n")]
    usage = f"\\fB{_plain(context.command_path)}\\fR "
    usage += _plain(" ".join(command.collect_usage_pieces(context)))
    lines = [f'.TH "{name.upper()}" 1 "" "filmcli {__version__}" "filmcli"']
    lines += [".SH NAME", f"{_plain(name)} \\- {_plain(described[0].rstrip('.'))}"]
    lines += [".SH SYNOPSIS", usage, ".SH DESCRIPTION"]
    for part in described:
        lines += [".PP", *_paragraph(part)]
    if isinstance(command, click.Group):
        lines += [".SH COMMANDS", *_entries(_commands(context, command))]
    for title, records in _sections(context):
        lines += [f".SH {_plain(title.upper())}", *_entries(records)]
    if context.parent:
        lines += [".SH SEE ALSO", ".BR filmcli (1)"]
    return "\n".join(lines) + "\n"


def _sections(context: click.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    command = context.command
    if isinstance(command, ByTopic):
        yield from command.sections(context)
        return
    records = (option.get_help_record(context) for option in command.get_params(context))
    yield "Options", [record for record in records if record]


def _commands(context: click.Context, group: click.Group) -> Iterator[tuple[str, str]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"filmcli-{name}(1)", command.get_short_help_str(80)


def _entries(records: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> Iterator[str]:
    for names, words in records:
        yield from (".TP", f"\\fB{_plain(names)}\\fR", _line(re.sub(r"\s+", " ", words)))


def _paragraph(text: str) -> Iterator[str]:
    if not text.startswith(VERBATIM):
        yield _line(re.sub(r"\s+", " ", text))
        return
    yield from (".RS 4", ".nf", *map(_line, text.removeprefix(VERBATIM).split("\n")), ".fi", ".RE")


def _line(text: str) -> str:
    """A line of text, whatever it begins with."""
    return f"\\&{_plain(text)}" if text[:1] in (".", "'") else _plain(text)


def _plain(text: str) -> str:
    """Text without meaning to roff, its hyphens as they are typed."""
    return text.replace("\\", "\\e").replace("-", "\\-")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    top = click.Context(main, info_name="filmcli", help_option_names=["-h", "--help"])
    contexts = [top]
    for name in main.list_commands(top):
        command = main.get_command(top, name)
        assert command is not None
        contexts.append(click.Context(command, parent=top, info_name=name))
    for context in contexts:
        path = folder / f"{context.command_path.replace(' ', '-')}.1"
        path.write_text(page(context), encoding="utf-8")
        print(path)
