"""The user's cache folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache for downloads: $XDG_CACHE_HOME/archspec, or ~/.cache/archspec."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification: a relative path is invalid and ignored.
    if Path(base).is_absolute():
        return Path(base) / "archspec"
    try:
        return Path.home() / ".cache" / "archspec"
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / "archspec"
