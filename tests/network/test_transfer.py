"""Numbers on their way to a device and back: they arrive as they were, however many there are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from filmcli.network.transfer import Returning, sent

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ],
    ),
]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("device", DEVICES)
def test_what_is_sent_comes_back(device: str, dtype: type) -> None:
    planes = [np.arange(12, dtype=dtype).reshape(3, 4), np.arange(100, 106, dtype=dtype)[::2]]
    there = sent(planes, torch.device(device))
    assert there.device.type == device
    back, doubled = Returning([there, there.float() * 2]).arrays()
    assert back.dtype == dtype
    assert back.tolist() == [*range(12), 100, 102, 104]
    assert doubled.tolist() == [2 * x for x in back.tolist()]


@pytest.mark.parametrize("device", DEVICES)
def test_those_under_way_do_not_disturb_each_other(device: str) -> None:
    plane, coming = np.empty(1 << 18, np.int16), []
    for k in range(24):
        plane[:] = k
        x = sent([plane], torch.device(device)).float()
        plane[:] = -1  # its numbers are on their way already
        for _ in range(20):
            x = x * 2 - k  # k again
        coming.append(Returning([x]))
    for k, returning in enumerate(coming):
        (values,) = returning.arrays()
        assert (values == k).all()
