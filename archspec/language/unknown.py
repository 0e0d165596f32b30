"""Names of ops, blocks and fields that nothing has, and what was probably meant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Mapping
from typing import Any, Final

from archspec.diagnostics import hints, listing
from archspec.diagnostics.wording import Similar
from archspec.language import fixes
from archspec.language.message_text import close, short, value_text
from archspec.language.names import WORD, as_seen, seen_wrongly
from archspec.language.parse import SEQUENTIAL, SHARE
from archspec.language.synonyms import field_called, kind_called
from archspec.language.syntax import At, Errors, Library, Program
from archspec.ops import OP_DOOR, OPS, Operation

INFERRED: Final = ("in_channels", "in_features", "num_features", "num_channels")  # PyTorch's, never written here
# Codes of what a name that nothing defines, or a definition that nothing uses, leads to.
_MISSING: Final = frozenset({
    "SPEC010", "SPEC020", "SPEC024", "SPEC025", "SPEC031", "SPEC032", "SPEC040", "SPEC049", "SPEC063", "RUN326",
})
_RANK: Final = re.compile(r"(?<=[a-z])[1-9]d?$")  # at the end of an op's name
_ACTIVATIONS: Final = ("activation", "act", "act_layer", "nonlinearity")  # fields of layers elsewhere


def may_be_misspelt(program: Program, errors: Errors) -> bool:
    """Whether a definition may be: one of these codes was reported, or a block's name is written only once."""
    if any(diagnostic.code in _MISSING for diagnostic in errors.found):
        return True
    blocks = program.library.blocks
    lines = [line for document in program.documents for line in document.lines] if blocks else []
    words = Counter(WORD.findall("\n".join(lines)))
    return any(words[name] == 1 for name in blocks)


def unknown_kind(
    kind: str, at: At, library: Library, errors: Errors, names: Container[str], call: At | None = None,
    stages: Container[str] = (), values: Mapping[str, str] | None = None, rank: int | None = None,
) -> str | None:
    """Note that no op or block of this library has this name; returns the one that was probably meant.

    names: of the params and vars that may hold a layer: the name may lack its `$`. values: what else `from` sees here,
    and whether that is an input or a layer. rank: of the layer's input, without batch and channels, if it is known: the
    op for it was meant where the name does not say another.
    """
    if library.lost_block(kind) or kind in errors.lost:
        return None
    if kind in names:
        errors.meant.add(kind)
        hint: str = hints.write(f"${kind}", safe=True)
        errors.add("SPEC020", f"no op or block `{short(kind)}`", at, hint=hint, subject=kind, call=call)
        return f"${kind}"
    called = kind_called(kind)
    said = rank is None or _RANK.search(kind) is not None
    if called is not None and not said:
        called = _of_rank(called, rank)
    if kind not in library.nearest:
        library.nearest[kind] = close(kind, library.block_names() | set(OPS) | {SEQUENTIAL, SHARE})
    near = library.nearest[kind]
    if isinstance(near, Similar) and not said:
        similar = near.rivals or (near,)
        known = tuple(dict.fromkeys(_of_rank(name, rank) for name in similar))
        near = Similar(known, kind) if known != similar else near
    message = f"no op or block `{short(kind)}`"
    if (hidden := seen_wrongly(kind)) is not None:
        seen = as_seen(kind)
        near = seen if seen in OPS or seen in library.block_names() else near
        message += f", which holds {hidden}"
    hint = hints.near(near) if near else "`archspec list` shows all ops and blocks"
    if near not in library.blocks:
        from archspec.language.lacking import lack_of  # only mistakes need it

        lack = lack_of(kind, near) if called is None else None
        if called is not None:
            near, hint = called, hints.called(called)
        elif lack is not None:
            near, message, hint = None, f"{message}: archspec has no {lack.what}", lack.instead
    what = "stage" if kind in stages else (values or {}).get(kind)
    if what is not None:
        near, hint = None, _of_value(short(kind), what)
    if not said and near is not None and call is None and errors.is_reported("SPEC020", at):
        errors.improve("SPEC020", at, hint)
    errors.add("SPEC020", message, at, notes=OP_DOOR.problems, hint=hint, subject=kind, call=call)
    return near


def _of_value(name: str, what: str) -> str:
    """The hint for the name of a value where a layer belongs."""
    if what == "input":
        return f"write `{{from: {name}}}` for that input"
    return (
        f"`{name}` is a {what}: `{{share: {name}}}` runs it again with its weights, `{{from: {name}}}` takes its output"
    )


def _of_rank(name: str, rank: int | None) -> str:
    """The op that does the same with inputs of this rank, or else this name."""
    other = _RANK.sub(f"{rank}d", name)
    return other if other in OPS else name


def may_be_layer(raw: Any) -> bool:
    """Whether a var's or param's raw value (a param's type, where that is all there is) can stand for a layer."""
    return isinstance(raw, (str, dict, list)) and raw not in ("int", "float", "bool", "list")


def meant_field(cls: type[Operation], key: str, written: Container[Any], at: At) -> tuple[str | None, str]:
    """For a field, at `at`, that the op does not have: the field that was meant, if that is plain, and a hint."""
    known = list(cls.model_fields)
    if key in INFERRED:
        return None, fixes.removed("remove it: it is inferred from the input", at, safe=True)
    if key.lower() in _ACTIVATIONS and isinstance(layer := at.value(), str):
        op = layer.lower() if layer.lower() in OPS else kind_called(layer) or close(layer, OPS)
        return None, f"write it as the next layer: `{op}`" if op else "write it as the next layer"
    called = field_called(key, known)
    near = called or close(key, known)
    if near in written:
        return None, fixes.removed(f"remove it: `{near}` is written already", at)
    if called:
        return called, hints.called(called)
    if near is None:
        return None, f"its fields: {listing(known, 20)}" if known else "it takes none"
    return near, hints.near(near)


def second_key(raw: dict[str, Any], kind: str, other: str) -> str:
    """The hint for a second key of a layer: one of its op's fields, or another layer."""
    cls = OPS.get(kind)
    fields = () if cls is None or other in OPS else tuple(cls.model_fields)
    field = field_called(other, fields) or close(other, fields)
    if cls is None or field is None:
        return f"start a new list item: `- {short(other)}`"
    written = f"{field}: {value_text(raw[other])}"
    if isinstance(raw[kind], dict) or (cls.main is None and raw[kind] is not None):
        return f"write `{written}` inside the braces of `{kind}`"
    first = "" if raw[kind] is None else f"{cls.main}: {value_text(raw[kind])}, "
    return f"write its fields together: `{kind}: {{{first}{written}}}`"
