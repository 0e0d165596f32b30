"""The options of `profile --static` for further counts: those of other tools, receptive fields, input sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

if TYPE_CHECKING:
    from archspec.analysis.conventions import Figure
    from archspec.ir import Graph

F = TypeVar("F", bound=Callable[..., Any])
TOOLS: Final = (  # of archspec.analysis.conventions, which a command's start does not import
    "flopcounter", "fvcore", "ptflops-aten", "ptflops-pytorch", "thop", "torchinfo", "deepspeed",
)


def counting_options(function: F) -> F:
    """Add `--convention`."""
    decorators = [
        click.option("--convention", type=click.Choice([*TOOLS, "all"]), metavar="TOOL",
                     help=f"With --static: what another tool prints, and why it differs: {', '.join(TOOLS)}, all."),
    ]
    result: Any = function
    for decorate in reversed(decorators):
        result = decorate(result)
    return cast("F", result)


def figures_of(graph: Graph, convention: str | None, batch_size: int) -> list[Figure]:
    """The numbers of a tool, or of all of them; none if None."""
    if convention is None:
        return []
    from archspec.analysis.conventions import CONVENTIONS, counted

    names = CONVENTIONS if convention == "all" else (convention,)
    return [counted(graph, each, batch_size) for name in names for each in CONVENTIONS[name]]
