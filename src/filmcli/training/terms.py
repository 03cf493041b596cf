"""What a batch says against a network: the terms of the loss, before weighting."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from filmcli import losses
from filmcli.network.film import Film, FlowPyramids, FramePyramids
from filmcli.network.flow import bent
from filmcli.network.vgg import Vgg19
from filmcli.training.samples import Batch


def flow_terms(net: Film, batch: Batch, bfloat16: bool) -> dict[str, Tensor]:
    """Return the loss of the flow pyramids of both directions."""
    _, _, flows = _matched(net, batch, bfloat16, frozen=False)
    return {"flow": _flow_loss(flows, batch)}


def picture_terms(
    net: Film,
    batch: Batch,
    bfloat16: bool,
    wanted: Collection[str],
    vgg: Vgg19 | None = None,
    *,
    frozen: bool = False,
) -> dict[str, Tensor]:
    """Return the `wanted` losses of the made frame, of the warped ones and of the flows.

    "vgg" and "style" are computed where a network for them is given. Besides the losses,
    "decibels" is the PSNR of the batch's frames, for people to read. No gradient reaches
    features and flows if they are `frozen`.
    """
    left, right, flows = _matched(net, batch, bfloat16, frozen)
    with torch.autocast(batch.left.device.type, torch.bfloat16, enabled=bfloat16):
        made = net.fuse.synthesize(left, right, flows, batch.phase)
    terms = {
        name: loss(made.frame, batch.target)
        for name, loss in _OF_THE_FRAME.items()
        if name in wanted
    }
    if "warped" in wanted:
        warped = losses.warped_frames(made.warped_left, batch.target)
        terms["warped"] = warped + losses.warped_frames(made.warped_right, batch.target)
    if "choice" in wanted:
        terms["choice"] = losses.choice(made.shares, made.candidates, batch.target)
    if "flow" in wanted:
        terms["flow"] = _flow_loss(flows, batch)
    if vgg is not None and ("vgg" in wanted or "style" in wanted):
        features, truth = vgg(made.frame.float()), vgg(batch.target)
        compared = {"vgg": losses.perceptual, "style": losses.style}
        terms |= {n: loss(features, truth) for n, loss in compared.items() if n in wanted}
    return terms | {"decibels": _decibels(made.frame.detach(), batch.target)}


_OF_THE_FRAME = {
    "charbonnier": losses.charbonnier,
    "l1": losses.l1,
    "laplacian": losses.laplacian_pyramid,
    "census": losses.census,
}


def _matched(
    net: Film, batch: Batch, bfloat16: bool, frozen: bool
) -> tuple[FramePyramids, FramePyramids, FlowPyramids]:
    with (
        torch.autocast(batch.left.device.type, torch.bfloat16, enabled=bfloat16),
        torch.set_grad_enabled(not frozen),
    ):
        left, right = (_look(net, frame) for frame in (batch.left, batch.right))
        return left, right, _bent(net, batch, left, right)


def _look(net: Film, frame: Tensor) -> FramePyramids:
    return net.features(frame.contiguous(memory_format=torch.channels_last))


def _bent(net: Film, batch: Batch, left: FramePyramids, right: FramePyramids) -> FlowPyramids:
    """Return the flows between `left` and `right`, bent where the batch has frames around them.

    No gradient goes into the frames around: twice the time would teach the same flows.
    """
    flows = net.flows(left, right)
    if not net.config.bends or not batch.framed.any():
        return flows
    with torch.no_grad():
        inner = [torch.cat(pair) for pair in zip(left.features, right.features, strict=True)]
        outer = _look(net, torch.cat((batch.before, batch.after))).features
        outwards = [flow.chunk(2) for flow in net.predict_flow(inner, outer)]
    before, after = ([flow[end] for flow in outwards] for end in (0, 1))
    bends = bent(flows, (before, 1.0), (after, 1.0)).bends
    assert bends is not None
    framed = batch.framed[:, None, None, None]
    known_left, known_right = ([framed * bend for bend in bends_at] for bends_at in bends)
    return flows._replace(bends=(known_left, known_right))


def _flow_loss(flows: FlowPyramids, batch: Batch) -> Tensor:
    forward = losses.flow_supervision(flows.forward, batch.forward, batch.forward_known)
    backward = losses.flow_supervision(flows.backward, batch.backward, batch.backward_known)
    return forward + backward


def _decibels(made: Tensor, truth: Tensor) -> Tensor:
    error = ((made.clamp(0, 1) - truth) ** 2).mean(dim=(1, 2, 3))
    return -10 * torch.log10(error.clamp(min=1e-10)).mean()
