"""What adaptation gains: `python -m benchmarks.adaptation CLIPS -o docs/adaptation`.

Every second frame of each clip is dropped. Adaptation sees the kept frames only; made frames are
scored against the dropped ones, which it never saw, with and without the gate's veto.

    courses.py    what is compared: lessons, rates, parts of the network
    measure.py    one course on one clip
    unlike.py     scenes unlike the training, drawn or made strange
    report.py     what was measured, as tables
"""
