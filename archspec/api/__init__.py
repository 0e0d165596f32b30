"""The Python API: load, check, analyze and build a spec. Imports torch only to build."""

from archspec.api.documents import OpenFile
from archspec.api.examination import LIMITS, Examined, check, examine, examine_library, load, program_of
from archspec.api.input_sizes import InputSizes, input_sizes
from archspec.api.loaded import Loaded
from archspec.api.network import analyze, build

__all__ = [
    "LIMITS", "Examined", "InputSizes", "Loaded", "OpenFile", "analyze", "build", "check", "examine", "examine_library",
    "input_sizes", "load", "program_of",
]
