"""`filmcli doctor`: is everything here that filmcli needs, and if not, what exactly to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from filmcli import __version__
from filmcli.cli.console import printable
from filmcli.errors import FilmcliError, MachineError

if TYPE_CHECKING:
    import torch

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
        yield _guard("engines", partial(_engines, known))
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


def _engines(known: set[str]) -> Check:
    """Which video engines decode and code here; the encoders are tried out."""
    from filmcli.video.engines import engines

    decoders = engines()
    coders = sorted(name for name in known if name.endswith("_nvenc"))
    tried = {name: _codes(name) if "cuda" in decoders else "no NVIDIA card" for name in coders}
    words = [f"decoding by {engine}" for engine in decoders]
    words += [f"{name}: {why or 'codes'}" for name, why in tried.items()]
    return Check("engines", True, "; ".join(words) or "none: the processor does it", needed=False)


def _codes(encoder: str) -> str:
    """Why an encoder codes no picture; "" if it does."""
    from filmcli.video.process import ask

    grey = ("-f", "lavfi", "-i", "color=gray:s=256x256,format=yuv420p")
    coding = ("-frames:v", "2", "-c:v", encoder, "-f", "null", "-")
    answer = ask(["ffmpeg", "-v", "error", "-nostdin", *grey, *coding])
    return "" if answer.code == 0 else f"fails ({answer.words.partition(chr(10))[0][:80]})"


def _devices() -> Check:
    import torch

    from filmcli.network.machine import choose_precision

    cpu = torch.device("cpu")
    precision = str(choose_precision("auto", cpu)).removeprefix("torch.")
    found = [f"cpu ({torch.get_num_threads()} threads, {precision})"]
    if torch.backends.mps.is_available():
        found.insert(0, "mps")
    cards = [torch.device("cuda", k) for k in range(torch.cuda.device_count())]
    found = [*map(_card, cards), *found]
    driver = f", NVIDIA's driver {_driver()}" if cards else ""
    return Check("devices", True, f"{', '.join(found)}; torch {torch.__version__}{driver}")


def _card(device: torch.device) -> str:
    """Say what a GPU is: its name, memory, and the precision that is taken there."""
    import torch

    from filmcli.network.machine import choose_precision

    props = torch.cuda.get_device_properties(device)
    precision = str(choose_precision("auto", device)).removeprefix("torch.")
    return f"{device} {props.name} ({props.total_memory / 2**30:.1f} GiB, {precision})"


def _driver() -> str:
    from filmcli.video.process import ask

    if shutil.which("nvidia-smi") is None:
        return "unknown"
    asked = ask(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])
    return asked.stdout.decode("utf-8", "replace").partition("\n")[0]


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
