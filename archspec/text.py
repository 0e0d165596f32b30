"""Counts, sizes, shapes and commands as text, in one form for the whole program."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import floor, inf, log10
from pathlib import PurePath
from typing import Final

_SI: Final = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_BINARY: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_POWERS: Final = ("", "k", "m", "g", "t", "p")  # units of `parse_bytes`
_LEAST: Final = 1 << 20  # bytes; a smaller number without a unit is meant in GiB


def count_text(number: int, *, pad: bool = False) -> str:
    """A count in SI units: `954`, `61.71 k`, `11.69 M`. `pad` keeps the place of a missing unit, for columns."""
    return _scaled(number, 1000, _SI, pad)


def bytes_text(number: int) -> str:
    """A size in binary units: `588 B`, `3.06 MiB`, `6.66 TiB`."""
    return _scaled(number, 1024, _BINARY, False)


def parse_bytes(text: str) -> int:
    """A size of memory: `8GiB`, `8G` and `8g` are 8 · 2³⁰ bytes, `8GB` is 8 · 10⁹ (IEC 80000-13).

    Raises ValueError, with the remedy, for other texts, and for a small number without a unit.
    """
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kmgtp]?)(ib|b)?", text.strip().lower())
    if match is None or (not match[2] and match[3] == "ib"):
        comma = re.fullmatch(r"([0-9]{1,15}),([0-9]{1,2} ?[kmgtp](?:ib|b)?)", text.strip(), re.IGNORECASE)
        meant = f"{comma[1]}.{comma[2]}" if comma else None
        raise ValueError(f"{text!r} is not a size of memory; write {meant or '8GiB, 512MiB or a number of bytes'}")
    base = 1000 if match[3] == "b" else 1024
    size = int(float(match[1]) * base ** _POWERS.index(match[2]))
    if size <= 0:
        raise ValueError(f"{text!r} is not a positive size; write 8GiB")
    if not match[2] and size < _LEAST:
        raise ValueError(f"{text!r} is a number of bytes; name the unit: {match[1]}GiB")
    return size


def _scaled(number: int, base: int, units: tuple[str, ...], pad: bool) -> str:
    power = 0
    while power + 1 < len(units) and round(number / base**power, 2) >= base:  # rounded: 999,999 is 1.00 M
        power += 1
    unit = units[power] or ("  " if pad else "")
    figure = f"{number:d}" if power == 0 else f"{number / base**power:.2f}"
    return f"{figure} {unit}" if unit.strip() else figure + unit


def shape_text(shape: Iterable[object]) -> str:
    """A shape without its batch: `(64, 14, 14)`. An unknown dimension is `?`."""
    return f"({', '.join(map(str, shape))})"


def sizes_text(sizes: Iterable[object]) -> str:
    """Sizes of a window or an image, or a shape in a table: `3×3`, `64×112×112`."""
    return "×".join(map(str, sizes))


def percent_text(part: int, whole: int) -> str:
    """A share: `87.1 %`."""
    return f"{100 * part / whole:.1f} %" if whole else "0.0 %"


def figures_text(number: float) -> str:
    """At least three significant digits, without dropping integer digits: `0.0512`, `1.33`, `93.6`, `7,832`."""
    if not 0 < number < inf:
        return str(number)
    digits = 2 - floor(log10(float(f"{number:.2e}")))
    return f"{number:,.{max(0, digits)}f}"


def times_text(count: int) -> str:
    """` ×5` after the name of several equal things; nothing after one."""
    return f" ×{count}" if count > 1 else ""


def duration_text(seconds: float) -> str:
    """`0.37 s`, `45 s`, `12 min`, `3.4 h`."""
    if seconds < 90:
        return f"{seconds:.{0 if seconds >= 1 or not seconds else 2}f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def clean(text: str) -> str:
    """The text with control characters escaped: names from files must not control the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n " else c.encode("unicode_escape").decode() for c in text)


def shell(*words: object) -> str:
    """A command that can be pasted into a shell, with words quoted where necessary. No path is taken for an option."""
    import shlex

    return shlex.join([f"./{x}" if isinstance(x, PurePath) and str(x)[0] == "-" else str(x) for x in words])


def estimates_text(paths: Sequence[str]) -> str:
    """`memory and time of a.own_1 and 2 more are estimates: …`; paths: of layers whose ops have no `kernels`, ≥ 1."""
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    ops = "their ops have" if more else "its op has"
    return f"memory and time of {paths[0]}{more} are estimates: {ops} no `kernels` method (docs/plugins.md)"
