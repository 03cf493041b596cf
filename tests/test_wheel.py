"""What people install: a wheel, built from a clean tree, away from that tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from filmcli.cli import COMMANDS
from tests.clips import pattern
from tests.marks import slow

ROOT = Path(__file__).parents[1]
PARTS = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "LICENSES.md", "src", "weights")

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")

TINY_TRAINING = "steps=1 batch=1 side=32"
WORDS = {
    "upsample": "in.mp4",
    "adapt": "--steps 1 in.mp4",
    "probe": "in.mp4 --scenes",
    "compare": "in.mp4 in.mp4 -o both.mp4",
    "evaluate": "--synthetic --limit 1 --rivals blend",
    "train": "clips -o new.safetensors --workers 0 --set " + TINY_TRAINING.replace(" ", " --set "),
    "doctor": "",
}


def ran(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The program's end, which must be a good one."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [*map(str, words)], capture_output=True, text=True, cwd=cwd, env=clean, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of a clean tree, and in `again/` the sdist's wheel."""
    home = tmp_path_factory.mktemp("wheel")
    tree = home / "tree"
    tree.mkdir()
    unclean = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tree / part, symlinks=True, ignore=unclean)
        else:
            shutil.copy(ROOT / part, tree / part)
    to = ("--no-isolation", "--outdir", home)
    ran(sys.executable, "-m", "build", "--sdist", *to, tree, cwd=home)
    (sdist,) = home.glob("filmcli-*.tar.gz")
    wheel = ("wheel", "-q", "--no-build-isolation", "--no-deps", "-w")
    ran(*PIP, *wheel, home, tree, cwd=home)
    ran(*PIP, *wheel, home / "again", sdist, cwd=home)
    shutil.rmtree(tree)
    return home


@pytest.fixture(scope="module")
def installed(built: Path) -> Path:
    """A new environment that holds the sdist's wheel, and sees the other packages of this one."""
    python = environment(built / "env")
    install(python, built)
    # A path in a .pth file is searched for packages, but not for .pth files: an editable install
    # there stays unseen.
    others = packages(python) / "others.pth"
    others.write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def environment(home: Path) -> Path:
    """The Python of a new, empty environment."""
    venv.create(home, with_pip=False)
    return home / "bin" / "python"


def install(python: Path, built: Path) -> None:
    (wheel,) = (built / "again").glob("filmcli-*.whl")
    words = ("--python", python, "install", "-q", "--no-deps", "--no-index", wheel)
    ran(*PIP, *words, cwd=built)


def packages(python: Path) -> Path:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return python.parents[1] / "lib" / name / "site-packages"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("workplace")
    film = pattern(home / "in.mp4", 0.5, size="64x48")
    (home / "clips").mkdir()
    shutil.copy(film, home / "clips" / "in_1.mp4")
    return home


def test_the_sdist_builds_the_same_wheel(built: Path) -> None:
    """File by file: nothing that the wheel needs is missing from the sdist."""
    (direct,), (again,) = built.glob("*.whl"), (built / "again").glob("*.whl")
    assert direct.name == again.name
    assert sums(direct) == sums(again)
    assert any(name.endswith("licenses/LICENSES.md") for name in sums(again))


def sums(wheel: Path) -> dict[str, int]:
    """The checksum of every file in a wheel, but for its own list of them."""
    with zipfile.ZipFile(wheel) as files:
        return {f.filename: f.CRC for f in files.infolist() if not f.filename.endswith("/RECORD")}


def test_uninstalling_leaves_nothing(built: Path, tmp_path: Path) -> None:
    """Not even the bytecode of what was run."""
    python = environment(tmp_path / "env")
    before = set((tmp_path / "env").rglob("*"))
    install(python, built)
    ran(python, "-c", "import filmcli.timing", cwd=tmp_path)
    assert set((tmp_path / "env").rglob("*")) > before
    ran(*PIP, "--python", python, "uninstall", "-q", "-y", "filmcli", cwd=tmp_path)
    assert set((tmp_path / "env").rglob("*")) == before


def test_the_wheel_alone_is_seen(installed: Path, workplace: Path) -> None:
    told = ran(installed / "python", "-c", "import filmcli; print(filmcli.__file__)", cwd=workplace)
    assert Path(told.stdout.strip()).is_relative_to(installed.parent)


def test_no_command_is_forgotten() -> None:
    assert {*WORDS} == {*COMMANDS}


@pytest.mark.parametrize(
    "command", ["upsample", "probe", "compare", *slow("adapt", "evaluate", "train", "doctor")]
)
def test_every_command_of_an_installed_wheel_runs(
    installed: Path, workplace: Path, command: str
) -> None:
    ran(installed / "filmcli", command, *WORDS[command].split(), cwd=workplace)


def test_an_installed_wheel_makes_pages(installed: Path, workplace: Path) -> None:
    """What they are made of are files that are no modules."""
    words = ("compare", "in.mp4", "in.mp4", "--page", "page.html")
    ran(installed / "filmcli", *words, cwd=workplace)
    page = (workplace / "page.html").read_text()
    assert page.startswith("<!doctype html>") and "class Pair" in page and "--made" in page


def test_every_module_is_in_the_wheel(installed: Path, workplace: Path) -> None:
    """Also what a command loads only for some of its words: the built-in film, for one."""
    names = [
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        for path in (ROOT / "src" / "filmcli").rglob("*.py")
        if path.name != "__main__.py"
    ]
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    ran(installed / "python", "-c", code, *names, cwd=workplace)


def test_the_wheel_is_typed(installed: Path, workplace: Path) -> None:
    """What a type checker finds there: the marker, and the types of the lazily loaded names."""
    user = workplace / "user.py"
    user.write_text(
        "import filmcli, numpy as np\n"
        "reveal_type(filmcli.probe('in.mp4'))\n"
        "frame = np.zeros((64, 64, 3), np.uint8)\n"
        "filmcli.Interpolator().between(frame, frame, ['half'])\n"
        "filmcli.upsample('in.mp4', fps=60, crf='good')\n"
    )
    settings = workplace / "mypy.ini"  # torch alone takes half a minute
    settings.write_text("[mypy]\n[mypy-torch.*]\nfollow_imports = skip\n")
    words = ("--python-executable", installed / "python", "--config-file", settings, user)
    clean = {key: value for key, value in os.environ.items() if key != "MYPYPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=workplace,
        env=clean,
        check=False,
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("user.py")]
    first, second, third = told
    assert "filmcli.frames.VideoInfo" in first
    assert "error" in second and "float" in second
    assert "error" in third and "crf" in third
