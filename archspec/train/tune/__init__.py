"""Measures which settings are fastest for a network on this machine."""

from archspec.train.tune.candidates import Candidate, Space
from archspec.train.tune.measure import TOLERANCE, Measured, Problem
from archspec.train.tune.search import Tuning, tune

__all__ = ["TOLERANCE", "Candidate", "Measured", "Problem", "Space", "Tuning", "tune"]
