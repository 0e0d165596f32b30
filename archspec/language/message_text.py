"""Names and values as messages show them, and the name that was probably meant."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from archspec.diagnostics import nearest
from archspec.diagnostics.hints import near
from archspec.diagnostics.wording import Similar, shortened
from archspec.expressions.values import show

_COMPARED: Final = 300  # names that a misspelt one is compared with, and of how many they are chosen:
_KNOWN: Final = 3_000  # a hostile spec may define very many


def short(name: Any) -> str:
    """A name, or another key, short enough for a message and on one line."""
    return shortened(name if isinstance(name, str) else show(name))


def value_text(value: Any) -> str:
    """A value as a spec writes it: `true`, `"text"`, `[1, 2]`, `null`."""
    return short(show(value))


def close(name: str, known: Iterable[str]) -> Similar | None:
    """The known name that `name` probably stands for."""
    names = list(islice(known, _KNOWN))
    if len(names) > _COMPARED:
        names = heapq.nsmallest(_COMPARED, names, key=lambda k: abs(len(k) - len(name)))
    return nearest(name, names)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint that names the close name, if there is one."""
    found = close(name, known)
    return near(found) if found else None
