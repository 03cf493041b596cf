"""What a batch says against a network: the terms of the loss, before weighting."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from filmcli import losses
from filmcli.lpips import Lpips
from filmcli.network.networks import Network
from filmcli.network.pyramids import warp
from filmcli.network.synthesis import Beside
from filmcli.network.vgg import Vgg19
from filmcli.training.samples import Batch

Number = TypeVar("Number", float, Tensor)

_FETCHED_LEVELS = 3  # 2, 3 and 4: on coarser ones a frame is hardly a picture


class Eyes(NamedTuple):
    """The networks that compare how frames look, as far as a recipe asks for them."""

    lpips: Lpips | None = None
    vgg: Vgg19 | None = None


class Made(NamedTuple):
    """Frames made, and as far as the network tells how: the motions and ways of `Synthesis`."""

    frame: Tensor
    motions: Sequence[Tensor] = ()
    ways: Sequence[Tensor] = ()


def made_of(net: nn.Module, batch: Batch, *, bfloat16: bool) -> Made:
    """Return what the network makes of a batch; all its frames are looked at together."""
    with torch.autocast(batch.left.device.type, torch.bfloat16, enabled=bfloat16):
        if isinstance(net, Network):
            return _made(net, batch)
        return Made(net(batch.left, batch.right, batch.phase))


def terms_of(made: Made, batch: Batch, wanted: Collection[str], eyes: Eyes) -> dict[str, Tensor]:
    """Return the `wanted` losses of what was made of a batch, scalars.

    "fetched" and "flow" are known of a network whose flow lives at the moment. Besides the losses,
    "decibels" is the PSNR of the batch's frames, for people to read.
    """
    frame = made.frame.float()
    terms = {
        name: loss(frame, batch.target) for name, loss in _OF_THE_FRAME.items() if name in wanted
    }
    if "fetched" in wanted and made.ways:
        terms["fetched"] = _fetched(made, batch)
    if "flow" in wanted and made.ways:
        known = batch.known * batch.taught[:, None]
        terms["flow"] = losses.flow_supervision(made.motions, made.ways, batch.ways, known)
    if eyes.lpips is not None and "lpips" in wanted:
        terms["lpips"] = eyes.lpips(frame, batch.target).mean()
    if eyes.vgg is not None and ("vgg" in wanted or "style" in wanted):
        features, truth = eyes.vgg(frame), eyes.vgg(batch.target)
        compared = {"vgg": losses.perceptual, "style": losses.style}
        terms |= {n: loss(features, truth) for n, loss in compared.items() if n in wanted}
    return terms | {"decibels": _decibels(frame.detach(), batch.target)}


def weighted(terms: Mapping[str, Number], weights: Mapping[str, float]) -> Number:
    """Return the loss: the sum of the terms that have a weight, by it."""
    return sum(weight * terms[name] for name, weight in weights.items() if name in terms)  # type: ignore[return-value]


_OF_THE_FRAME = {
    "charbonnier": losses.charbonnier,
    "l1": losses.l1,
    "laplacian": losses.laplacian_pyramid,
    "census": losses.census,
    "ssim": losses.dissimilarity,
}


def _made(net: Network, batch: Batch) -> Made:
    frames = [batch.left, batch.right]
    if net.looks_beside:
        frames += [batch.before, batch.after]
    together = torch.cat(frames).contiguous(memory_format=torch.channels_last)
    leaves, shape = tree_flatten(net.features(together))
    chunks = [x.chunk(len(frames)) for x in leaves]
    parts = [tree_unflatten(list(of_frame), shape) for of_frame in zip(*chunks, strict=True)]
    even = torch.ones_like(batch.phase)
    outer = zip(parts[2:], batch.known[:, 2:].unbind(dim=1), strict=False)
    beside = [Beside(part, even, known) for part, known in outer]
    stages: Any = net  # each network takes its own interval
    made = stages.synthesize(stages.interval(parts[0], parts[1], *beside), batch.phase)
    return Made(made.frame, made.motions, made.ways)


def _fetched(made: Made, batch: Batch) -> Tensor:
    pictures = [batch.target, batch.left, batch.right, batch.before, batch.after]
    pictures = [F.avg_pool2d(picture, 2, 2) for picture in pictures]
    fetched, truth = [], []
    for ways in made.ways[:_FETCHED_LEVELS]:
        pictures = [F.avg_pool2d(picture, 2, 2) for picture in pictures]
        pairs = zip(pictures[1:], ways.chunk(4, dim=1), strict=True)
        fetched.append([warp(*pair) for pair in pairs])
        truth.append(pictures[0])
    return losses.fetched_frames(fetched, batch.known, truth)


def _decibels(made: Tensor, truth: Tensor) -> Tensor:
    error = ((made.clamp(0, 1) - truth) ** 2).mean(dim=(1, 2, 3))
    return -10 * torch.log10(error.clamp(min=1e-10)).mean()
