"""Arguments and options that several commands share, and their shell completion."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from functools import wraps
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

import click
from click.core import ParameterSource

from archspec.cli.json_output import note_wanted

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # generic only in newer versions of click

F = TypeVar("F", bound=Callable[..., Any])


def is_given(name: str) -> bool:
    """Whether the parameter of this name is on the command line: not a default, nor from the environment."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


class SpecPath(ParamType):
    """A spec's file, or the bare name of a shipped spec; with `folders` also a folder."""

    name = "spec"

    def __init__(self, *, folders: bool = False) -> None:
        self.folders = folders

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click. An empty path, for example from an unset shell variable, would mean the working directory."""
        if not value:
            self.fail("the path is empty", param, ctx)
        if "\n" in value:
            self.fail(f"{value!r} has a line break; rename the file", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names of shipped specs, then the shell's own completion of files."""
        from click.shell_completion import CompletionItem

        from archspec.language.shipped import shipped_specs

        found = [CompletionItem(name) for name in shipped_specs() if name.startswith(incomplete)]
        return [*found, CompletionItem(incomplete, type="file")]


class InputShape(ParamType):
    """`1x224x224` or `left=1x224x224`, as ("", (1, 224, 224)) and ("left", …); `1,224,224` and `1×224×224` too."""

    name = "[NAME=]CxHxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[int, ...]]:
        """See click."""
        if isinstance(value, tuple):
            return value
        name, equals, shape = value.rpartition("=")
        sizes = re.split(r"[x×,]", shape.strip("[]() "))
        if not all(re.fullmatch(r" *[1-9][0-9]{0,8} *", size) for size in sizes) or (equals and not name.strip()):
            self.fail(f"{value!r} is not a shape; write channels, height and width as 3x224x224, or "
                      "NAME=3x224x224 if the spec names its inputs", param, ctx)
        return name.strip(), tuple(int(size) for size in sizes)


def _input_shapes(ctx: click.Context, param: click.Parameter, given: tuple[tuple[str, tuple[int, ...]], ...]) -> Any:
    """What archspec.load takes: one shape, or shapes by name."""
    shapes = dict(given)
    if len(shapes) < len(given):
        raise click.BadParameter("gives two shapes to one input", ctx, param)
    if "" in shapes and len(shapes) > 1:
        raise click.BadParameter("write NAME=SHAPE for each input", ctx, param)
    return shapes.get("", shapes or None)


input_option = click.option(
    "--input", "input_shape", type=InputShape(), multiple=True, callback=_input_shapes, metavar=InputShape.name,
    help="Another input shape, such as 3x224x224; with a name, such as left=3x224x224. Repeatable.",
)


