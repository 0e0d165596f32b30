"""Configures the C library's allocator to keep freed memory for the next training step."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_TRIM_THRESHOLD: Final = -1  # glibc's malloc.h
_MMAP_MAX: Final = -4
_NEVER: Final = 2**31 - 1


def keep_freed_memory() -> bool:
    """Keep freed memory in this process. Returns whether the C library supports it, as glibc does.

    By default glibc returns the memory of a large tensor to the system when it is freed. Every step then gets new
    pages, which the system fills with zeros first; that can take a third of the step. The price is fragmentation: up
    to about a quarter more memory. See `benchmarks/train_throughput.py --default-allocator`.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _NEVER))
