"""Realistic mistakes, of the kinds that people make: each compiles, and changes what archspec says."""

from tests.planted import execution, language, layers

FAULTS = [*layers.FAULTS, *execution.FAULTS, *language.FAULTS]
