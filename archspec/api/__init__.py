"""The Python API: load, check, analyze and build a spec. Imports torch only to build."""

from typing import TYPE_CHECKING, Any

from archspec.api.documents import OpenFile
from archspec.api.examination import LIMITS, Examined, check, examine, examine_library, load, program_of
from archspec.api.loaded import Loaded
from archspec.api.network import analyze, build

if TYPE_CHECKING:
    from archspec.api.sizes import InputSizes, input_sizes

__all__ = [
    "LIMITS", "Examined", "InputSizes", "Loaded", "OpenFile", "analyze", "build", "check", "examine", "examine_library",
    "input_sizes", "load", "program_of",
]


def __getattr__(name: str) -> Any:
    if name not in ("InputSizes", "input_sizes"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from archspec.api import sizes  # checking a spec does not need it

    return getattr(sizes, name)
