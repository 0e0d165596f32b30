"""Layers whose arguments are listed as PyTorch's are, which begin with sizes that a spec never writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from archspec.language import fixes
from archspec.language.message_text import value_text
from archspec.language.syntax import Layer
from archspec.ops import Op, Operation, infer_outputs
from archspec.ops.traits import FeaturesLast, Projects
from archspec.types import UNKNOWN, ShapeError, TensorType, is_unknown

_PLAIN: Final = (int, float, bool, list)
_WINDOW: Final = 11  # a larger number beside the input's channels is not taken for the size of a window


class Meant(NamedTuple):
    """The fields that a list of arguments is meant for, each with the argument's number. left_out: those without."""

    fields: dict[str, int]
    left_out: tuple[int, ...]


def positional_hint(layer: Layer, cls: type[Operation], x: TensorType | None, values: Any) -> str | None:
    """The hint for a list of arguments; None if they are no arguments of the op, or their meaning is not clear.

    values: the arguments, evaluated.
    """
    raw = layer.args
    if not isinstance(raw, list) or len(raw) < 2 or not isinstance(values, list):
        return None
    if any(type(value) not in _PLAIN for value in values):
        return None
    texts = [_text(layer, k) for k in range(len(raw))]
    if (lacking := _lacking(cls, values, x)) and values[1] > _WINDOW:
        return _without(cls, texts, lacking, values[0])
    found = next((meant for meant in _meanings(cls, values, x) if _works(cls, meant, values, x)), None)
    if found is None:
        return None
    given = {name: texts[k] for name, k in found.fields.items()}
    fields = ", ".join(f"{name}: {value}" for name, value in given.items())
    text = f"{cls.op}: {given[cls.main]}" if cls.main and list(given) == [cls.main] else f"{cls.op}: {{{fields}}}"
    sizes = [values[k] for k in found.left_out if not isinstance(values[k], bool)]
    why = f": the input's size ({sizes[0]}) is inferred" if sizes else ""
    projects = cls.trait(Projects)
    if sizes and projects and len(values) == 2 and (x is None or x.shape[projects.dim] != sizes[0]):
        first = texts[found.left_out[0]]
        why = f": the input's size is inferred; two layers are `{cls.op}: {first}` and `{text}`"
    return fixes.whole(f"write `{text}`{why}", layer.at, text)


def _text(layer: Layer, k: int) -> str:
    """An argument as the spec writes it."""
    span, raw = (layer.at / k).span(), layer.args[k]
    if span is None or "$" not in str(raw):
        return value_text(raw)
    return span.text[span.column - 1 : span.column - 1 + span.length]


def _lacking(cls: type[Operation], values: Sequence[Any], x: TensorType | None) -> list[str]:
    """The fields that `[in, out]` lacks, if the input may have so many channels; none if that is not written."""
    required = [name for name, field in cls.model_fields.items() if field.is_required()]
    projects = cls.trait(Projects)
    if projects is None or len(values) != 2 or [type(value) for value in values] != [int, int]:
        return []
    channels = x.shape[projects.dim] if x is not None and x.ndim > projects.dim else UNKNOWN
    return required[1:] if is_unknown(channels) or channels == values[0] else []


def _without(cls: type[Operation], texts: Sequence[str], lacking: Sequence[str], size: int) -> str:
    fields = ", ".join([f"{next(iter(cls.model_fields))}: {texts[1]}", *(f"{name}: …" for name in lacking)])
    return f"write `{cls.op}: {{{fields}}}`: the input's size ({size}) is inferred"


def _meanings(cls: type[Operation], values: Sequence[Any], x: TensorType | None) -> Iterator[Meant]:
    """What the arguments may mean, the likely first.

    `[in, out, …]` of a layer that maps its channels, `[groups, channels]`, all fields in order, `[value, inplace]`.
    """
    names = list(cls.model_fields)
    sizes = () if x is None else (x.shape[1], x.shape[-1], x.below)
    features = cls.trait(FeaturesLast) is not None
    projects = features or cls.trait(Projects) is not None
    numbers, count = type(values[0]) is int and len(values) <= len(names) + 1, len(values)
    inferred = Meant(dict(zip(names, range(1, count), strict=False)), (0,))
    every = Meant(dict(zip(names, range(count), strict=False)), ())
    one = Meant({names[0]: 0}, tuple(range(1, count))) if names else every
    wide = count > 2 and type(values[1]) is int and values[1] > _WINDOW
    if numbers and projects and (features or wide or values[0] in sizes):
        yield inferred
    if not projects and count == 2 and type(values[1]) is int and values[1] in sizes:
        yield one
    if count <= len(names) and not _is_size_for_share(cls, every, values):
        yield every
    if numbers and (projects or values[0] in sizes):
        yield inferred
    if all(isinstance(value, bool) for value in values[1:]):
        yield one


def _is_size_for_share(cls: type[Operation], meant: Meant, values: Sequence[Any]) -> bool:
    """Whether an integer would be a value such as `eps`: PyTorch has a number of channels there."""
    return any(type(values[k]) is int and isinstance(cls.model_fields[name].default, float)
               for name, k in meant.fields.items())


def _works(cls: type[Operation], meant: Meant, values: Sequence[Any], x: TensorType | None) -> bool:
    try:
        op = cls.model_validate({name: values[k] for name, k in meant.fields.items()})
        return x is None or not issubclass(cls, Op) or bool(infer_outputs(op, (x,)))
    except (ShapeError, ValidationError):
        return False
