"""`make release` refuses what nobody could fetch again, before it builds anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import filmcli
from tests.test_architecture import FLOORS

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with what a release looks at, all committed."""
    for name in ("Makefile", "CHANGELOG.md", "src/filmcli/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "all")
    return tmp_path


def git(tree: Path, *words: str) -> None:
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *who, *words], cwd=tree, check=True)


def asked(tree: Path) -> tuple[int, str]:
    words = ["make", "--no-print-directory", "may-release"]
    alone = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(words, cwd=tree, capture_output=True, text=True, check=False, env=alone)
    return done.returncode, done.stderr


def test_a_clean_tree_whose_version_is_told_of_may_be_released(tree: Path) -> None:
    assert asked(tree) == (0, "")


def test_a_tree_with_changes_is_refused(tree: Path) -> None:
    (tree / "new.txt").write_text("not committed")
    code, said = asked(tree)
    assert code and "commit them first" in said


def test_a_version_that_is_tagged_is_refused(tree: Path) -> None:
    git(tree, "tag", f"v{filmcli.__version__}")
    code, said = asked(tree)
    assert code and f"v{filmcli.__version__} is tagged" in said


def test_a_version_that_the_changelog_does_not_know_is_refused(tree: Path) -> None:
    (tree / "src/filmcli/__init__.py").write_text('__version__ = "99.0"\n')
    git(tree, "commit", "-q", "-a", "-m", "raise it")
    code, said = asked(tree)
    assert code and "does not tell of 99.0" in said


def test_the_newest_section_of_the_changelog_is_this_version() -> None:
    sections = re.findall(
        r"^## \[([\d.]+)\] - \d{4}-\d\d-\d\d$", text("CHANGELOG.md"), re.MULTILINE
    )
    assert sections[0] == filmcli.__version__ and len(sections) > 1


def test_the_guide_draws_the_floors_that_are_tested() -> None:
    rows = re.findall(r"^\| (\d) \| (.*) \|$", text("CONTRIBUTING.md"), re.MULTILINE)
    drawn = {name: int(floor) for floor, rooms in rows for name in re.findall(r"`(\w+)`", rooms)}
    assert drawn == FLOORS


def text(name: str) -> str:
    return (ROOT / name).read_text()
