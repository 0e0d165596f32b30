"""Diagnostics of values that were written in Python: what they say of values is Python too."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from archspec.diagnostics.model import Diagnostic, SpecError

_CONSTANTS: Final = {"null": "None", "true": "True", "false": "False"}
_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[^\W\d][\w.-]*: |[^\W\d][\w.-]*|[][{}(),]|.', re.DOTALL)

_FIELD: Final = re.compile(r"`([^\W\d]\w*): ([^`]+)`")  # what a hint says to write


@contextmanager
def written_in_python() -> Iterator[None]:
    """Inside, the mistakes of a SpecError are about values that were passed in Python."""
    try:
        yield
    except SpecError as e:
        raise SpecError(map(in_python, e.diagnostics)) from e.__cause__


def in_python(diagnostic: Diagnostic) -> Diagnostic:
    """The diagnostic with the values in its message and hint as Python writes them: `None`, `{'steps': 500}`."""
    hint = None if diagnostic.hint is None else python_text(diagnostic.hint)
    message = re.sub(r"\bgot nothing$", "got None", python_text(diagnostic.message))
    return replace(diagnostic, message=message, hint=hint)


def written(diagnostic: Diagnostic, ops: Container[str], *, keywords: bool) -> Diagnostic:
    """The diagnostic of a spec written in Python: `in_python`, and its hint as `fields_text` writes it."""
    found = in_python(diagnostic)
    hint = None if found.hint is None else fields_text(found.hint, ops, keywords=keywords)
    return replace(found, hint=hint)


def fields_text(text: str, ops: Container[str], *, keywords: bool) -> str:
    """The text with fields that it says to write as Python has them.

    ops: names of layers, which are mappings: `{'linear': 10}`. keywords: whether fields are keyword arguments,
    `padding=2`, and not keys of mappings, `'padding': 2`.
    """
    def python(match: re.Match[str]) -> str:
        name, value = match[1], match[2]
        if value not in _CONSTANTS.values() and re.fullmatch(r"[a-z][\w.-]*|\$.*", value):
            value = f"'{value}'"
        if name in ops:
            return f"`{{'{name}': {value}}}`"
        return f"`{name}={value}`" if keywords else f"`'{name}': {value}`"

    return _FIELD.sub(python, text)


def python_text(text: str) -> str:
    """The text with constants, keys and words of flow style as Python writes them. What is in quotes stays as it is."""
    found: list[str] = []
    opened: list[str] = []  # brackets; `:` for a mapping in a list that is written without braces
    value = False  # whether the last token was a key
    for token in _TOKENS.findall(text):
        within = opened[-1] if opened else ""
        if within == ":" and token in (",", "]"):
            found.append("}")
            within = opened.pop() and "["
        if token in ("[", "{", "("):
            opened.append(token)
        elif token in ("]", "}", ")") and opened:
            opened.pop()
        if token.endswith(": ") and within in ("[", "{"):
            if within == "[":
                opened.append(":")
            found.append(f"{'{' if within == '[' else ''}'{token[:-2]}': ")
        elif token in _CONSTANTS:
            found.append(_CONSTANTS[token])
        elif value and re.match("[a-z]", token):
            found.append(f"'{token}'")
        else:
            found.append(token)
        value = token.endswith(": ") and within in ("[", "{")
    return "".join(found)
