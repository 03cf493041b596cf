"""SepConv, small: no motion at all, but for each pixel two kernels that fetch it.

After Niklaus et al., "Video Frame Interpolation via Adaptive Separable Convolution", ICCV 2017. A
pixel is the sum of a window of each frame, weighed by the product of a column and a row that the
network gives for it. What moves further than half a window is out of reach; the frame is always
the one in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from filmcli.backbones.unet import UNet, doubled, zeroed
from filmcli.network.features import conv

_BLOCK_PX = 32


class SepConv(nn.Module):
    """Both frames in, the frame in the middle out, whatever the phase is.

    `taps`, an odd number, is the width of a window. A fresh network makes the plain blend of its
    inputs.
    """

    def __init__(self, taps: int = 21, widths: Sequence[int] = (32, 48, 64, 96)) -> None:
        super().__init__()
        self.see = UNet(24, widths[0], widths)
        nn.init.xavier_uniform_(self.see.output_conv.weight)
        self.kernels = nn.ModuleList(
            _Kernel(widths[0], taps, share) for share in (0.5, 1.0, 0.5, 1.0)
        )

    def forward(self, left: Tensor, right: Tensor, phase: Tensor) -> Tensor:  # noqa: ARG002
        """Return the frame in the middle between `left` and `right` `(B, 3, H, W)`."""
        height, width = left.shape[-2:]
        beyond = (0, width % 2, 0, height % 2)
        both = F.pad(torch.cat((left, right), dim=1), beyond, mode="replicate")
        seen = self.see(F.pixel_unshuffle(both, 2))  # (B, C, H / 2, W / 2)
        kernels = [kernel(seen)[..., :height, :width] for kernel in self.kernels]
        return convolved(left, *kernels[:2]) + convolved(right, *kernels[2:])


class _Kernel(nn.Module):
    """Half of a pair: `taps` numbers for each pixel, at first `share` in the middle."""

    def __init__(self, before: int, taps: int, share: float) -> None:
        super().__init__()
        self.enter = conv(before, taps, 3)
        self.leave = zeroed(nn.Conv2d(taps, taps, 3, padding=1))
        with torch.no_grad():
            self.leave.bias[taps // 2] = share  # type: ignore[index]

    def forward(self, seen: Tensor) -> Tensor:
        """Return kernels `(B, taps, 2H, 2W)` float32 for features `(B, C, H, W)`."""
        out: Tensor = self.leave(doubled(self.enter(seen)))
        return out.float()


def convolved(frame: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """Return `frame` `(B, 3, H, W)` with each pixel the sum of its window, weighed.

    Pixel (i, j) of a window counts `column[i] * row[j]`, of `(B, taps, H, W)` each; beyond the
    edges the border repeats. The rows are written as bands of small matrices, so that all sums
    along x are one product of matrices: a CPU has nothing faster.
    """
    B, channels, height, width = frame.shape
    taps = column.shape[1]
    reach, block = taps // 2, _BLOCK_PX + taps - 1
    beyond = -width % _BLOCK_PX
    with torch.autocast(frame.device.type, enabled=False):
        padded = F.pad(frame.float(), (reach, reach + beyond, reach, reach), mode="replicate")
        windows = padded.unfold(3, block, _BLOCK_PX).unfold(2, taps, 1)  # (B, 3, H, N, block, taps)
        windows = windows.permute(0, 2, 3, 4, 1, 5).reshape(-1, block, channels * taps)
        columns, rows = (_blocks(F.pad(kernel, (0, beyond))) for kernel in (column, row))
        sums = torch.bmm(_banded(rows), windows)  # (B * H * N, block px, 3 * taps)
        sums = sums.view(*sums.shape[:2], channels, taps)
        made = (sums * columns[:, :, None]).sum(dim=3)  # (B * H * N, block px, 3)
    made = made.view(B, height, -1, channels).permute(0, 3, 1, 2)
    return made[..., :width]


def _blocks(kernel: Tensor) -> Tensor:
    """Return `(B, taps, H, W)` as `(B * H * W / block px, block px, taps)`."""
    taps = kernel.shape[1]
    return kernel.permute(0, 2, 3, 1).reshape(-1, _BLOCK_PX, taps)


def _banded(rows: Tensor) -> Tensor:
    """Return `(N, n, taps)` as matrices `(N, n, n + taps - 1)`: row k begins at column k."""
    number, n, taps = rows.shape
    # Rows of one more than the matrix is wide: each begins one further to the right.
    skewed = F.pad(rows, (0, n)).reshape(number, -1)
    return skewed[:, : n * (n + taps - 1)].view(number, n, n + taps - 1)
