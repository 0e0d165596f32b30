"""An op, a data set and a loss for archspec. `--plugin archspec_example` loads all three."""

from archspec_example import focal, gated_channels, stripes

__all__ = ["focal", "gated_channels", "stripes"]
