"""Sizes of memory on the command line."""

from __future__ import annotations

from typing import Any, Final

import click

from archspec.cli.options import ParamType
from archspec.text import parse_bytes


class MemorySize(ParamType):
    """A size of memory in bytes; see `archspec.text.parse_bytes`."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See click."""
        if isinstance(value, int):
            return value
        try:
            return parse_bytes(str(value))
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


MEMORY: Final = MemorySize()
