"""Models of the file format → the plain data of a file, with the comments and the Python places of its parts."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ValidationError

from archspec.language.recipe import Recipe
from archspec.ops import Operation
from archspec.ops.placed import origin_of
from archspec.source import Path
from archspec.source.origin import Origin

_DEEP: Final = 100  # data that contains itself is returned as it is: whoever reads it has a limit, and a message


class Written:
    """What was met on the way: comments and origins, by the paths in the data."""

    def __init__(self) -> None:
        self.comments: dict[Path, str] = {}
        self.origins: dict[Path, Origin] = {}

    def plain(self, value: Any, path: Path = ()) -> Any:
        """The value as a spec file holds it, with all the models in it."""
        if len(path) > _DEEP:
            return value
        if isinstance(value, dict):
            return {key: self.plain(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(item, (*path, k)) for k, item in enumerate(value)]
        return self._model(value, path) if isinstance(value, BaseModel) else value

    def _model(self, model: BaseModel, path: Path) -> Any:
        origin = origin_of(model)
        if origin is not None:
            self.origins.setdefault(path, origin)  # a layer's, before that of the op in its `kind`
        if comment := getattr(model, "comment", ""):
            self.comments[path] = comment
        if isinstance(model, Operation):
            fields = fields_of(model)
            return {model.op: _short(model, fields)} if fields else model.op
        if isinstance(model, Recipe):
            return model.to_data(defaults=False)
        if hasattr(model, "write"):
            return model.write(self, path)
        return model.model_dump(mode="json", exclude_unset=True, by_alias=True)


def fields_of(op: Operation) -> dict[str, Any]:
    """The fields that were given, each number that stands for a list as that number: `kernel_size: 3`."""
    fields = op.model_dump(mode="json", exclude_unset=True)
    for name, value in fields.items():
        if isinstance(value, list) and len(value) > 1 and value.count(value[0]) == len(value):
            fields[name] = value[0] if _same(op, {**fields, name: value[0]}) else value
    return fields


def _short(op: Operation, fields: dict[str, Any]) -> Any:
    """`linear: 10` for its main field alone."""
    value = fields.get(op.main or "")
    return value if len(fields) == 1 and isinstance(value, (int, float, str)) else fields


def _same(op: Operation, fields: dict[str, Any]) -> bool:
    try:
        return type(op).model_validate(fields) == op
    except ValidationError:
        return False
