"""Measures how fast a network runs, how much memory it needs, and where the time goes."""

from archspec.profile.layer_profile import LayerProfile
from archspec.profile.measurement import Measurement
from archspec.profile.run import measure
from archspec.profile.run_layers import profile_layers
from archspec.profile.timing import Runs

__all__ = ["LayerProfile", "Measurement", "Runs", "measure", "profile_layers"]
