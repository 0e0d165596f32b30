"""JSON as RFC 8259 has it: without NaN and infinity, which `json` writes but strict parsers refuse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any


def json_text(data: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """The data as JSON; a number that is not finite is null."""
    try:
        return json.dumps(data, indent=indent, ensure_ascii=ascii_only, allow_nan=False)
    except ValueError:  # the loss of a run that diverged
        return json.dumps(_finite(data), indent=indent, ensure_ascii=ascii_only, allow_nan=False)


def _finite(value: Any) -> Any:
    """The data with None for each number that is not finite."""
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value
