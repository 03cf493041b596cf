"""A network fits itself to one scene, and proves on held-out frames of it that this helped.

The scene's own frames are the lesson: every frame between two others is known, so the network can
be asked for it (Choi et al., "Scene-Adaptive Video Frame Interpolation via Meta-Learning",
CVPR 2020). Adapted weights are a value, `{name: tensor}`, handed to whoever renders the scene and
dropped at the cut; the network itself is never changed.

    inner.py     the inner loop: parameters in, parameters out; the same for test time and training
    subsets.py   which parameters adapt, and low-rank adapters beside frozen ones
    making.py    frames made by a network of which a part changes; the rest's work is done once
    lessons.py   what is asked of the network: the doubled gap and the cycle
    judges.py    how different a made frame looks from the true one
    gate.py      whether what was adapted may be used
    support.py   which triplets of a scene teach, which are held out, where they are cropped
    recurrence.py  scenes that look like an earlier one, whose deltas they may take
    scene.py     all of it for one scene, with the gate that does no harm
"""