class DeviceName(ParamType):
    """auto, cpu, cuda or cuda:N; whether the machine has it is checked later, with torch."""

    name = "auto|cpu|cuda[:N]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", str(value)):
            self.fail(f"{value!r} is not a device; write auto, cpu, cuda or cuda:N", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """See click."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in ("auto", "cpu", "cuda") if name.startswith(incomplete)]


DEVICE: Final = DeviceName()


class Count(click.IntRange):
    """A whole number above 0."""

    name = "whole number"  # its name in messages


class Number(click.FloatRange):
    """A number within bounds."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click. A decimal comma is a mistake with a remedy."""
        whole, comma, fraction = str(value).partition(",")
        if comma and whole.lstrip("+-").isdecimal() and fraction.isdecimal():
            self.fail(f"{value!r} is not a valid number; write {whole}.{fraction}", param, ctx)
        number = super().convert(value, param, ctx)
        if not isfinite(number):  # NaN is within all bounds
            self.fail(f"{value!r} is not a valid number", param, ctx)
        return number


class Rate(Number):
    """A number above 0."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)


class ValidationSet(ParamType):
    """`0.1`, `5000`, `val` or `test`, as in a recipe, which checks it."""

    name = "SHARE|N|val|test"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | int | str:
        """See click."""
        text = str(value)
        for kind in (int, float):
            with suppress(ValueError):
                return kind(text)
        return text


COUNT: Final = Count(min=1)


class Assignment(ParamType):
    """`vars.num_classes=100`. It stays text: the spec's reader parses it."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        key, equals, _ = str(value).partition("=")
        if not equals or not key.strip():
            self.fail(f"{value!r} is not an assignment; write KEY=VALUE, as in vars.num_classes=100", param, ctx)
        return str(value)


class Reading(NamedTuple):
    """The options for reading specs. `arguments()` are the keyword arguments of archspec.api."""

    sets: tuple[str, ...]
    includes: tuple[Path, ...]
    limits: dict[str, int]

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `load`, `check` and `analyze`."""
        from archspec.lower import Limits
        from archspec.source import Limits as TextLimits

        def chosen(kind: type[Any]) -> Any:
            return kind(**{f.name: self.limits[f.name] for f in fields(kind) if f.name in self.limits})

        return {
            "sets": self.sets, "includes": self.includes, "limits": chosen(Limits), "text_limits": chosen(TextLimits),
        }


LIMITS: Final = {
    "max_ops": "ops of a network", "max_lowered": "different layers of a network", "max_nesting": "blocks in blocks",
    "max_bytes": "bytes of a file", "max_depth": "levels of nesting in a file", "max_events": "YAML events of a file",
}


def spec_options(function: F) -> F:
    """Add the options of every command that reads a spec. The command gets them as one argument `reading: Reading`.

    They are `--set`, `--include`, and a `--max-…` for each limit. `--help` shows only the first limit, which names the
    others.
    """

    @wraps(function)
    def wrapped(*args: Any, sets: tuple[str, ...], includes: tuple[Path, ...], **kwargs: Any) -> Any:
        given = {name: kwargs.pop(name) for name in LIMITS}
        limits = {name: value for name, value in given.items() if value is not None}
        return function(*args, reading=Reading(sets, includes, limits), **kwargs)

    others = ", ".join(_flag(name) for name in LIMITS if name != "max_ops")
    decorators = [
        click.option("--set", "sets", multiple=True, type=Assignment(), metavar="KEY=VALUE",
                     help="Change a value of the spec: `vars.num_classes=100`, `train.lr=0.1`. Repeatable."),
        click.option("--include", "includes", multiple=True, metavar="DIR",
                     type=click.Path(exists=True, file_okay=False, path_type=Path),
                     help="A folder that `use` and `extends` may read, besides the spec's own. Repeatable."),
    ]
    for name, what in LIMITS.items():
        text = f"Raise the limit of {what}. There are also {others}."
        decorators.append(click.option(
            _flag(name), name, type=click.IntRange(min=1), metavar="N", help=text, hidden=name != "max_ops"
        ))
    result: Any = plugin_option(wrapped)
    for decorate in reversed(decorators):
        result = decorate(result)
    return cast("F", result)


def plugin_option(function: F) -> F:
    """Add `--plugin`. The plugins are loaded before the command runs."""

    @wraps(function)
    def wrapped(*args: Any, plugins: tuple[str, ...], **kwargs: Any) -> Any:
        if plugins:
            from archspec.plugins import load

            for plugin in plugins:
                load(plugin)
        return function(*args, **kwargs)

    return cast("F", click.option(
        "--plugin", "plugins", multiple=True, metavar="MODULE",
        help="Load further ops, data sets and losses from a Python module or a .py file. Repeatable.",
    )(wrapped))


def text_limit_options(function: F) -> F:
    """Add a hidden `--max-…` for each limit of a text. The command gets them as one argument `limits: Limits`."""
    from archspec.source import Limits

    names = [field.name for field in fields(Limits)]

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        given = {name: kwargs.pop(name) for name in names}
        return function(*args, limits=Limits(**{k: v for k, v in given.items() if v is not None}), **kwargs)

    result: Any = wrapped
    for name in names:
        option = click.option(_flag(name), name, type=click.IntRange(min=1), metavar="N", hidden=True)
        result = option(result)
    return cast("F", result)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


json_option = click.option(
    "--json", "as_json", is_flag=True, is_eager=True, callback=note_wanted, help="Print JSON instead of text."
)
