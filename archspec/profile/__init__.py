"""Measures how fast a network runs, how much memory it needs, and where the time goes."""

from archspec.profile.measurement import Measurement
from archspec.profile.run import measure
from archspec.profile.timing import Runs

__all__ = ["Measurement", "Runs", "measure"]
