"""Training from scratch: real clips and synthetic motion, losses, the loop.

A sample is a pure function of (seed, index): the data position is one number, so a run
resumes exactly, and any number of worker processes gives the same stream.
"""
