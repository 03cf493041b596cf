"""`python -m filmcli` is `filmcli`."""

import sys

from filmcli.cli import run

if __name__ == "__main__":
    sys.exit(run())
