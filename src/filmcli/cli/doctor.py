"""`filmcli doctor`: is everything here that filmcli needs, and if not, what exactly to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import click

from filmcli import __version__
from filmcli.cli.console import printable
from filmcli.errors import FilmcliError, MachineError

_ENCODERS = {  # by our name: ffmpeg's, and whether films cannot be made without it
    "x264": ("libx264", True),
    "x265": ("libx265", False),
    "av1": ("libsvtav1", False),
    "prores": ("prores_ks", False),
    "ffv1": ("ffv1", False),
}
_INSTALL = "install ffmpeg with it: apt-get install ffmpeg (Debian, Ubuntu), brew install ffmpeg"
_OLDEST_FFMPEG = 5  # -fps_mode came with 5.1
_NEEDED_SPACE = 1 << 30  # bytes; a minute of 1080p at crf 18 takes about a tenth of it


class Check(NamedTuple):
    """One thing looked at: what was found, and if it is not well, what to do."""

    name: str
    ok: bool
    found: str
    do: str = ""
    needed: bool = True


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def doctor(as_json: bool) -> int:
    """Check ffmpeg, encoders, devices, weights and free space.

    Exit code 5 if something that every film needs is missing.
    """
    checks = list(examine())
    healthy = all(check.ok for check in checks if check.needed)
    if as_json:
        facts = {"v": 1, "version": __version__, "ok": healthy}
        told = [check._replace(do="" if check.ok else check.do)._asdict() for check in checks]
        click.echo(json.dumps({**facts, "checks": told}))
    else:
        for check in checks:
            state = "ok" if check.ok else "MISSING" if check.needed else "absent"
            click.echo(f"{state:8} {check.name:12} {printable(check.found)}")
            if not check.ok and check.do:
                click.echo(f"{'':8} {'':12} -> {check.do}")
    return 0 if healthy else MachineError.exit_code


def examine() -> Iterator[Check]:
    """Look at everything, one check after the other; a failed one does not stop the rest."""
    for name in ("ffmpeg", "ffprobe"):
        yield _guard(name, partial(_program, name))
    if shutil.which("ffmpeg"):
        known = _known_encoders()
        for ours, (theirs, needed) in _ENCODERS.items():
            found = theirs if theirs in known else f"{theirs} is not in this ffmpeg"
            yield Check(ours, theirs in known, found, _INSTALL, needed)
        nvenc = sorted(name for name in known if name.endswith("_nvenc"))
        if nvenc:
            yield Check("nvenc", True, f"{', '.join(nvenc)} in ffmpeg", needed=False)
    yield _guard("devices", _devices)
    yield _guard("weights", _weights)
    yield _space()


def _guard(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except FilmcliError as failure:
        why = " ".join(line for line in (failure.what, failure.why) if line)
        return Check(name, False, why, failure.do)
    except (ImportError, OSError) as failure:
        return Check(name, False, str(failure), "install filmcli again: make setup")


def _program(name: str) -> Check:
    from filmcli.video.process import ask, tool

    path = tool(name)
    first = ask([name, "-version"]).stdout.decode("utf-8", "replace").partition("\n")[0]
    words = first.split()
    version = words[2] if len(words) > 2 else "unknown"
    major = version.lstrip("nN-").partition(".")[0]
    # A build from the repository carries no number (N-112233-g...): believe that it is new.
    too_old = major.isdigit() and int(major) < _OLDEST_FFMPEG and "." in version
    do = f"filmcli needs {name} 5.1 or newer: upgrade the system's package"
    return Check(name, not too_old, f"{version} ({path})", do)


def _known_encoders() -> set[str]:
    from filmcli.video.process import ask

    lines = ask(["ffmpeg", "-hide_banner", "-encoders"]).stdout.decode("utf-8", "replace")
    return {words[1] for line in lines.splitlines() if len(words := line.split()) > 1}


def _devices() -> Check:
    import torch

    cpu = f"cpu ({torch.get_num_threads()} threads)"
    cards = [
        f"cuda:{k} {torch.cuda.get_device_name(k)}, "
        f"{torch.cuda.get_device_properties(k).total_memory / 2**30:.1f} GiB"
        for k in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        cards.append("mps")
    return Check("devices", True, f"{', '.join([*cards, cpu])}; torch {torch.__version__}")


def _weights() -> Check:
    from filmcli.network.weights import load

    weights = load()
    count = sum(tensor.numel() for tensor in weights.state_dict.values())
    facts: dict[str, Any] = weights.metadata
    trained = f", {facts['steps']} steps of training" if "steps" in facts else ""
    found = f"{weights.config}, {count:,} parameters{trained}, sha256 {weights.sha256}"
    return Check("weights", True, found)


def _space() -> Check:
    here = os.getcwd()
    free = shutil.disk_usage(here).free
    writable = os.access(here, os.W_OK)
    found = f"{free / 2**30:.1f} GiB free in {here}{'' if writable else ', not writable'}"
    do = "free some space, or write elsewhere with -o"
    return Check("space", free >= _NEEDED_SPACE, found, do, needed=False)
