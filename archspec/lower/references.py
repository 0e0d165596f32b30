"""Hints for a `from` that names a layer or stage it cannot see."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
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
    parts = {name, *name.split(".")}  # a path such as `body.0.out` names no layer
    home = next((stage for stage, body in program.stages.items() if _holds(body, parts)), None)
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
    block = next((block.name for block in scope.library.blocks.values() if _holds(block.body, parts)), None)
    if block is not None and scope.calls and scope.calls[-1][0].name == block:
        return f"`{shown}` is inside another layer of block `{block}`, or comes later: put it before this one"
    if block is not None:
        return f"`{shown}` is inside block `{block}`, which shows its output only: end it with that, or make it a stage"
    if _COUNTED.fullmatch(name):
        return f"a layer without a `name` cannot be referred to: write `name: {shown}` beside it"
    if not name.isidentifier():  # which `name` would not take
        return f"give the layer that you mean a name, such as `name: out`, and write `{key}: out`"
    return f"write `name: {shown}` beside the layer that you mean"


def _begins(name: str, known: str) -> bool:
    """Whether the name begins with a known one: `stem_out`, `conv1.relu`; a letter or two alone say nothing."""
    return name.startswith(known) and (len(known) > 2 or not name[len(known):][:1].isalnum())


def _holds(body: Body, names: Container[str]) -> bool:
    """Whether a layer in this body has one of these names."""
    return any(
        layer.name in names
        or any(_holds(inner, names) for inner in (*layer.branches.values(), *((layer.body,) if layer.body else ())))
        for layer in body.layers
    )
