"""The tree of failures.

Every failure that a user can cause or cure is a `FilmcliError`: three lines that say *what* went
wrong, *why*, and *what to do*, and the exit code the command line ends with. Anything else that
escapes is a bug of ours and may show a traceback.
"""

from __future__ import annotations

import errno
import os


class FilmcliError(Exception):
    """A failure with a sentence for each of: what, why, what to do.

    `exit_code` is what the command line returns when this is the only failure (1: failed while
    running).
    """

    exit_code = 1

    def __init__(self, what: str, why: str = "", do: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.do = do

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.why, self.do) if line)


class UsageError(FilmcliError):
    """The command's own words are wrong (a rate of zero, two outputs of one name)."""

    exit_code = 2


class InputError(FilmcliError):
    """The input is missing, unreadable, or holds no film."""

    exit_code = 3


class OutputExistsError(FilmcliError):
    """The output name is taken by something that this job did not make."""

    exit_code = 4


class MachineError(FilmcliError):
    """This machine lacks something: ffmpeg, an encoder, a device, weights, space, rights."""

    exit_code = 5


class RenderError(FilmcliError):
    """A child process or the network failed in the middle of the work."""


class VerifyError(FilmcliError):
    """The finished file is not what was promised; it was not given its final name."""


_REFUSALS = {
    errno.ENOSPC: "is full",
    errno.EDQUOT: "grants no more room",
    errno.EFBIG: "takes no file so large",
}


def full_disk(what: str, told: str, path: str | None) -> MachineError | None:
    """The error if it was `told` in the system's words that the disk of `path` takes no more."""
    words = next((word for number, word in _REFUSALS.items() if os.strerror(number) in told), None)
    if words is None:
        return None
    holder = f" that holds {os.path.dirname(os.path.abspath(path))}" if path else ""
    return MachineError(
        what,
        f"The disk{holder} {words}.",
        "Free some space there, or name another folder (-o, --work-dir), and give the same command "
        "again.",
    )
