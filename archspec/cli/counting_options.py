"""The options of `profile --static` for further counts: receptive fields, legal input sizes, counts of other tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

if TYPE_CHECKING:
    from rich.console import Console

    from archspec.analysis.conventions import Figure
    from archspec.analysis.receptive_field import Field, Fields
    from archspec.api import InputSizes, Loaded

F = TypeVar("F", bound=Callable[..., Any])
TOOLS: Final = (  # of archspec.analysis.conventions, which a command's start does not import
    "flopcounter", "fvcore", "ptflops-aten", "ptflops-pytorch", "thop", "torchinfo", "deepspeed",
)


@dataclass(frozen=True, slots=True)
class Counting:
    """What to count beside the profile. tree: whether its table draws bars."""

    receptive_field: bool
    sizes: bool
    convention: str | None
    tree: bool

    def check(self, ctx: click.Context, *, static: bool, several: bool, as_json: bool, as_csv: bool) -> None:
        """Raise UsageError for one of these options where it has no effect.

        several: whether several batch sizes are compared.
        """
        flags = {
            "--receptive-field": self.receptive_field, "--sizes": self.sizes, "--convention": self.convention,
            "--tree": self.tree,
        }
        if self.tree and (as_json or as_csv):
            raise click.UsageError(
                f"--tree has no effect with {'--json' if as_json else '--csv'}, which prints figures", ctx)
        for flag, given in flags.items():
            if given and not static:
                raise click.UsageError(f"{flag} needs --static", ctx)
            if given and several:
                raise click.UsageError(f"{flag} needs one batch size", ctx)
            if given and as_csv and flag in ("--sizes", "--convention"):
                raise click.UsageError(f"{flag} belongs to no layer, and --csv prints layers: use --json", ctx)

    def count(self, loaded: Loaded, batch_size: int) -> Counts:
        """Count it."""
        names = [port.name for port in loaded.graph.inputs]
        return Counts(names, self._fields(loaded), self.sizes, self._sizes(loaded), self._figures(loaded, batch_size))

    def _fields(self, loaded: Loaded) -> Fields | None:
        if not self.receptive_field:
            return None
        from archspec.analysis.receptive_field import receptive_fields

        return receptive_fields(loaded.graph)

    def _sizes(self, loaded: Loaded) -> InputSizes | None:
        if not self.sizes:
            return None
        from archspec.api import input_sizes

        return input_sizes(loaded)

    def _figures(self, loaded: Loaded, batch_size: int) -> list[Figure]:
        if self.convention is None:
            return []
        from archspec.analysis.conventions import CONVENTIONS, counted

        names = CONVENTIONS if self.convention == "all" else (self.convention,)
        return [counted(loaded.graph, each, batch_size) for name in names for each in CONVENTIONS[name]]


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted beside the profile of a network with these inputs. sized: whether sizes were asked for."""

    inputs: list[str]
    fields: Fields | None
    sized: bool
    sizes: InputSizes | None
    figures: list[Figure]

    def add_to(self, data: dict[str, Any]) -> None:
        """Add it to the profile's JSON."""
        for layer in data["layers"] if self.fields is not None else ():
            layer["receptive_field"] = _field_json((self.fields or {})[layer["path"]], self.inputs)
        if self.sized:
            data["totals"]["smallest_input"] = None if self.sizes is None else list(self.sizes.smallest)
            data["totals"]["input_sizes"] = None if self.sizes is None else self.sizes.rule
            data["input_sizes"] = [] if self.sizes is None else [axis.to_json() for axis in self.sizes.axes]
        if self.figures:
            data["conventions"] = [figure.to_json() for figure in self.figures]

    def show(self, console: Console) -> None:
        """Print sizes and the numbers of other tools; the table has the receptive fields."""
        if self.sized:
            none = "no legal sizes: the network takes no images, or images of several sizes"
            console.print(f"\n{self.sizes or none}")
        if self.figures:
            from archspec.printing.conventions import show

            show(self.figures, console)


def _field_json(fields: Mapping[str, tuple[Field, ...]] | None, names: list[str]) -> Any:
    """The receptive fields of a layer: those of each input by its name, if there are several inputs."""
    if fields is None:
        return None
    each = {
        name: dict(zip(("size", "stride", "offset"), map(list, zip(*[x.to_json() for x in axes], strict=True)),
                       strict=True))
        for name, axes in fields.items()
    }
    return each if len(names) > 1 else each.get(names[0])


def counting_options(function: F) -> F:
    """Add `--receptive-field`, `--sizes`, `--convention` and `--tree`: the command's argument `counting: Counting`."""

    @wraps(function)
    def wrapped(
        *args: Any, receptive_field: bool, sizes: bool, convention: str | None, tree: bool, **kwargs: Any
    ) -> Any:
        return function(*args, counting=Counting(receptive_field, sizes, convention, tree), **kwargs)

    decorators = [
        click.option("--tree", is_flag=True, help="With --static: each row's share of the network as bars."),
        click.option("--receptive-field", is_flag=True,
                     help="With --static: what each layer sees of the input, as a column and in the JSON."),
        click.option("--sizes", is_flag=True,
                     help="With --static: the smallest and the legal sizes of images; takes some seconds."),
        click.option("--convention", type=click.Choice([*TOOLS, "all"]), metavar="TOOL",
                     help=f"With --static: what another tool prints, and why it differs: {', '.join(TOOLS)}, all."),
    ]
    result: Any = wrapped
    for decorate in reversed(decorators):
        result = decorate(result)
    return cast("F", result)
