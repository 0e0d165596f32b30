"""The network's outputs: which stages it returns, and which of them only in training."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any, Final

from archspec.diagnostics import hints, listing
from archspec.language import fixes
from archspec.language.message_text import close, short, value_text
from archspec.language.syntax import At, Body, Errors, Program
from archspec.source import BROKEN

ALWAYS: Final = "always"
TRAINING: Final = "training"
MODES: Final = (ALWAYS, TRAINING)

Outputs = dict[str, bool]  # a stage → whether only training computes it


def read_outputs(program: Program, errors: Errors) -> Outputs:
    """The stages that the network returns, in their order; the last stage if the spec does not say.

    Notes every mistake: SPEC012, SPEC049. A mistake in one output leaves the others.
    """
    raw, at = program.outputs
    last = dict.fromkeys([*program.stages][-1:], False)
    if raw is None and at.path == ():
        return last
    if not isinstance(raw, (list, dict)) or not raw:
        if raw is not BROKEN:
            hint = fixes.around(f"write `outputs: [{short(raw)}]`", at, "[", "]") if isinstance(raw, str) else \
                f"write `outputs: [{next(iter(last), 'head')}]`, or remove it: the last stage is the output"
            errors.add("SPEC012", f"`outputs` must list stages, got {value_text(raw)}", at, hint=hint)
        return last | dict.fromkeys(program.stages, False)  # nobody knows which are meant
    found: Outputs = {}
    listed = _listed(raw, at, errors) if isinstance(raw, list) else _mapped(raw, at, program.stages, errors)
    for name, mode, where in listed:
        if name in program.stages:
            found[name] = mode
        elif name not in errors.lost:
            _unknown(name, where, program, raw, errors)
    if found and all(found.values()) and len(found) == len(raw):
        errors.add("SPEC049", "evaluation has no output: all outputs are for training only", at,
                   hint=f"write `{next(iter(found))}: {ALWAYS}`")
    return found or last


def _listed(raw: list[Any], at: At, errors: Errors) -> Iterator[tuple[str, bool, At]]:
    for k, name in enumerate(raw):
        if isinstance(name, dict) and len(name) == 1:  # `- aux: training`
            errors.add("SPEC012", f"an output must be the name of a stage, got {value_text(name)}", at / k,
                       hint="write a mapping, without dashes: `outputs: {head: always, aux: training}`")
            yield from ((stage, mode == TRAINING, (at / k / stage).key) for stage, mode in name.items())
        elif not isinstance(name, str):
            if name is not BROKEN:
                errors.add("SPEC012", f"an output must be the name of a stage, got {value_text(name)}", at / k,
                           hint="write the name of a stage")
        elif name in raw[:k]:
            errors.add("SPEC012", f"the output `{short(name)}` is listed twice", at / k,
                       hint=fixes.removed("remove it here", at / k))
        else:
            yield name, False, at / k


def _mapped(
    raw: dict[str, Any], at: At, stages: Container[Any], errors: Errors
) -> Iterator[tuple[str, bool, At]]:
    for name, mode in raw.items():
        if isinstance(mode, str) and mode in stages and mode not in raw and name not in stages:
            errors.add("SPEC049", f"the output `{short(name)}` cannot rename the stage `{short(mode)}`", at / name,
                       hint=f"write `{short(mode)}: {ALWAYS}`: outputs have the names of their stages")
            yield mode, False, at / name
            continue
        near = close(mode, MODES) if isinstance(mode, str) and mode not in MODES else None
        if mode not in MODES and mode is not BROKEN and (near or name in stages):
            hint = hints.near(near) if near else f"write `{short(name)}: {ALWAYS}`"
            errors.add("SPEC012", f"the output `{short(name)}` must be {' or '.join(MODES)}, got {value_text(mode)}",
                       (at / name).key if mode is None else at / name, hint=hint)
        yield name, mode == TRAINING, (at / name).key


def _unknown(name: str, at: At, program: Program, listed: Container[Any], errors: Errors) -> None:
    """Note an output that is not a stage, and say what it is instead. listed: all outputs that the spec names."""
    shown, stages = short(name), program.stages
    near = close(name.removeprefix("$"), [stage for stage in stages if stage not in listed])
    hint: str = hints.near(near) if near else f"the stages are: {listing(map(short, stages))}"
    message = f"the output `{shown}` is not a stage"
    holder, what = _inside(name, program)
    if name in program.inputs:
        message += ", it is an input"
    elif program.library.find(name) is not None and near is None:
        callers = [stage for stage, body in stages.items() if any(layer.kind == name for layer in body.layers)]
        message += ", it is a block"
        hint = hints.write(callers[0]) if len(callers) == 1 else hint
    elif holder is not None:
        message += f", it is {what} in stage `{short(holder)}`"
        hint = f"make `{short(name.rpartition('.')[2])}` a stage of its own, or list `{short(holder)}`"
    errors.add("SPEC049", message, at, hint=hint)


def _inside(name: str, program: Program) -> tuple[str | None, str]:
    """The stage that holds a branch or a layer of this name, and which of the two it is."""
    first, dot, _ = name.partition(".")
    if dot and first in program.stages:
        return first, "a part"
    for stage, body in program.stages.items():
        what = _part(name, body)
        if what:
            return stage, what
    return None, ""


def _part(name: str, body: Body) -> str:
    for layer in body.layers:
        if layer.name == name:
            return "a layer"
        if name in layer.branches:
            return "a branch"
        inner = (*layer.branches.values(), *((layer.body,) if layer.body else ()))
        found = next(filter(None, (_part(name, one) for one in inner)), "")
        if found:
            return found
    return ""
