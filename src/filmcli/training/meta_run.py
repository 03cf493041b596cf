"""`python -m filmcli.training.meta_run CLIPS --init W -o OUT`: learn how to adapt."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import fields

from filmcli.adaptation.film import adaptable
from filmcli.errors import FilmcliError
from filmcli.network.weights import load, named_rates, save
from filmcli.training.clips import load_clips
from filmcli.training.meta import Learned, MetaRecipe, Report, meta_train
from filmcli.training.tasks import tasks

REPORT_EVERY = 20  # steps of the outer loop


def main(arguments: Sequence[str] | None = None) -> int:
    """Meta-train as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m filmcli.training.meta_run", description=__doc__
    )
    parser.add_argument("clips", help="folder of videos")
    parser.add_argument("-o", "--output", required=True, help="weights file to write")
    parser.add_argument("--init", help="weights to begin with: a name or a file")
    parser.add_argument("--side", type=int, default=160, help="px of a task's frames")
    parser.add_argument("--queries", type=int, choices=(1, 3), default=3, help="in each task")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--save-every", type=int, default=100, help="steps of the outer loop")
    defaults = MetaRecipe()
    for field in fields(MetaRecipe):
        value = getattr(defaults, field.name)
        option = "--" + field.name.replace("_", "-")
        if isinstance(value, bool):
            parser.add_argument(option, action="store_true")
        else:
            parser.add_argument(option, type=type(value), default=value, help=f"default {value}")
    asked = parser.parse_args(arguments)
    recipe = MetaRecipe(**{f.name: getattr(asked, f.name) for f in fields(MetaRecipe)})
    try:
        weights = load(asked.init)
        net = adaptable(weights, asked.device)
        drawn = tasks(load_clips(asked.clips, asked.side), asked.side, asked.seed, 0, asked.queries)

        def keep(learned: Learned, step: int) -> None:
            tensors = {**weights.state_dict, **learned.params, **named_rates([learned.rates])}
            said = {**weights.metadata, "meta_recipe": repr(recipe), "meta_steps": str(step)}
            save(asked.output, weights.config, tensors, said)

        meta_train(net, drawn, recipe, _teller(), keep=keep, keep_every=asked.save_every)
    except FilmcliError as failure:
        sys.stderr.write(f"{failure}\n")
        return failure.exit_code
    return 0


def _teller() -> Report:
    """Return a report that writes the mean of every few steps."""
    lines: list[dict[str, float]] = []
    started = time.monotonic()

    def tell(line: dict[str, float]) -> None:
        lines.append(line)
        if len(lines) == REPORT_EVERY:
            before, after = (sum(x[k] for x in lines) / len(lines) for k in ("before", "after"))
            lines.clear()
            seconds = time.monotonic() - started
            sys.stdout.write(
                f"step {line['step']:.0f}  unadapted {before:.5f}  adapted {after:.5f}  "
                f"{seconds:.0f} s\n"
            )
            sys.stdout.flush()

    return tell


if __name__ == "__main__":
    sys.exit(main())
