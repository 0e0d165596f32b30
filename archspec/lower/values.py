"""What names mean while lowering: scopes, and the evaluation of `$name` and `$(…)` in any value."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from archspec.expressions import UNKNOWN_VALUE
from archspec.language.names import REFERENCE
from archspec.language.syntax import At, Block, Library
from archspec.lower.builder import Val
from archspec.types import TensorType

_FOLLOWED: Final = 100  # names that stand for names, one after another
_COPIED: Final = 64
_FIELDS: Final = {2: ("features",), 3: ("length", "features"), 4: ("channels", "height", "width"),
                  5: ("channels", "depth", "height", "width")}
_KINDS: Final = {2: "a vector", 3: "a sequence", 4: "an image", 5: "a volume"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a network may become: ops in all, layers looked at (equal repeats count once), block nesting."""

    max_ops: int = 100_000
    max_lowered: int = 10_000
    max_nesting: int = 32


class ShapeView:
    """What `in` and `input` are in an expression: a shape's fields."""

    def __init__(self, tensor: TensorType | None, name: str = "in") -> None:
        self.tensor = tensor
        self.name = name

    def field(self, name: str) -> Any:
        """channels, height, width of an image; depth of a volume; features of a vector; length of a sequence."""
        known = {field for fields in _FIELDS.values() for field in fields}
        if name not in known:
            raise LookupError(f"`{self.name}` has no field `{name[:60]}`; it has {', '.join(sorted(known))}")
        if self.tensor is None:
            return UNKNOWN_VALUE
        names = _FIELDS.get(self.tensor.ndim, ())
        if name not in names:
            kind = _KINDS.get(self.tensor.ndim, "this shape")
            raise LookupError(f"{kind} has no {name}" + (f", only {' and '.join(names)}" if names else ""))
        return self.tensor.shape[1 + names.index(name)]

    def __str__(self) -> str:
        return f"`{self.name}`, a shape"


class Nested(ChainMap[str, Any]):
    """What the first mapping that has a name says of it. `in` is asked often: the one of ChainMap is slower."""

    def __contains__(self, name: object) -> bool:
        for names in self.maps:  # noqa: SIM110
            if name in names:
                return True
        return False


@dataclass(slots=True, eq=False)
class Bound:
    """A name's value as written, with the scope that gives it its meaning."""

    raw: Any
    at: At | None
    scope: Scope | None = None  # None: a plain value, nothing to evaluate
    flow: ShapeView | None = None  # what `in` means there
    value: Any = field(default=None)
    state: int = 0  # 0 not evaluated, 1 being evaluated, 2 done


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What a body sees.

    names: params, or vars, and `i`. outputs: named earlier outputs that `from` reaches.
    entered: what entered the enclosing block. calls: the blocks being expanded, outermost first, and from where.
    """

    library: Library
    names: Mapping[str, Bound]
    entered: Val | None  # None in `vars`, which know no layer
    outputs: Mapping[str, Val] = field(default_factory=dict)
    calls: tuple[tuple[Block, At], ...] = ()

    def with_index(self, i: int) -> Scope:
        """This scope inside the i-th copy of a repeat."""
        names = inside(self.names)
        names["i"] = Bound(i, None, value=i, state=2)
        return Scope(self.library, names, self.entered, self.outputs, self.calls)


def inside(names: Mapping[str, Bound]) -> MutableMapping[str, Bound]:
    """What an inner scope sees that adds names of its own to these. A few are copied, since a dict is the fastest."""
    if isinstance(names, dict) and len(names) <= _COPIED:
        return {**names}
    return Nested({}, cast("dict[str, Any]", names))


class Written(NamedTuple):
    """A raw value where it was really written, and the scope that gives it its meaning there.

    through: the names that led to it.
    """

    raw: Any
    at: At | None
    scope: Scope | None
    through: tuple[Bound, ...] = ()


def written(raw: Any, at: At | None, scope: Scope | None, through: tuple[Bound, ...] = ()) -> Written:
    """Follow `$name` and `$name.0` to what they stand for, as far as that is written out."""
    while isinstance(raw, str) and scope is not None and (match := REFERENCE.fullmatch(raw)):
        bound = scope.names.get(match[1])
        if bound is None or bound.at is None or len(through) > _FOLLOWED or bound in through:
            break
        target = Written(bound.raw, bound.at, bound.scope, (*through, bound))
        for step in match[2].split(".")[1:]:
            found = _item(written(*target), step)
            if found is None:
                return Written(raw, at, scope, through)
            target = found
        raw, at, scope, through = target
    return Written(raw, at, scope, through)


def _item(whole: Written, step: str) -> Written | None:
    raw, at, scope, through = whole
    if isinstance(raw, dict) and step in raw:
        return Written(raw[step], at and at / step, scope, through)
    if isinstance(raw, list) and step.isdecimal() and int(step) < len(raw):
        return Written(raw[int(step)], at and at / int(step), scope, through)
    return None


class Visible(Mapping[str, Any]):
    """All names that an expression may use at one place, as values; evaluated when they are asked for."""

    def __init__(self, evaluator: Any, scope: Scope, flow: ShapeView | None) -> None:
        self.evaluator = evaluator
        self.scope = scope
        self.shapes = {} if flow is None else {"in": flow}
        if scope.entered is not None:
            self.shapes["input"] = ShapeView(scope.entered.tensor, "input")

    def __contains__(self, name: object) -> bool:
        return name in self.shapes or name in self.scope.names

    def __getitem__(self, name: str) -> Any:
        return self.shapes[name] if name in self.shapes else self.evaluator.bound(self.scope.names[name])

    def __iter__(self) -> Iterator[str]:
        yield from self.scope.names
        yield from self.shapes

    def __len__(self) -> int:
        return len(self.scope.names) + len(self.shapes)

