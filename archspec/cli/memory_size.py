"""Sizes of memory on the command line."""

from __future__ import annotations

import re
from typing import Any, Final

import click

from archspec.cli.options import ParamType

LEAST: Final = 1 << 20  # a smaller number without a unit is meant in GiB
UNITS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}  # powers of 1024, or of 1000


class MemorySize(ParamType):
    """A size of memory in bytes: `8GiB`, `8G` and `8g` are 8 · 2³⁰, `8GB` is 8 · 10⁹ (IEC 80000-13)."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See click."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kmgtp]?)(ib|b)?", str(value).strip().lower())
        if match is None or (not match[2] and match[3] == "ib"):
            self.fail(f"{value!r} is not a size of memory; write 8GiB, 512MiB or a number of bytes", param, ctx)
        base = 1000 if match[3] == "b" else 1024
        size = int(float(match[1]) * base ** UNITS[match[2]])
        if size <= 0:
            self.fail(f"{value!r} is not a positive size; write 8GiB", param, ctx)
        if not match[2] and size < LEAST:
            self.fail(f"{value!r} is {size:,} bytes; name the unit: {match[1]}GiB", param, ctx)
        return size


MEMORY: Final = MemorySize()
