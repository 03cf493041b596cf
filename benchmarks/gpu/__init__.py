"""The prepared run on a GPU: what travels, whether the pictures are right, how fast they are made.

    python -m benchmarks.gpu pack .gpu     lay down what a bare machine with torch lacks
    python -m benchmarks.gpu check         right? 120 seconds at most
    python -m benchmarks.gpu speed         fast? 180 seconds at most
    python -m benchmarks.gpu train 8       train the default network for 8 minutes

A card is at hand for minutes: each part keeps to its time, a part that fails does not stop the
others, and the tables come last. `--tiny` runs all of it on any machine in seconds. The tables are
added to gpu.txt, their rows to gpu.jsonl, the profiler's tables to gpu-profile.txt, in the folder
named by OUT, or in build/.
"""
