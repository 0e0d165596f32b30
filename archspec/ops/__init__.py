"""The ops of the language: one class each, all in the registry `OPS`, and by their names here. Never imports torch.

Type checkers read `__init__.pyi`, which docs/generate.py writes from the ops: it has what each field takes.
"""

from __future__ import annotations

from typing import Any

from archspec.ops.base import OP_DOOR, OPS, Merge, Op, Operation, cost_of, infer_outputs, register_op  # noqa: F401

_NAMES = [
    "OPS", "OP_DOOR", "Merge", "Op", "Operation", "cost_of", "identity", "infer_outputs", "make_op", "register_op",
]


def identity() -> Operation:
    """The op that does nothing, for a stage without layers."""
    return make_op("identity", {})


def make_op(name: str, fields: dict[str, Any]) -> Operation:
    """The op `name` with these fields.

    Errors: KeyError for an unknown name, pydantic.ValidationError for fields that do not suit it.
    """
    return OPS[name].model_validate(fields)


def __getattr__(name: str) -> Any:
    """The class of an op, or `__all__`: both need the files of all ops."""
    classes = {cls.__name__: cls for cls in OPS.values() if cls.__module__.startswith(__name__)}
    if name == "__all__":
        return [*_NAMES, *classes]
    if name not in classes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return classes[name]


def __dir__() -> list[str]:
    return [*globals(), *__getattr__("__all__")]
