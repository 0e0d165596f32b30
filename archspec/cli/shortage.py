"""Exceptions caused by the machine or its limits, not by archspec: too little memory, a broken package."""

from __future__ import annotations

import sys
from typing import Final

from archspec.text import bytes_text

Shortage = tuple[str, str]  # message, hint

_MAPPING: Final = ("failed to map segment from shared object", "cannot allocate memory")
_REFUSED: Final = ("operation not permitted", "permission denied")  # a disk on which execution is not allowed
_THREADS: Final = "can't start new thread"
_LESS: Final = "close other programs, or make the input or the batch smaller"


def shortage_of(exception: BaseException) -> Shortage | None:
    """The message and hint if the exception says that the machine lacks something; None for a bug."""
    text = str(exception).lower()
    match exception:
        case MemoryError():
            return "out of memory", _limited() or _LESS
        case ImportError() if not str(exception.name).startswith("archspec"):
            if any(words in text for words in _MAPPING) and not any(words in text for words in _REFUSED):
                return "out of memory: a library cannot be loaded", _limited() or "close other programs"
            return (f"an installed package does not work: {exception}",
                    "`python -m pip check` shows what is missing; install it again")
        case RuntimeError() if _THREADS in text:
            return "the system refuses to start another thread", _limited() or "see `ulimit -u`, or close programs"
        case RuntimeError() if "torch" in sys.modules:
            from archspec.backends.fits import is_shortage

            return ("out of memory", _limited() or _LESS) if is_shortage(exception) else None
    return None


def _limited() -> str | None:
    """The hint about the limit of this process's memory, if it has one."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    return f"`ulimit -v` limits this process to {bytes_text(limit)} of address space: raise it"
