"""The command line: strings in, sentences out. Error handling and exit codes live here, once."""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import cast

import click

from filmcli import __version__
from filmcli.cli.console import machine_failure, printable, show_error
from filmcli.errors import FilmcliError

COMMANDS = ("upsample", "adapt", "probe", "compare", "evaluate", "train", "doctor")

_INTERRUPTED, _TERMINATED = 130, 143

# torch's threads wait for each other hundreds of times a picture. By default they turn in circles
# 300,000 times first, and so keep the processor from the very one they wait for as soon as anything
# else runs; asleep at once, they take long to wake. Of 320x180 two cores give 29 pictures a second
# so and 21 by threads that sleep at once; beside three busy processes 8.5 either way, and 3.6 by
# threads that turn 100,000 times.
_TURNS = "GOMP_SPINCOUNT", "1000"
_OWN_WORD = "OMP_WAIT_POLICY"


class Terminated(KeyboardInterrupt):
    """SIGTERM, which unwinds like Ctrl-C: children end, half-made files go."""


class Commands(click.Group):
    """Loads a command's file when it is asked for; each file is named after its command."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name the commands in the order people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import `filmcli.cli.NAME` and return its function NAME."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"filmcli.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, "-V", "--version", prog_name="filmcli")
def main() -> None:
    """Turn a choppy film into a smooth one.

    \b
    filmcli upsample in.mp4 --fps 60      -> in.60fps.mp4
    filmcli probe in.mp4 --scenes         what is in the file, and where it cuts
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the console script's entry point."""
    if _OWN_WORD not in os.environ:
        os.environ.setdefault(*_TURNS)  # read when torch is loaded
    signal.signal(signal.SIGTERM, _terminate)
    _escape_what_cannot_be_shown()
    try:
        result = main.main(
            list(arguments) if arguments is not None else None,
            prog_name="filmcli",
            standalone_mode=False,
            auto_envvar_prefix="FILMCLI",
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.Abort as abort:  # click's word for Ctrl-C, whose kind it keeps as the cause
        return _TERMINATED if isinstance(abort.__cause__, Terminated) else _INTERRUPTED
    except click.ClickException as error:
        words = io.StringIO()
        error.show(words)  # they may hold a file's name
        lines = words.getvalue().rstrip("\n").split("\n")
        click.echo("\n".join(map(printable, lines)), err=True)
        return error.exit_code
    except BrokenPipeError:
        # The reader went away; keep the interpreter's own last flush from complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (FilmcliError, OSError) as error:
        failure = machine_failure(error) if isinstance(error, OSError) else error
        show_error(failure)
        return failure.exit_code


def _escape_what_cannot_be_shown() -> None:
    """Let a console without a letter (Windows' code pages, LC_ALL=C) show its number instead."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError):  # a stream of somebody else's making
            cast(io.TextIOWrapper, stream).reconfigure(errors="backslashreplace")


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise Terminated
