"""The network: FILM (Reda et al., "FILM: Frame Interpolation for Large Motion", ECCV 2022).

Conventions, said once for the whole room:

- A batch of frames is a float32 tensor `(B, 3, H, W)`: RGB, gamma-encoded, in [0, 1].
- A flow is a float32 tensor `(B, 2, H, W)` holding (dx, dy) in pixels of its own level;
  warping reads `source(p + flow(p))`.
- A pyramid is a list, finest level first: index 0 has the full resolution.
- `left` and `right` are the neighbours of the wanted time, `phase` in [0, 1) its position
  between them.
- Flows, sampling grids and resized flows stay in float32 whatever the precision of the
  convolutions: in float16 the sampling position alone is off by up to 0.67 px at 1080p.
"""
