"""Measures the machine at hand: times of kernels by kind, size, precision and layout. Imports torch.

`run`: the whole measurement; `products`, `passes`: what is measured; `measure`: timing; `regression`: times → curves,
with which `archspec.devices` predicts without torch.
"""

from archspec.calibrate.run import calibrate

__all__ = ["calibrate"]
