"""What all of the lowering shares: the program, the limits and what was counted against them."""

from __future__ import annotations

from typing import Final

from archspec.ir import Graph
from archspec.language.syntax import At, Body, Errors, Layer, Library, Program
from archspec.lower.builder import Val
from archspec.lower.evaluate import Evaluator
from archspec.lower.kept import Call, Kept
from archspec.lower.report import Reporter
from archspec.lower.values import Bound, Limits, Scope, ShapeView
from archspec.ops import Operation
from archspec.types import TensorType

MAX_DEPTH: Final = 64  # modules inside modules; Python's own recursion limit lies above it
_STEPS: Final = 10  # evaluated values that count as much as one layer


class TooLarge(Exception):
    """A limit was passed and told; lowering ends here."""


class Context:
    """State of one run. kept: what equal calls of blocks gave in earlier runs."""

    def __init__(self, program: Program, errors: Errors, limits: Limits, kept: Kept | None = None) -> None:
        self.program = program
        self.errors = errors
        self.limits = limits
        self.reporter = Reporter(errors, program.foreign)
        self.ev = Evaluator(self.reporter)
        self.ops = 0  # run by the network, repeats counted
        self.lowered = 0  # layers looked at, equal repeats and blocks counted once
        self.depth = 0
        self.scopes: dict[int, Scope] = {}  # of each file's vars
        self.bodies: dict[tuple[object, ...], Body] = {}  # of layers that params hold
        # The ops of layers without expressions.
        self.fixed: dict[tuple[Layer, type[Operation]], Operation] = kept.fixed if kept else {}
        self.seen: set[int] = set()  # ids of the layers that were lowered
        self.input: TensorType | None = None  # of the network
        self.kept = kept
        self.calls: dict[Call, tuple[Graph, TensorType]] = {}  # of blocks, with what they gave

    def vars_scope(self, library: Library) -> Scope:
        """The scope of a file's vars; each var is evaluated once, when it is first used."""
        scope = self.scopes.get(id(library))
        if scope is None:
            names: dict[str, Bound] = {}
            scope = self.scopes[id(library)] = Scope(library, names, None)
            names.update({name: Bound(raw, at, scope) for name, (raw, at) in library.vars.items()})
        return scope

    def value(self, raw: object, at: At, scope: Scope, flow: Val) -> object:
        """The value of what is written at a layer that `flow` enters."""
        return self.ev.value(raw, at, scope, ShapeView(flow.tensor))

    @property
    def counted(self) -> tuple[int, int, int]:
        """What was counted against the limits: ops, layers, and evaluated values."""
        return self.ops, self.lowered, self.ev.steps

    @counted.setter
    def counted(self, counted: tuple[int, int, int]) -> None:
        self.ops, self.lowered, self.ev.steps = counted

    def work(self, at: At, amount: int = 1) -> None:
        """Count a layer that is looked at."""
        self.lowered += amount
        if self.lowered + self.ev.steps // _STEPS > self.limits.max_lowered:
            self.too_large(f"more than {self.limits.max_lowered:,} different layers", at,
                           "raise the limit with `--max-lowered`")

    def count(self, ops: int, at: At) -> None:
        """Count ops that the network will run."""
        self.ops += ops
        if self.ops > self.limits.max_ops:
            self.too_large(f"the network has more than {self.limits.max_ops:,} ops", at,
                           "raise the limit with `--max-ops`")

    def enter(self, at: At) -> None:
        """One module further in; `leave` goes out again."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.too_large(f"modules are nested deeper than {MAX_DEPTH}", at, "name fewer layers inside layers")

    def leave(self) -> None:
        """See `enter`."""
        self.depth -= 1

    def too_large(self, message: str, at: At, hint: str | None = None) -> None:
        """Tell of a limit and end the lowering."""
        self.errors.add("SPEC051", message, at, hint=hint)
        raise TooLarge
