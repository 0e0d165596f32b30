"""The C library's allocator, told that a training step will want again what the last one gave back."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_TRIM_THRESHOLD: Final = -1  # glibc's malloc.h
_MMAP_MAX: Final = -4
_NEVER: Final = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let freed memory stay with this process; whether the C library knows how to (glibc does).

    By default glibc gives a large tensor's memory back to the system when the tensor dies. Every step then gets new
    pages, and the system fills each with zeros first, which can take a third of the step. The price is memory that
    is kept in pieces: up to about a quarter more. See `benchmarks/train_throughput.py --default-allocator`.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _NEVER))
