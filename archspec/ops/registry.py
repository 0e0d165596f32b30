"""The ops by name. The file of an op is imported when its class is looked up: a spec needs few of them."""

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from archspec.ops.base import Operation

_NAME = '\n    op = "'  # how the line of a class that names its op starts


class Registry(MutableMapping[str, "type[Operation]"]):
    """Name → class of every op: those in the files of a package, in their order, and then those that are added.

    All names are known from the start. A class that is not there yet is imported, and adds itself: `values` and `items`
    import all, `in`, `len` and the names none.
    """

    def __init__(self, package: str, folder: Path) -> None:
        self._ops: dict[str, type[Operation] | str] = _written(package, folder)  # the class, or the module that has it

    @override
    def __getitem__(self, name: str) -> "type[Operation]":
        op = self._ops[name]
        if isinstance(op, str):
            import_module(op)
            op = self._ops[name]
            if isinstance(op, str):
                raise TypeError(f"the class of the op `{name}` in {op} lacks `@register_op`")
        return op

    @override
    def get(  # type: ignore[override]  # no other default; Mapping's would look up each name of a block by an exception
        self, name: str, default: "type[Operation] | None" = None, /
    ) -> "type[Operation] | None":
        return self[name] if name in self._ops else default

    @override
    def __setitem__(self, name: str, op: "type[Operation]") -> None:
        self._ops[name] = op

    @override
    def __delitem__(self, name: str) -> None:
        del self._ops[name]

    @override
    def __contains__(self, name: object) -> bool:
        return name in self._ops

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._ops)

    @override
    def __len__(self) -> int:
        return len(self._ops)


def _written(package: str, folder: Path) -> dict[str, "type[Operation] | str"]:
    """Name → module of each op, read from the text of the files: to import them all would take 40 times as long."""
    found: dict[str, type[Operation] | str] = {}
    for file in sorted(folder.glob("*.py")):
        ops = file.read_text(encoding="utf-8").split(_NAME)[1:]
        found.update((op.partition('"')[0], f"{package}.{file.stem}") for op in ops)
    return found
