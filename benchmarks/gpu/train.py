"""Training on a lent GPU, by the clock: `python -m benchmarks.gpu train MINUTES --data FOLDER`.

FOLDER holds what `pack --clips ... --stills ... --cutouts ...` made. Real windows are cropped on
the device, which one thread can do for 2000 samples a second; synthetic ones are drawn by a process
a core, 22 a second each. A step is one CUDA graph: launched kernel by kernel, it would wait for
Python half of the time. The run ends by itself, its rate falling as time passes, and leaves in OUT
the weights, and the checkpoint that the next one goes on from, in pieces under 16 MiB.
"""

from __future__ import annotations

import argparse
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from benchmarks.gpu.material import Footage, read_footage, read_pictures
from benchmarks.gpu.scenery import YUV420, frames
from benchmarks.gpu.teacher import Teacher
from filmcli.lpips import load_lpips
from filmcli.network import weights
from filmcli.network.machine import choose_device
from filmcli.network.networks import CONFIGS, build
from filmcli.training.presets import changed
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Batch, Sample, collate
from filmcli.training.synthetic import synthetic_sample
from filmcli.training.terms import Eyes, made_of, terms_of, weighted
from filmcli.training.textures import Assets

_MOMENTS = "exp_avg", "exp_avg_sq"
_PIECES = "net", "average", "step", *_MOMENTS
_PLAIN_STEPS = 4  # before one is recorded: libraries choose their kernels meanwhile
_TOLD_EVERY = 10.0  # seconds


class Synthetic(IterableDataset[Batch]):
    """Endless batches of drawn motion; every worker has a seed of its own."""

    def __init__(self, assets: Assets, recipe: Recipe, count: int) -> None:
        self._assets, self._recipe, self._count = assets, recipe, count

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self._recipe.seed, worker.id if worker else 0))
        while True:
            samples = [
                synthetic_sample(self._assets, self._recipe, rng) for _ in range(self._count)
            ]
            yield collate([_partly_hidden(sample, rng) for sample in samples])


def _partly_hidden(sample: Sample, rng: np.random.Generator) -> Sample:
    hidden = rng.random()
    before = None if hidden < 0.1 else sample.before
    return sample._replace(before=before, after=None if 0.05 < hidden < 0.2 else sample.after)


class Feed:
    """Fills one batch of the device's memory again and again: real windows, then synthetic ones."""

    def __init__(
        self, footage: Footage, assets: Assets, recipe: Recipe, device: torch.device, workers: int
    ) -> None:
        drawn = round(recipe.batch * recipe.synthetic)
        self._real, self._recipe, self._footage = recipe.batch - drawn, recipe, footage
        dataset = Synthetic(assets, recipe, drawn)
        on_cuda = device.type == "cuda"
        ahead = {"num_workers": workers, "prefetch_factor": 4 if workers else None}
        loader = DataLoader(dataset, batch_size=None, pin_memory=on_cuda, **ahead)
        self._drawn = iter(loader) if drawn else None
        self._rng = np.random.default_rng(recipe.seed + 1)
        side, B = recipe.side, recipe.batch
        picture = torch.zeros(B, 3, side, side, device=device)
        self.batch = Batch(
            *(picture.clone() for _ in range(3)),
            torch.full((B,), 0.5, device=device),
            *(picture.clone() for _ in range(2)),
            torch.ones(B, 4, device=device),
            torch.zeros(B, 8, side, side, device=device),
            torch.zeros(B, device=device),
        )
        self._filled = torch.cuda.Event() if on_cuda else None
        self.paused = threading.Lock()
        self._ready: queue.Queue[tuple[Tensor, Tensor, Tensor, torch.cuda.Event]] = queue.Queue(4)
        if on_cuda:
            threading.Thread(target=self._draw_ahead, daemon=True).start()

    def _draw(self) -> tuple[Tensor, Tensor, Tensor]:
        drawn = [self._footage.draw(self._recipe, self._rng) for _ in range(self._real)]
        pictures, phases, known = zip(*drawn, strict=True)
        return torch.stack(pictures), torch.tensor(phases), torch.tensor(known)

    def _draw_ahead(self) -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            while True:
                with self.paused:
                    drawn = self._draw()
                    done = torch.cuda.Event()
                    done.record()
                self._ready.put((*drawn, done))

    def fill(self) -> None:
        """Put the next samples into `batch`; on a card that is begun, and not waited for.

        Who fills it is a step ahead of the card at most.
        """
        if self._filled is not None:
            self._filled.synchronize()
            pictures, phases, known, done = self._ready.get()
            torch.cuda.current_stream().wait_event(done)
            pictures.record_stream(torch.cuda.current_stream())
        else:
            pictures, phases, known = self._draw()
        into, n = self.batch, self._real
        places = into.left, into.target, into.right, into.before, into.after
        for place, picture in zip(places, (pictures / 255).unbind(dim=1), strict=True):
            place[:n].copy_(picture)
        into.phase[:n].copy_(phases)
        into.known[:n, 2:].copy_(known)
        if self._drawn is not None:
            for place, values in zip(into, next(self._drawn), strict=True):
                place[n:].copy_(values, non_blocking=True)
        if self._filled is not None:
            self._filled.record()


