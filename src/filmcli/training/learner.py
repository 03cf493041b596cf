"""The network while it learns: its optimiser, the running mean of its weights, one step."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from filmcli.backbones import build, load
from filmcli.errors import UsageError
from filmcli.lpips import load_lpips
from filmcli.network.vgg import SOURCES, Vgg19, load_vgg
from filmcli.training.checkpoint import load_checkpoint, save_checkpoint
from filmcli.training.guard import astray
from filmcli.training.ranks import Ranks
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Batch
from filmcli.training.terms import Eyes, made_of, terms_of, weighted


class Learner:
    """What a run changes, on this process's device; `average` are the weights to ship.

    Begins with the weights `initial` (a shipped name or a file), or from nothing. Raises UsageError
    if they are of another network, or if the recipe needs VGG-19 and `vgg` names no file of it, and
    MachineError if it needs LPIPS and its weights are not installed.
    """

    def __init__(self, recipe: Recipe, initial: str | None, vgg: str | None, ranks: Ranks) -> None:
        self._recipe, self._ranks = recipe, ranks
        torch.manual_seed(recipe.seed)
        self._net = build(recipe.config)
        if initial is not None:
            self._net.load_state_dict(_begun(initial, recipe.config))
        # 11 to 13 % more samples a second than the default layout (one AVX-512 core).
        self._net.to(ranks.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._eyes = Eyes(
            load_lpips().to(ranks.device) if recipe.lpips_weight else None,
            _vgg(vgg).to(ranks.device) if recipe.needs_vgg() else None,
        )
        self._optimiser = torch.optim.AdamW(
            self._net.parameters(),
            betas=(0.9, recipe.second_decay),
            eps=recipe.epsilon,
            weight_decay=recipe.weight_decay,
        )
        self.average = {name: value.clone() for name, value in self._net.state_dict().items()}

    def resume(self, checkpoint: str) -> int:
        """Go on from the file `checkpoint`, if there is one; return the step to go on with.

        Raises what `load_checkpoint` raises, and UsageError if other processes find another.
        """
        first = 0
        if os.path.exists(checkpoint):
            state = self._net, self._optimiser, self.average
            first = load_checkpoint(checkpoint, self._recipe, *state)
        if self._ranks.mean({"first": first})["first"] != first:
            why = "They do not see the same checkpoint."
            do = "Write to a folder that all machines share."
            raise UsageError("The processes cannot go on together.", why, do)
        return first

    def save(self, checkpoint: str, step: int) -> None:
        """Write everything that step `step` needs to start."""
        state = self._net, self._optimiser, self.average
        save_checkpoint(checkpoint, self._recipe, step, *state)

    def step(self, step: int, parts: list[Batch]) -> dict[str, float]:
        """Learn from a batch in `parts`, this process's share of each; return the loss's terms.

        They are means over the whole batch, before weighting. Raises RenderError if the gradient is
        not a number; the weights are then as before.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = self._recipe.rate_at(step)
        self._optimiser.zero_grad()
        told: dict[str, float] = {}
        for part in parts:
            part = Batch(*(values.to(self._ranks.device) for values in part))
            factors = self._recipe.weights_at(step)
            made = made_of(self._net, part, bfloat16=self._recipe.bfloat16)
            terms = terms_of(made, part, factors, self._eyes)
            loss = weighted(terms, factors)
            (loss / len(parts)).backward()  # type: ignore[no-untyped-call]
            for name, value in terms.items():
                told[name] = told.get(name, 0.0) + float(value.detach()) / len(parts)
        self._ranks.mean_gradients(self._net.parameters())
        norm = nn.utils.clip_grad_norm_(self._net.parameters(), self._recipe.clip_norm)
        if not torch.isfinite(norm):
            raise astray(f"The gradient of step {step} is not a number.")
        self._optimiser.step()
        self._follow(step)
        return self._ranks.mean(told)

    def _follow(self, step: int) -> None:
        """Move the running mean of the weights; young means follow faster."""
        decay = min(self._recipe.average_decay, (1 + step) / (10 + step))
        for name, value in self._net.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)


def _begun(initial: str, config: str) -> dict[str, Tensor]:
    """Return the parameters that `initial` names, of the network `config`."""
    known = load(initial)
    if known.config != config:
        raise UsageError(
            f"A '{config}' cannot begin with the weights '{initial}'.",
            f"They are of another network, '{known.config}'.",
            "Give weights of the same network.",
        )
    return known.state_dict


def _vgg(path: str | None) -> Vgg19:
    if path is None:
        raise UsageError("This recipe compares features of VGG-19.", "Give --vgg FILE.", SOURCES)
    return load_vgg(path)
