"""filmcli: turns a choppy film into a smooth one (`filmcli.pipeline.upsample.upsample` does it)."""

__version__ = "0.1.0"