class Pupil:
    """The network, its optimiser and the running mean of its weights; one step at a time."""

    def __init__(self, recipe: Recipe, feed: Feed, teacher: Teacher | None) -> None:
        device = feed.batch.left.device
        self._recipe, self._feed, self._teacher = recipe, feed, teacher
        self._eyes = Eyes(load_lpips().to(device) if recipe.lpips_weight else None)
        torch.manual_seed(recipe.seed)
        self.net = build(CONFIGS[recipe.config])
        self.net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        on_cuda = device.type == "cuda"
        self._rate = torch.full((), recipe.rate, device=device)
        self._optimiser = torch.optim.AdamW(
            self.net.parameters(),
            lr=recipe.rate,
            betas=(0.9, recipe.second_decay),
            weight_decay=recipe.weight_decay,
            fused=on_cuda,
            capturable=on_cuda,
        )
        if on_cuda:  # where a recorded step reads it
            self._optimiser.param_groups[0]["lr"] = self._rate
        self.average = {name: value.clone() for name, value in self.net.state_dict().items()}
        self._follow = torch.ones((), device=device)
        self._weights = {
            name: torch.zeros((), device=device) for name in (*recipe.weights_at(0), "teacher")
        }
        self.told: dict[str, Tensor] = {}
        self.steps = 0

    def step(self, progress: float, run: Callable[[Callable[[], None]], None]) -> None:
        """Learn from what the feed holds; `progress` in [0, 1) says how, `run` runs a step."""
        recipe = self._recipe
        for name, weight in recipe.weights_at(int(progress * recipe.steps)).items():
            self._weights[name].fill_(weight)
        self._weights["teacher"].fill_(0.02 * (1 - 0.8 * progress))
        rate = recipe.rate_at(int(progress * recipe.steps))
        self._rate.fill_(rate)
        if self._rate.device.type == "cpu":
            self._optimiser.param_groups[0]["lr"] = rate
        self._follow.fill_(1 - min(recipe.average_decay, (1 + self.steps) / (20 + self.steps)))
        run(self._learn)
        self.steps += 1

    def _learn(self) -> None:
        batch, wanted = self._feed.batch, self._weights
        made = made_of(self.net, batch, bfloat16=self._recipe.bfloat16)
        terms = terms_of(made, batch, wanted, self._eyes)
        if self._teacher is not None:
            terms["teacher"] = self._teacher.distance(made, batch)
        self._optimiser.zero_grad(set_to_none=True)
        weighted(terms, wanted).backward()
        parameters = list(self.net.parameters())
        norm = nn.utils.clip_grad_norm_(parameters, self._recipe.clip_norm)
        # A gradient that is no number must not be stepped by, and nobody waits to see it.
        usable = torch.isfinite(norm)
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.copy_(torch.where(usable, parameter.grad, 0))
        self._optimiser.step()
        for name, value in self.net.state_dict().items():
            self.average[name].lerp_(value, self._follow)
        for name, value in (terms | {"norm": norm}).items():
            if name not in self.told:
                self.told[name] = torch.zeros((), device=norm.device)
            self.told[name] += value.detach()

    def means(self, steps: int) -> dict[str, float]:
        """Return the means of what the last `steps` steps told, and forget them."""
        means = {name: float(total) / steps for name, total in self.told.items()}
        for total in self.told.values():
            total.zero_()
        return means

    def pieces(self) -> dict[str, dict[str, Tensor]]:
        """Return all that the next run needs to go on, in pieces, by reference."""
        named = dict(self.net.named_parameters())
        found: dict[str, dict[str, Tensor]] = {
            "net": self.net.state_dict(),
            "average": self.average,
        }
        found["step"] = {"step": torch.tensor(self.steps)}
        for moment in _MOMENTS:
            states = ((name, self._optimiser.state.get(p, {})) for name, p in named.items())
            found[moment] = {name: state[moment] for name, state in states if state}
        return found

    def begin(self, state: dict[str, Tensor]) -> None:
        """Begin with these parameters."""
        self.net.load_state_dict(state)
        for name, value in state.items():
            self.average[name].copy_(value)

    def resume(self, folder: Path) -> None:
        """Go on from the pieces in a folder."""
        read = {piece: load_file(folder / f"{piece}.safetensors") for piece in _PIECES}
        self.begin(read["net"])
        for name, value in read["average"].items():
            self.average[name].copy_(value)
        self.steps = int(read["step"]["step"])
        for name, parameter in self.net.named_parameters():
            device = parameter.device
            self._optimiser.state[parameter] = {
                "step": torch.tensor(float(self.steps), device=device),
                **{moment: read[moment][name].to(device) for moment in _MOMENTS},
            }


