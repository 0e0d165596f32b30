"""Hints for a `from` that names a layer or stage it cannot see."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from archspec.diagnostics import hints
from archspec.diagnostics.wording import Similar
from archspec.language.message_text import close, short
from archspec.language.syntax import Body, Program
from archspec.lower.values import Scope

_COUNTED: Final = re.compile(r"\w+_[0-9]+")  # the automatic name of a layer without one


def remedy(name: str, visible: Iterable[str], program: Program, scope: Scope, key: str = "from") -> str:
    """The hint for a `from: NAME`, or another key, that sees only `visible`."""
    visible, shown = list(visible), short(name)
    near = close(name, visible)
    longer = [v for v in visible if v.startswith(name) or _begins(name, v)]
    if near is not None or longer:
        return hints.near(near or Similar(longer, name))
    home = next((stage for stage, body in program.stages.items() if _holds(body, name)), None)
    if scope.calls and (name in program.stages or home is not None or name in program.inputs):
        return (
            f"a block cannot see the layers of its caller: give it a param `skip: layer`, called with "
            f"`{{{key}: {shown}}}`"
        )
    if name in program.inputs and key != "from":
        return f"`{shown}` is an input, which has no weights: write `from: {shown}` to use it"
    if name in program.stages:
        return f"`{key}` can only refer to earlier stages: put stage `{shown}` before this one"
    if home is not None:
        return f"`{shown}` is inside stage `{home}`, or comes later: make it a separate stage before this layer"
    if _COUNTED.fullmatch(name):
        return f"a layer without a `name` cannot be referred to: write `name: {shown}` beside it"
    if not name.isidentifier():  # which `name` would not take
        return f"give the layer that you mean a name, such as `name: out`, and write `{key}: out`"
    return f"write `name: {shown}` beside the layer that you mean"


def _begins(name: str, known: str) -> bool:
    """Whether the name begins with a known one: `stem_out`, `conv1.relu`; a letter or two alone say nothing."""
    return name.startswith(known) and (len(known) > 2 or not name[len(known):][:1].isalnum())


def _holds(body: Body, name: str) -> bool:
    """Whether a layer in this body has that name."""
    return any(
        layer.name == name
        or any(_holds(inner, name) for inner in (*layer.branches.values(), *((layer.body,) if layer.body else ())))
        for layer in body.layers
    )
