"""What synthetic things look like."""

from __future__ import annotations

import cv2
import footage
import numpy as np

from filmcli.training.textures import hollow

ASSETS = footage.assets()


def holes(coverage: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> int:
    """How many parts of what is not covered do not reach the edge."""
    count, labels = cv2.connectedComponents((coverage == 0).astype(np.uint8), connectivity=4)
    at_edge = {*labels[0], *labels[-1], *labels[:, 0], *labels[:, -1], 0}
    sizes = np.bincount(labels.ravel(), minlength=count)
    return sum(sizes[label] > 20 for label in range(count) if label not in at_edge)


def test_what_is_hollow_is_seen_through() -> None:
    drawn = [hollow(ASSETS, np.random.default_rng(seed)) for seed in range(30)]
    assert all(texture.shape[2] == 4 and texture.dtype == np.uint8 for texture in drawn)
    covered = [float((texture[..., 3] > 127).mean()) for texture in drawn]
    assert min(covered) > 0.01 and max(covered) < 0.7
    assert sum(holes(texture[..., 3]) > 0 for texture in drawn) >= 27


def test_edges_have_the_colour_of_what_they_end() -> None:
    texture = hollow(footage.assets()._replace(cutouts=()), np.random.default_rng(1))
    inks = {tuple(ink) for ink in texture[texture[..., 3] == 255][:, :3].tolist()}
    edges = texture[(texture[..., 3] > 0) & (texture[..., 3] < 255)][:, :3].tolist()
    assert edges and {tuple(ink) for ink in edges} <= inks


def test_the_soft_edge_of_a_body_has_its_colour() -> None:
    white = np.full((60, 60, 4), 255, np.uint8)
    white[..., 3] = cv2.GaussianBlur(ASSETS.cutouts[0][..., 3], (0, 0), 4)
    black = np.dstack((0 * white[..., :3], white[..., 3]))
    found = []
    for seed in range(20):
        bright, dark = (
            hollow(ASSETS._replace(cutouts=[body]), np.random.default_rng(seed))
            for body in (white, black)
        )
        differs = bright[..., 0].astype(int) - dark[..., 0]
        found += differs[(differs > 0) & (bright[..., 3] < 128)].tolist()
    assert len(found) > 500 and np.median(found) > 250
