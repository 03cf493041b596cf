"""The score on held-out films, while training."""

from __future__ import annotations

from pathlib import Path

import footage
import numpy as np
import pytest

from filmcli.errors import InputError
from filmcli.evaluation.metrics import lpips, psnr
from filmcli.lpips import load_lpips
from filmcli.network.weights import load
from filmcli.training.validation import Validation
from tests import nets


def test_an_even_blend_scores_as_a_blend(tmp_path: Path) -> None:
    still = np.repeat(footage.gliding(1, 1, 0), 3, axis=0)
    moving = still.copy()
    moving[0] -= moving[0] // 8
    moving[2] += (255 - moving[2]) // 4
    footage.write(tmp_path / "a_0.mkv", still)
    footage.write(tmp_path / "b_0.mkv", moving)
    net = nets.still()  # the blend of both frames
    weights = net.state_dict()
    blend = (moving[0].astype(float) + moving[2]) / 2
    mixed = (blend + 0.5).astype(np.uint8)
    blended, looks = psnr(mixed, moving[1]), lpips(load_lpips(), mixed, moving[1])
    validation = Validation(str(tmp_path), "film-m", weights)
    scored = validation.score()
    assert scored["validated"] == pytest.approx((100.0 + blended) / 2, abs=0.05)
    assert scored["validated_lpips"] == pytest.approx((0.0 + looks) / 2, rel=0.05)
    nets.tinted(net, 0.5)  # it sees what becomes of the weights
    spoilt = validation.score()
    assert spoilt["validated"] < 40
    assert spoilt["validated_lpips"] > scored["validated_lpips"] + 0.05


def test_frames_around_show_how_motion_bends_as_in_a_film(tmp_path: Path) -> None:
    wide = footage.texture(72, 200, 2)
    jerky = np.stack([wide[:, shift : shift + 96] for shift in (0, 2, 7, 15, 26, 40, 57)])
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    footage.write(tmp_path / "whole/a_0.mkv", jerky)
    for start in (0, 2, 4):
        footage.write(tmp_path / f"parts/a_{start}.mkv", jerky[start : start + 3])
    weights = load("film-m").state_dict
    whole, parts = (
        Validation(str(tmp_path / name), "film-m", weights).score()["validated"]
        for name in ("whole", "parts")
    )
    assert whole > parts + 1


def test_a_folder_without_films_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no clip"):
        Validation(str(tmp_path), "film-m", {})
