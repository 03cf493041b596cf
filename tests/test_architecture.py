"""The house keeps its floors: imports go down only, files stay short, the library stays silent."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import filmcli

SOURCE = Path(filmcli.__file__).parent

# A room imports from lower floors only; rooms on one floor do not know each other.
FLOORS = {
    "timing": 0,
    "frames": 0,
    "errors": 0,
    "locks": 0,
    "video": 1,
    "network": 1,
    "losses": 1,
    "lpips": 1,
    "survey": 2,
    "cluster": 2,
    "adaptation": 2,
    "backbones": 2,
    "comparison": 2,
    "page": 3,
    "pipeline": 4,
    "evaluation": 5,
    "arrays": 5,
    "adapt": 6,
    "api": 6,
    "interpolation": 6,
    "training": 6,
    "__init__": 7,
    "cli": 7,
    "__main__": 8,
}
# Rooms, and files of rooms, that are read long before a network is needed.
TORCH_FREE = {
    "timing",
    "frames",
    "errors",
    "locks",
    "video",
    "survey",
    "page",
    "cli",
    "pipeline/job",
    "pipeline/segments",
}

FILES = sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    """The room a file stands in: the first part of its module name."""
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


@cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """Every imported module of a file, and whether it is imported when the file is."""
    return list(_imports(path))


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    tree = ast.parse(path.read_text())
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    typing_only = {
        id(n)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for n in ast.walk(branch)
    }
    for node in ast.walk(tree):
        at_import = id(node) not in inside and id(node) not in typing_only
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "filmcli":
                yield from ((f"filmcli.{alias.name}", at_import) for alias in node.names)
            else:
                yield node.module, at_import


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down_only(path: Path) -> None:
    here = room(path)
    for module, _ in imports(path):
        if not module.startswith("filmcli."):
            continue
        there = module.split(".")[1]
        if there in ("__version__", here):
            continue
        allowed = FLOORS[there] < FLOORS[here] or there == "errors"
        assert allowed, f"{here} (floor {FLOORS[here]}) imports {there} (floor {FLOORS[there]})"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_edge_talks(path: Path) -> None:
    if room(path) in ("cli", "__main__") or path.name == "__main__.py":
        return
    tree = ast.parse(path.read_text())
    used = {module.split(".")[0] for module, _ in imports(path)}
    assert not used & {"click", "rich"}
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_rooms_without_torch_import_none() -> None:
    for path in FILES:
        name = path.relative_to(SOURCE).with_suffix("").as_posix()
        if {room(path), name} & TORCH_FREE:
            eager = {module.split(".")[0] for module, at_import in imports(path) if at_import}
            assert "torch" not in eager, path


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; from filmcli.cli import run; code = run(['--help']);"
        "heavy = {'torch', 'cv2', 'scenedetect', 'numpy', 'ray'} & set(sys.modules);"
        "sys.exit(code or (f'{heavy}' if heavy else 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "upsample" in done.stdout


def test_only_one_room_knows_ray_and_is_loaded_late() -> None:
    rays = {path for path in FILES if "ray" in {name.split(".")[0] for name, _ in imports(path)}}
    assert rays and {room(path) for path in rays} == {"cluster"}
    for path in FILES:
        if room(path) not in ("cluster", "evaluation") and path.parent.name != "pipeline":
            loads = [name for name, at_import in imports(path) if at_import]
            assert not [name for name in loads if name.startswith("filmcli.cluster")], path
