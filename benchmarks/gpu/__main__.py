"""`python -m benchmarks.gpu PART ...`: hands the words to the part's own `main`."""

from __future__ import annotations

import importlib
import sys

PARTS = ("pack", "check", "speed", "train")


def main(words: list[str]) -> int:
    """Run the part that the first word names."""
    if not words or words[0] not in PARTS:
        print(f"usage: python -m benchmarks.gpu {'|'.join(PARTS)} ...", file=sys.stderr)
        return 2
    part = importlib.import_module(f"benchmarks.gpu.{words[0]}")
    return int(part.main(words[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
