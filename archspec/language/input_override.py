"""Another shape for an input, from the command line or from Python, laid over what the spec has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from archspec.diagnostics import listing
from archspec.language.message_text import did_you_mean, short
from archspec.language.syntax import At, Errors
from archspec.source import parse
from archspec.text import shell

InputShape = tuple[int, ...]
InputShapes = InputShape | Mapping[str, InputShape]  # of the only input, or of inputs by name
_OPTION = "--input"  # the name of the document that holds the given shapes
Written = tuple[Any, At]  # a raw value and its place


def override_input(written: Written | None, given: InputShapes, errors: Errors) -> tuple[Written, list[Any]]:
    """The `input` section with the given shapes, and the raw values that they replace. Errors: SPEC010.

    written: the section as the spec has it; None if it has none.
    """
    raw = None if written is None else written[0]
    if not isinstance(given, Mapping):
        if not isinstance(raw, dict):
            return _placed(list(given)), [raw]
        if len(raw) != 1:
            errors.add("SPEC010", "`--input` must name an input: the spec has several", None,
                       hint=f"write `{option(given, next(iter(raw), 'image'))}`")
            return written or _placed(raw), []
        given = {next(iter(raw)): given}
    if not isinstance(raw, dict):
        name, shape = next(iter(given.items()))
        errors.add("SPEC010", f"`--input {short(name)}=…`: the spec's input has no name", None,
                   hint=f"write `{option(shape)}`")
        return written or _placed(raw), []
    changed, replaced = dict(raw), []
    for name, shape in given.items():
        if name not in raw:
            errors.add("SPEC010", f"`--input`: the spec has no input `{short(name)}`", None,
                       hint=did_you_mean(name, raw) or f"its inputs: {listing(map(short, raw))}")
            continue
        declared = isinstance(raw[name], dict)
        replaced.append(raw[name].get("shape") if declared else raw[name])
        changed[name] = {**raw[name], "shape": list(shape)} if declared else list(shape)
    return _placed(changed), replaced


def _placed(raw: Any) -> Written:
    import json

    return raw, At(parse(json.dumps(raw), _OPTION))


def given_as_option(at: At, shape: Iterable[object]) -> str | None:
    """The option that gives the input at `at` this shape, if one gave it its shape."""
    if at.document.name != _OPTION:
        return None
    return option(shape, str(at.path[0]) if at.path else None)


def option(shape: Iterable[object], name: str | None = None) -> str:
    """`--input 3x64x64`, or `--input left=3x64x64`."""
    text = "x".join(map(str, shape))
    return shell(_OPTION, text if name is None else f"{short(name)}={text}")
