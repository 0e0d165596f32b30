"""Layers whose arguments are listed as PyTorch's are, which begin with sizes that a spec never writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from archspec.language import fixes
from archspec.language.message_text import value_text
from archspec.language.syntax import Layer
from archspec.ops import Op, Operation, infer_outputs
from archspec.ops.traits import FeaturesLast, Projects
from archspec.types import ShapeError, TensorType


class Meant(NamedTuple):
    """The fields that a list of arguments is meant for. left_out: the arguments that a spec does not have."""

    fields: dict[str, Any]
    left_out: tuple[Any, ...]


def positional_hint(layer: Layer, cls: type[Operation], x: TensorType | None) -> str | None:
    """The hint for a list of arguments; None if they are no arguments of the op, or their meaning is not clear."""
    values = layer.args
    if not isinstance(values, list) or len(values) < 2 or any(isinstance(value, (dict, str)) for value in values):
        return None
    found = next((meant for meant in _meanings(cls, values, x) if _works(cls, meant.fields, x)), None)
    if found is None:
        return None
    given = {name: value_text(value) for name, value in found.fields.items()}
    fields = ", ".join(f"{name}: {value}" for name, value in given.items())
    text = f"{cls.op}: {given[cls.main]}" if cls.main and list(given) == [cls.main] else f"{cls.op}: {{{fields}}}"
    sizes = [value for value in found.left_out if not isinstance(value, bool)]
    why = f": the input's size ({sizes[0]}) is inferred" if sizes else ""
    projects = cls.trait(Projects)
    if sizes and projects and len(values) == 2 and (x is None or x.shape[projects.dim] != sizes[0]):
        why = f": the input's size is inferred; two layers are `{cls.op}: {sizes[0]}` and `{text}`"
    return fixes.whole(f"write `{text}`{why}", layer.at, text)


def _meanings(cls: type[Operation], values: Sequence[Any], x: TensorType | None) -> Iterator[Meant]:
    """What the arguments may mean, the likely first.

    `[in, out, …]` of a layer that maps its channels, `[groups, channels]`, all fields in order, `[value, inplace]`.
    """
    names = list(cls.model_fields)
    sizes = () if x is None else (x.shape[1], x.shape[-1], x.below)
    projects = (cls.trait(Projects) or cls.trait(FeaturesLast)) is not None
    first, inferred = values[0], Meant(dict(zip(names, values[1:], strict=False)), (values[0],))
    every = Meant(dict(zip(names, values, strict=False)), ())
    one = Meant({names[0]: first}, tuple(values[1:])) if names else every
    numbers = type(first) is int and len(values) <= len(names) + 1
    if numbers and projects and first in sizes:
        yield inferred
    if not projects and len(values) == 2 and type(values[1]) is int and values[1] in sizes:
        yield one
    if len(values) <= len(names) and not _is_size_for_share(cls, every):
        yield every
    if numbers and (projects or first in sizes):
        yield inferred
    if all(isinstance(value, bool) for value in values[1:]):
        yield one


def _is_size_for_share(cls: type[Operation], meant: Meant) -> bool:
    """Whether an integer would be a value such as `eps`: PyTorch has a number of channels there."""
    return any(type(value) is int and isinstance(cls.model_fields[name].default, float)
               for name, value in meant.fields.items())


def _works(cls: type[Operation], fields: dict[str, Any], x: TensorType | None) -> bool:
    try:
        op = cls.model_validate(fields)
        return x is None or not issubclass(cls, Op) or bool(infer_outputs(op, (x,)))
    except (ShapeError, ValidationError):
        return False
