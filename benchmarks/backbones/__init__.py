"""SAVFI's table: four networks, trained, re-trained, meta-trained, adapted to each scene.

    python -m benchmarks.backbones CLIPS --train FILMS

trains what is not trained yet as `filmcli train` does, in a folder that it goes on from, adapts it
to every clip as `benchmarks.adaptation` does, and writes docs/backbones.md, its rows and pictures.
What stands there already is not done again. Without CLIPS it only trains.

    stages.py     what is trained, in which order, by which settings
    courses.py    what is compared
    report.py     tables and curves
    pictures.py   a frame to look at: unadapted, adapted, the truth
"""
