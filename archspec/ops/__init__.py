"""The ops of the language: one class each, all in the registry `OPS`, and by their names here. Never imports torch.

Type checkers read `__init__.pyi`, which docs/generate.py writes from the ops: it has what each field takes.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from archspec.ops.base import OP_DOOR, OPS, Merge, Op, Operation, cost_of, infer_outputs, register_op

__all__ = [
    "OPS", "OP_DOOR", "Merge", "Op", "Operation", "cost_of", "identity", "infer_outputs", "make_op", "register_op",
]

for _module in iter_modules(__path__):  # each file beside this one registers its ops
    import_module(f"{__name__}.{_module.name}")
_classes = {cls.__name__: cls for cls in OPS.values()}
globals().update(_classes)
__all__ += _classes  # noqa: PLE0605 (names)


def identity() -> Operation:
    """The op that does nothing, for a stage without layers."""
    return make_op("identity", {})


def make_op(name: str, fields: dict[str, Any]) -> Operation:
    """The op `name` with these fields.

    Errors: KeyError for an unknown name, pydantic.ValidationError for fields that do not suit it.
    """
    return OPS[name].model_validate(fields)
