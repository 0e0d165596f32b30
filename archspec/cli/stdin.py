"""A spec from standard input, for the path `-`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

from archspec.source import Limits
from archspec.source.overlay import instead_of

STDIN: Final = "-"


def read_stdin(paths: Iterable[str | None], limits: Limits) -> bytes | None:
    """If `-` is among the paths, read standard input; until the command ends, reading `-` gives its bytes.

    Reads at most one byte more than the limit, so that the reader reports a longer text. None without `-`. Raises
    UsageError under torchrun, whose processes would each get a part of it.
    """
    if STDIN not in paths:
        return None
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise click.UsageError("several processes cannot share standard input: write the spec to a file, and name it")
    content = sys.stdin.buffer.read(limits.max_bytes + 1)
    click.get_current_context().with_resource(instead_of({Path(STDIN): content}))
    return content
