"""Names: which may be one, what unnamed layers are called, and which names a raw value mentions."""

from __future__ import annotations

import keyword
import re
from collections.abc import Container
from functools import lru_cache
from typing import Any, Final

from archspec.diagnostics import Hint
from archspec.expressions import Expression, ExpressionError, template
from archspec.language.message_text import short
from archspec.language.syntax import At, Errors, Layer

WORD: Final = re.compile(r"[A-Za-z_]\w*")
REFERENCE: Final = re.compile(r"\$([^\W\d]\w*)((?:\.(?:[0-9]+|[^\W\d]\w*))*)")  # `$name`, `$name.0`, `$name.field`
RESERVED: Final = ("in", "input", "i")  # names that expressions give a meaning
_NONE: Final[frozenset[str]] = frozenset()
DTYPES: Final = ("float32", "int64")  # of an input
EXPECTATIONS: Final = ("output", "params", "macs", "buffers")  # keys of `expect` that no stage may take

# dir(torch.nn.Module) and what an instance of Sequential, ModuleList or fx.GraphModule has besides
# (the language does not import torch; a test compares this list with the real classes).
MODULE_ATTRIBUTES: Final = frozenset("""
    T_destination add_module add_submodule append apply bfloat16 buffers call_super_init children code
    compile cpu cuda delete_all_unused_submodules delete_submodule double dump_patches eval extend extra_repr
    float forward get_buffer get_extra_state get_parameter get_submodule graph half insert ipu load_state_dict
    meta modules mtia named_buffers named_children named_modules named_parameters parameters pop print_readable
    recompile register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule shape_env share_memory state_dict
    to to_empty to_folder train training type xpu zero_grad
""".split())


def check_name(name: str, at: At, errors: Errors, *, key: bool = True, what: str = "name") -> bool:
    """Whether `name` can be a module's name (or, for `what` "var" or "param", a name of a value).

    Else the error is noted.
    """
    rule = _broken_rule(name, what)
    if rule is None:
        return True
    hint = f"choose another name, such as `{_free(name)}`"
    errors.add("SPEC022", f"{what} `{short(name)}` {rule}", at, key=key, hint=hint)
    return False


def _broken_rule(name: str, what: str) -> str | None:
    if (hidden := seen_wrongly(name)) is not None:
        return f"holds {hidden}"
    if not name.isidentifier() or not name.isascii():
        return "is not an identifier (letters, digits and _, not starting with a digit)"
    if keyword.iskeyword(name):
        return "is a Python keyword"
    if what in ("var", "param"):
        return "has a special meaning in expressions" if name in RESERVED else None
    if what == "input" and name in ("input", "self"):
        return "has a special meaning in `from`" if name == "input" else "stands for the module itself in Python"
    # A block's modules are called `double_1`, or as a stage is; an input is not a module.
    if name in MODULE_ATTRIBUTES and what not in ("block", "input"):
        return "is an attribute of every nn.Module"
    if name.startswith("_"):
        return "starts with _"
    if what == "stage" and name in ("input", *EXPECTATIONS):
        return "has a special meaning in `expect` or `from`"
    if what == "layer" and name == "input":
        return "means the input of the block"
    return None


def seen_wrongly(name: str) -> str | None:
    """The first character of a name that looks like another, or like nothing: `U+200B ZERO WIDTH SPACE`."""
    if name.isascii():
        return None
    from archspec.source.characters import name_of, odd

    return next((name_of(name[k]) for k in odd(name)), None)


def as_seen(name: str) -> str:
    """The name as a person sees it, written in plain characters."""
    from archspec.source.characters import odd

    found = odd(name)
    return "".join(found.get(k, char) for k, char in enumerate(name)).strip()


def _free(name: str) -> str:
    """A name like this one that can be used."""
    name = as_seen(name) if not name.isascii() else name
    word = re.sub(r"\W+", "_", name[:40], flags=re.ASCII).strip("_") or "name"
    return f"n{word}" if word[0].isdigit() else word if word != name else f"{word}_1"


def module_names(layers: tuple[Layer, ...]) -> list[str]:
    """The layers' names in a body: their own, or `op_k`, k counting the unnamed ones of that kind in the text."""
    counts: dict[str, int] = {}
    names = []
    for layer in layers:
        name = layer.name
        if name is None:
            stem = layer.stem
            counts[stem] = number = counts.get(stem, 0) + 1
            name = f"{stem}_{number}"
        names.append(name)
    return names


def check_unique(layers: tuple[Layer, ...], errors: Errors) -> None:
    """Note names that two layers of a body have, by their own or by counting."""
    seen: dict[str, Layer] = {}
    for name, layer in zip(module_names(layers), layers, strict=True):
        first = seen.setdefault(name, layer)
        if first is layer:
            continue
        named = layer if layer.name else first
        other = first if layer.name else layer
        errors.add(
            "SPEC023", f"two layers of this body are named `{name}`", named.beside("name"),
            related=[(other.place, "the other one")], hint="choose another name",
        )


def without_dollar(raw: Any, known: Container[str], errors: Errors) -> str | None:
    """The hint for a text that is an expression of `known` names, but for its `$`; the names count as used then."""
    if not isinstance(raw, str) or raw.startswith("$"):
        return None
    try:
        expression = template(f"$({raw})")
    except ExpressionError:
        return None
    if not isinstance(expression, Expression) or not expression.names or any(n not in known for n in expression.names):
        return None
    errors.meant |= expression.names
    meant = f"${raw}" if REFERENCE.fullmatch(f"${raw}") else f"$({short(raw)})"
    return Hint(f"write `{meant}`", f'"{meant}"' if set(meant) & set(",[]{}#") else meant, safe=True)


def names_in(raw: Any) -> frozenset[str]:
    """All names used in `$name` and `$(…)` anywhere in a raw value, keys included."""
    if isinstance(raw, str):
        return _names_of(raw) if raw.startswith("$") else _NONE
    if not isinstance(raw, (list, dict)):
        return _NONE
    found: set[str] = set()
    stack: list[Any] = [raw]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.keys())
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, str) and value.startswith("$"):
            found |= _names_of(value)
    return frozenset(found)


@lru_cache(maxsize=2048)
def _names_of(text: str) -> frozenset[str]:
    if plain := REFERENCE.fullmatch(text):
        return frozenset((plain[1],))
    try:
        expression = template(text)
    except ExpressionError:  # told where it is evaluated; what it names counts as used all the same
        return frozenset(WORD.findall(text))
    return expression.names if isinstance(expression, Expression) else _NONE
