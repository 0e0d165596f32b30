"""The options of `profile --static` for further counts: those of other tools, receptive fields, input sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

if TYPE_CHECKING:
    from archspec.analysis.conventions import Figure
    from archspec.analysis.receptive_field import Field as ReceptiveField
    from archspec.analysis.receptive_field import Fields
    from archspec.ir import Graph

F = TypeVar("F", bound=Callable[..., Any])
TOOLS: Final = (  # of archspec.analysis.conventions, which a command's start does not import
    "flopcounter", "fvcore", "ptflops-aten", "ptflops-pytorch", "thop", "torchinfo", "deepspeed",
)


def counting_options(function: F) -> F:
    """Add `--receptive-field` and `--convention`."""
    decorators = [
        click.option("--receptive-field", is_flag=True,
                     help="With --static: what each layer sees of the input, as a column and in the JSON."),
        click.option("--convention", type=click.Choice([*TOOLS, "all"]), metavar="TOOL",
                     help=f"With --static: what another tool prints, and why it differs: {', '.join(TOOLS)}, all."),
    ]
    result: Any = function
    for decorate in reversed(decorators):
        result = decorate(result)
    return cast("F", result)


def check_counting(ctx: click.Context, *, static: bool) -> None:
    """Raise UsageError for one of these options without --static."""
    from click.core import ParameterSource

    for name, flag in (("receptive_field", "--receptive-field"), ("convention", "--convention")):
        if not static and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{flag} needs --static", ctx)


def fields_of(graph: Graph) -> Fields:
    """The receptive fields of the layers."""
    from archspec.analysis.receptive_field import receptive_fields

    return receptive_fields(graph)


def add_fields(layers: list[dict[str, Any]], fields: Fields | None, inputs: list[str]) -> None:
    """Add the receptive field to each layer of the JSON: of each input by its name, if there are several inputs."""
    for layer in layers if fields is not None else ():
        layer["receptive_field"] = _field_json((fields or {})[layer["path"]], inputs)


def _field_json(fields: Mapping[str, tuple[ReceptiveField, ...]] | None, names: list[str]) -> Any:
    if fields is None:
        return None
    each = {
        name: dict(zip(("size", "stride", "offset"), map(list, zip(*[x.to_json() for x in axes], strict=True)),
                       strict=True))
        for name, axes in fields.items()
    }
    return each if len(names) > 1 else each.get(names[0])


def figures_of(graph: Graph, convention: str | None, batch_size: int) -> list[Figure]:
    """The numbers of a tool, or of all of them; none if None."""
    if convention is None:
        return []
    from archspec.analysis.conventions import CONVENTIONS, counted

    names = CONVENTIONS if convention == "all" else (convention,)
    return [counted(graph, each, batch_size) for name in names for each in CONVENTIONS[name]]
