"""Documentation of ops and blocks as Markdown, for hovers and completion."""

from __future__ import annotations

import json
from typing import Any

from archspec.language.syntax import Block
from archspec.ops import OPS, Merge


def op_docs(name: str) -> str:
    """The docs of an op: its signature, description and fields."""
    model = OPS[name]
    fields = [_short(key, field) for key, field in model.model_fields.items()]
    if issubclass(model, Merge):
        fields = ["BRANCH: […]", "BRANCH: […]", *fields]
    parts = [f"```yaml\n{name}: {{{', '.join(fields)}}}\n```" if fields else f"**{name}**"]
    parts.append(model.documentation())
    if model.main is not None:
        parts.append(f"A plain value sets `{model.main}`: `{name}: VALUE`.")
    rows = [f"- {field_docs(name, key)}" for key in model.model_fields]
    return "\n\n".join([*parts, *(["\n".join(rows)] if rows else [])])


def summary(name: str) -> str:
    """The first line of an op's docs."""
    return OPS[name].documentation().partition("\n")[0]


def field_docs(op: str, name: str) -> str:
    """The docs of a field of an op: its description and default."""
    field = OPS[op].model_fields[name]
    default = "required" if field.is_required() else f"default {_default(field.get_default(call_default_factory=True))}"
    return f"`{name}`: {field.description or ''} ({default})"


def block_docs(block: Block) -> str:
    """The docs of a block: its params and origin."""
    origin = block.at.document.name.rpartition("/")[2]
    description = block.at.document.data.get("description") if isinstance(block.at.document.data, dict) else None
    text = f"```yaml\n{block.signature()}\n```\n\nblock of {origin}"
    return f"{text}: {description}" if isinstance(description, str) and "stdlib" in block.at.document.name else text


def _short(name: str, field: Any) -> str:
    return name if field.is_required() else f"{name}: {_default(field.get_default(call_default_factory=True))}"


def _default(value: Any) -> str:
    if isinstance(value, tuple):
        value = value[0] if len(set(value)) == 1 else list(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
