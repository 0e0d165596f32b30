"""What names mean while lowering: scopes, and the names that `$name` and `$(…)` see."""

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

_FOLLOWED: Final = 100  # the longest chain of names that refer to names
_COPIED: Final = 64
_FIELDS: Final = {2: ("features",), 3: ("length", "features"), 4: ("channels", "height", "width"),
                  5: ("channels", "depth", "height", "width")}
_KINDS: Final = {2: "a vector", 3: "a sequence", 4: "an image", 5: "a volume"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a network may be: its ops, the layers lowered (equal copies count once), nested block calls."""

    max_ops: int = 100_000
    max_lowered: int = 10_000
    max_nesting: int = 32


class ShapeView:
    """The values of `in` and `input` in an expression: the fields of a shape."""

    def __init__(self, tensor: TensorType | None, name: str = "in") -> None:
        self.tensor = tensor
        self.name = name

    def field(self, name: str) -> Any:
        """The dimension with this name, such as `channels` of an image; of `shape`, all but the batch as a list."""
        if name == "shape":
            return UNKNOWN_VALUE if self.tensor is None else list(self.tensor.shape[1:])
        known = {"shape", *(field for fields in _FIELDS.values() for field in fields)}
        if name not in known:
            raise LookupError(f"`{self.name}` has no field `{name[:60]}`; it has {', '.join(sorted(known))}")
        if self.tensor is None:
            return UNKNOWN_VALUE
        names = _FIELDS.get(self.tensor.ndim, ())
        if name == "channels" and self.tensor.ndim == 3:
            return self.tensor.shape[1]  # of a sequence with its channels first, as convolutions take it
        if name not in names:
            kind = _KINDS.get(self.tensor.ndim, "this shape")
            raise LookupError(f"{kind} has no {name}" + (f", only {' and '.join(names)}" if names else ""))
        return self.tensor.shape[1 + names.index(name)]

    def __str__(self) -> str:
        return f"`{self.name}`, a shape"


class InputsView:
    """What `input` is in the stages of a network with several inputs: their shapes by name."""

    def __init__(self, inputs: Mapping[str, Val]) -> None:
        self.inputs = inputs

    def field(self, name: str) -> ShapeView:
        """The shape of the input of this name."""
        if name not in self.inputs:
            raise LookupError(f"the network has several inputs: write `input.{next(iter(self.inputs))}.{name[:60]}`")
        return ShapeView(self.inputs[name].tensor, f"input.{name}")

    def __str__(self) -> str:
        return f"the inputs {', '.join(self.inputs)}"


class Nested(ChainMap[str, Any]):
    """A ChainMap with a faster `in`, which is used often."""

    def __contains__(self, name: object) -> bool:
        for names in self.maps:  # noqa: SIM110
            if name in names:
                return True
        return False


@dataclass(slots=True, eq=False)
class Bound:
    """A name's raw value, with the scope in which it is evaluated."""

    raw: Any
    at: At | None
    scope: Scope | None = None  # None: a plain value that needs no evaluation
    flow: ShapeView | None = None  # the value of `in`
    value: Any = field(default=None)
    state: int = 0  # 0 not evaluated, 1 being evaluated, 2 done


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The names that a body sees.

    names: params or vars, and `i`. outputs: the earlier outputs that `from` can name. entered: the input of the
    enclosing block. calls: the blocks that are being expanded, outermost first, and where each is called.
    """

    library: Library
    names: Mapping[str, Bound]
    entered: Val | None  # None in `vars`, which are outside all layers
    outputs: Mapping[str, Val] = field(default_factory=dict)
    calls: tuple[tuple[Block, At], ...] = ()

    def with_index(self, i: int) -> Scope:
        """This scope inside the i-th copy of a repeat."""
        names = inside(self.names)
        names["i"] = Bound(i, None, value=i, state=2)
        return Scope(self.library, names, self.entered, self.outputs, self.calls)


def inside(names: Mapping[str, Bound]) -> MutableMapping[str, Bound]:
    """A mapping with these names, to which an inner scope adds its own. Few names are copied: a dict is fastest."""
    if isinstance(names, dict) and len(names) <= _COPIED:
        return {**names}
    return Nested({}, cast("dict[str, Any]", names))


class Written(NamedTuple):
    """A raw value, the place where it was written, and the scope in which it is evaluated.

    through: the names that were followed to it.
    """

    raw: Any
    at: At | None
    scope: Scope | None
    through: tuple[Bound, ...] = ()


def written(raw: Any, at: At | None, scope: Scope | None, through: tuple[Bound, ...] = ()) -> Written:
    """Follow `$name` and `$name.0` to a raw value that is not such a reference."""
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
    """The names that an expression may use at one place, with their values, which are evaluated on access."""

    def __init__(self, evaluator: Any, scope: Scope, flow: ShapeView | None) -> None:
        self.evaluator = evaluator
        self.scope = scope
        self.shapes: dict[str, ShapeView | InputsView] = {} if flow is None else {"in": flow}
        if scope.entered is not None:
            choices = scope.entered.choices
            self.shapes["input"] = ShapeView(scope.entered.tensor, "input") if choices is None else InputsView(choices)

    def __contains__(self, name: object) -> bool:
        return name in self.shapes or name in self.scope.names

    def __getitem__(self, name: str) -> Any:
        return self.shapes[name] if name in self.shapes else self.evaluator.bound(self.scope.names[name])

    def __iter__(self) -> Iterator[str]:
        yield from self.scope.names
        yield from self.shapes

    def __len__(self) -> int:
        return len(self.scope.names) + len(self.shapes)
