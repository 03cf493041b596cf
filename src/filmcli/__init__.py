"""filmcli: turns a choppy film into a smooth one.

`filmcli.upsample(path, fps="60")` is the command line's main path as a function.
"""

__version__ = "0.1.0"
