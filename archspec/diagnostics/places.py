"""Places in the form of other programs: UTF-16 columns, and relative paths with forward slashes."""

from __future__ import annotations

import os
from pathlib import Path


def utf16_length(text: str) -> int:
    """The length in UTF-16 code units, as SARIF and the language server protocol count: 2 for `𝜎`."""
    return len(text) + sum(char > "\uffff" for char in text)


def path_from(path: str, folder: Path) -> str | None:
    """The path relative to `folder`, with forward slashes. None if it is not below it."""
    found = os.path.relpath(os.path.abspath(path), folder)  # noqa: PTH100 - links are not followed
    return None if found.startswith(os.pardir) or os.path.isabs(found) else found.replace(os.sep, "/")  # noqa: PTH117
