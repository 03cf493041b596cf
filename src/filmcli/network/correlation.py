"""Local correlation: how alike every pixel's features are to those around it in another map.

Two maps side by side leave a small convolutional net to find out by itself that it should multiply
them; the products at hand, it learns to match in a fraction of the steps (docs/training.md). The
idea is PWC-Net's cost volume (Sun et al., CVPR 2018), over a small neighbourhood.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_BLOCK = 8  # px; a block's products with its surroundings are one matrix product


def neighbours(reach: int) -> int:
    """Return how many places a neighbourhood of `reach` px has; none if that is 0."""
    return (2 * reach + 1) ** 2 if reach else 0


def correlate(start: Tensor, end: Tensor, reach: int) -> Tensor:
    """Return the products of `start` at p and `end` at p + (dx, dy), |dx| and |dy| <= `reach`.

    Both maps are `(B, C, H, W)`, of length 1 (`unit`) if cosines are wanted; the result, of their
    type, is `(B, (2 * reach + 1)², H, W)`, its channels row by row. Beyond the border lie zeros.
    Computed block by block, it takes a third of the time that a sum of shifted products does,
    backward pass included.
    """
    B, C, H, W = start.shape
    below, right = -H % _BLOCK, -W % _BLOCK
    rows, columns, side = (H + below) // _BLOCK, (W + right) // _BLOCK, _BLOCK + 2 * reach
    asked = F.pad(start, (0, right, 0, below)).permute(0, 2, 3, 1)
    asked = asked.reshape(B, rows, _BLOCK, columns, _BLOCK, C).transpose(2, 3)
    around = F.pad(end, (reach, reach + right, reach, reach + below)).permute(0, 2, 3, 1)
    around = around.unfold(1, side, _BLOCK).unfold(2, side, _BLOCK)  # (B, rows, columns, C, s, s)
    around = around.permute(0, 1, 2, 4, 5, 3)  # as it lies in memory
    products = asked.reshape(-1, _BLOCK**2, C) @ around.reshape(-1, side**2, C).mT
    wanted = _places(reach, side, start.device).expand(products.shape[0], -1, -1)
    cosines = products.gather(2, wanted).view(B, rows, columns, _BLOCK, _BLOCK, -1)
    # A pixel's cosines stay side by side, as the features are.
    cosines = cosines.transpose(2, 3).reshape(B, H + below, W + right, -1)
    return cosines[:, :H, :W].contiguous().permute(0, 3, 1, 2)


def unit(features: Tensor) -> Tensor:
    """Return `features` `(B, C, H, W)` brought to length 1 at every pixel."""
    # Smooth at zero too, where the second-order gradient of a plain norm is not a number.
    squares = (features * features).sum(dim=1, keepdim=True, dtype=torch.float32)
    return features * torch.rsqrt(squares + 1e-6).to(features.dtype)


def _places(reach: int, side: int, device: torch.device) -> Tensor:
    """Return where each pixel of a block finds its neighbours in the block's surroundings."""
    steps = torch.arange(2 * reach + 1, device=device)
    pixels = torch.arange(_BLOCK, device=device)
    offsets = (steps[:, None] * side + steps).flatten()
    corners = (pixels[:, None] * side + pixels).flatten()
    return corners[:, None] + offsets