class Recorder:
    """Runs steps: a few as they are, then one recorded as a CUDA graph, then that again."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._plain = _PLAIN_STEPS if feed.batch.left.is_cuda else math.inf
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, step: Callable[[], None]) -> None:
        """Run `step`, which must do the same each time, on the same memory."""
        if self._graph is not None:
            self._graph.replay()
        elif self._plain > 0:
            self._plain -= 1
            self._aside(step)
        else:
            self._graph = torch.cuda.CUDAGraph()
            with self._feed.paused:  # nobody else asks the device for memory meanwhile
                torch.cuda.synchronize()
                with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                    step()
            self._graph.replay()

    def _aside(self, step: Callable[[], None]) -> None:
        if not self._feed.batch.left.is_cuda:
            step()
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            step()
        torch.cuda.current_stream().wait_stream(stream)


def main(words: list[str]) -> int:
    """Train for so many minutes, start included, and leave weights and checkpoint in OUT."""
    begun = time.monotonic()
    asked = _words().parse_args(words)
    device = choose_device(asked.device)
    recipe = changed(Recipe(), tuple(asked.set))
    if asked.tiny:
        recipe = changed(recipe, ("side=64", "batch=2", "synthetic=0.5", "bfloat16=false"))
    # The search for kernels takes 25 s: it pays in a longer run.
    torch.backends.cudnn.benchmark = device.type == "cuda" and asked.minutes > 4
    footage, assets = _tiny(device) if asked.tiny else _material(Path(asked.data), device)
    feed = Feed(footage, assets, recipe, device, 0 if asked.tiny else (os.cpu_count() or 4) - 3)
    pupil = Pupil(recipe, feed, Teacher(device) if asked.teacher else None)
    if asked.init:
        pupil.begin(weights.load(asked.init).state_dict)
    if asked.resume:
        pupil.resume(Path(asked.resume))
    out = Path(os.environ.get("OUT") or "build")
    out.mkdir(parents=True, exist_ok=True)
    _train(pupil, feed, begun + 60 * asked.minutes, out)
    return 0


def _train(pupil: Pupil, feed: Feed, end: float, out: Path) -> None:
    recorder, first = Recorder(feed), time.monotonic()
    told, told_at = 0, first
    while (now := time.monotonic()) < end:
        feed.fill()
        pupil.step((now - first) / (end - first), recorder)
        if (now := time.monotonic()) - told_at > _TOLD_EVERY:
            steps = pupil.steps - told
            speed = steps * len(feed.batch.phase) / (now - told_at)
            facts = " ".join(f"{name} {mean:.4g}" for name, mean in pupil.means(steps).items())
            print(f"step {pupil.steps}  {speed:.0f} samples/s  {facts}", flush=True)
            told, told_at = pupil.steps, now
            _save_weights(pupil, out)  # a machine that is lent may be taken away
    for piece, tensors in pupil.pieces().items():
        save_file(
            {n: t.contiguous().cpu() for n, t in tensors.items()}, out / f"{piece}.safetensors"
        )
    _save_weights(pupil, out)
    print(f"{pupil.steps} steps; the weights and what to go on from are in {out}", flush=True)


def _save_weights(pupil: Pupil, out: Path) -> None:
    config = pupil.net.config.name
    path = str(out / f"{config}.safetensors")
    weights.save(path, config, pupil.average, {"steps": str(pupil.steps)})


def _material(folder: Path, device: torch.device) -> tuple[Footage, Assets]:
    return read_footage(folder, device), read_pictures(folder)


def _tiny(device: torch.device) -> tuple[Footage, Assets]:
    luma = [planes[0] for planes in frames(YUV420, 96, 80, 9)]
    film = np.stack([np.dstack((y, y[::-1], y)) for y in luma])
    return Footage([("drawn", film)], device), Assets([film[0].repeat(4, 0).repeat(4, 1)], [])


def _words() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu train", description=__doc__)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--data", default=".gpu", help="what `pack` made of clips and pictures")
    parser.add_argument("--init", help="weights to begin with, a shipped name or a file")
    parser.add_argument("--resume", help="a folder with the pieces of an earlier run")
    parser.add_argument("--teacher", action="store_true", help="teach motion by RIFE 4.26, too")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tiny", action="store_true", help="a few small steps, of drawn frames")
    return parser
