"""The ops of the language: one class each, all in the registry `OPS`. Importing this never imports torch."""

from __future__ import annotations

from typing import Any

from archspec.ops import (
    activation,
    batch_norm,
    conv,
    dropout,
    linear,
    merge,
    norm,
    pool,
    resize,
    shape,
    shuffle,
    softmax,
)
from archspec.ops.base import OPS, Merge, Op, Operation, infer_outputs, register_op

__all__ = ["OPS", "Merge", "Op", "Operation", "infer_outputs", "make_op", "register_op"]

# Importing them registers their ops.
_MODULES = (activation, batch_norm, conv, dropout, linear, merge, norm, pool, resize, shape, shuffle, softmax)


def make_op(name: str, fields: dict[str, Any]) -> Operation:
    """The op `name` with these fields.

    Errors: KeyError for an unknown name, pydantic.ValidationError for fields that do not suit it.
    """
    return OPS[name].model_validate(fields)
