"""A run of parts that keeps to its time, survives its failures and prints its tables last."""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

Row = dict[str, Any]
Parts = Mapping[str, tuple[float, Callable[[], Iterable[Row]]]]
"""By title, what is worth most first: the seconds of each, and what it does."""


class TimeOverError(Exception):
    """The part's time is over."""


class Sheet:
    """Rows of each part, in order."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tables: list[tuple[str, list[Row], str]] = []
        self.folder = Path(os.environ.get("OUT") or "build")
        self.folder.mkdir(parents=True, exist_ok=True)

    def run(self, parts: Parts, only: str = "", seconds: float | None = None) -> int:
        """Run `parts`, or those that `only` names, commas between; return 1 if one failed.

        All of it takes `seconds`, by default those of the parts; each has its share of them, and
        what those before it left. It ends in time even if a part hangs in Python code.
        """
        names = only.split(",") if only else list(parts)
        if unknown := set(names) - set(parts):
            raise SystemExit(f"no such part: {', '.join(unknown)}; there are {', '.join(parts)}")
        shares = {title: parts[title][0] for title in parts if title in names}
        stretch = 1 if seconds is None else seconds / sum(shares.values())
        end = time.monotonic()
        for title, share in shares.items():
            end += share * stretch
            self.part(title, end - time.monotonic(), parts[title][1])
        return self.close()

    def part(self, title: str, seconds: float, work: Callable[[], Iterable[Row]]) -> None:
        """Take rows from `work` until it ends, fails, or `seconds` are over."""
        rows: list[Row] = []
        begun = time.monotonic()
        end = ""
        print(f"== {title}: at most {max(seconds, 0):.0f} s", flush=True)
        try:
            with _alarm(seconds):
                for row in work():
                    rows.append(row)
                    print(
                        "  ", *(f"{key}={_shown(value)}" for key, value in row.items()), flush=True
                    )
                    if time.monotonic() - begun > seconds:
                        raise TimeOverError
        except TimeOverError:
            end = "STOPPED: its time was over"
        except Exception as failure:
            traceback.print_exc()
            end = f"FAILED: {type(failure).__name__}: {str(failure).partition(chr(10))[0][:200]}"
        took = time.monotonic() - begun
        self._tables.append((f"{title} ({took:.1f} s)", rows, end))
        with open(self.folder / "gpu.jsonl", "a") as file:
            for row in rows:
                file.write(
                    json.dumps({"run": self._name, "part": title, **row}, default=str) + "\n"
                )

    def close(self) -> int:
        """Print all tables; return 1 if a part failed."""
        lines = [f"\n#### gpu {self._name}"]
        for title, rows, end in self._tables:
            lines += [f"-- {title}", *table(rows), *([end] if end else [])]
        text = "\n".join(lines)
        print(text, flush=True)
        with open(self.folder / "gpu.txt", "a") as file:
            file.write(text + "\n")
        return int(any(end.startswith("FAILED") for _, _, end in self._tables))


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise TimeOverError in the block if it takes a few seconds more than `seconds`."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeOverError

    if seconds <= 0:
        raise TimeOverError
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds + 3)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def table(rows: list[Row]) -> list[str]:
    """Return `rows` as lines of aligned columns; a row may lack some."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns, *([_shown(row.get(key, "")) for key in columns] for row in rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(columns))]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells if columns]


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else " | ".join(str(value).splitlines())


def options(name: str) -> argparse.ArgumentParser:
    """Return the words that every part understands."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.gpu {name}")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, help="for all of it, in place of its own time")
    parser.add_argument("--tiny", action="store_true", help="small pictures, few of each")
    parser.add_argument("--only", default="", help="parts by name, commas between")
    return parser
