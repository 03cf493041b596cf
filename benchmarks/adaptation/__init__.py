"""What adaptation gains: `python -m benchmarks.adaptation CLIPS -o docs/adaptation`.

Every second frame of each clip is dropped. Adaptation sees the kept frames only; made frames are
scored against the dropped ones, which it never saw, with and without the gate's veto.

    courses.py    what is compared: weights, lessons, rates, parts of the network
    measure.py    one course on one clip
    backbone.py   a second network, of another structure, trained and meta-trained on the spot
    report.py     what was measured, as tables and curves
"""
