"""State that all parts of lowering share: the program, its limits, and the counts that they bound."""

from __future__ import annotations

from typing import Final

from archspec.ir import Graph
from archspec.language.names import names_in
from archspec.language.outputs import Outputs
from archspec.language.syntax import At, Body, Errors, Layer, Library, Program
from archspec.lower.builder import Val
from archspec.lower.evaluate import Evaluator
from archspec.lower.kept import Call, Kept
from archspec.lower.report import Reporter
from archspec.lower.values import Bound, Limits, Scope, ShapeView
from archspec.ops import Operation
from archspec.types import TensorType, is_unknown

MAX_DEPTH: Final = 64  # nested modules; below Python's own recursion limit
_STEPS: Final = 10  # so many evaluated values count as one layer


class TooLarge(Exception):
    """A limit was exceeded and reported; lowering ends here."""


class Context:
    """State of one lowering. kept: results of block calls from earlier ones."""

    def __init__(self, program: Program, errors: Errors, limits: Limits, kept: Kept | None = None) -> None:
        self.program = program
        self.errors = errors
        self.limits = limits
        self.reporter = Reporter(errors, program.foreign)
        self.ev = Evaluator(self.reporter)
        self.ops = 0  # ops that the network runs, including all copies of repeats
        self.lowered = 0  # layers that were lowered; equal copies and equal calls count once
        self.depth = 0
        # Whether the default of a param depends on the index of a repeat, so that copies may differ without naming it.
        self.index_in_defaults = any(
            not param.required and "i" in names_in(param.default)
            for library in program.library.all() for block in library.blocks.values() for param in block.params
        )
        self.scopes: dict[int, Scope] = {}  # the scope of each file's vars
        self.bodies: dict[tuple[object, ...], Body] = {}  # parsed values of params that hold layers
        # The ops of layers that contain no expression.
        self.fixed: dict[tuple[Layer, type[Operation]], Operation] = kept.fixed if kept else {}
        self.seen: set[int] = set()  # ids of the layers that were lowered
        self.doubtful_ranks: set[int] = set()  # of ops that were refused because their input has another one
        self.inputs: dict[str, tuple[Val, At]] = {}  # the network's inputs, and where their shapes are written
        self.outputs: Outputs = {}  # the stages that the network returns
        self.kept = kept
        self.calls: dict[Call, tuple[Graph, TensorType]] = {}  # block calls and their results

    def vars_scope(self, library: Library) -> Scope:
        """The scope of a file's vars. Each var is evaluated once, when it is first used."""
        scope = self.scopes.get(id(library))
        if scope is None:
            names: dict[str, Bound] = {}
            scope = self.scopes[id(library)] = Scope(library, names, None)
            names.update({name: Bound(raw, at, scope) for name, (raw, at) in library.vars.items()})
        return scope

    def value(self, raw: object, at: At, scope: Scope, flow: Val) -> object:
        """Evaluate a raw value of a layer whose input is `flow`."""
        return self.ev.value(raw, at, scope, ShapeView(flow.tensor))

    def is_doubtful(self, value: Val) -> bool:
        """Whether a partly known value may only have its rank because of an op that was refused for it elsewhere.

        After an error an op is taken to get an input of its own rank: a `conv2d` an image, where `conv1d` was meant.
        """
        x = value.tensor
        return x is not None and x.ndim in self.doubtful_ranks and any(is_unknown(d) for d in x.shape)

    @property
    def counted(self) -> tuple[int, int, int]:
        """The counts that the limits bound: ops, layers, and evaluated values."""
        return self.ops, self.lowered, self.ev.steps

    @counted.setter
    def counted(self, counted: tuple[int, int, int]) -> None:
        self.ops, self.lowered, self.ev.steps = counted

    def work(self, at: At, amount: int = 1) -> None:
        """Count a layer that is lowered."""
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
        """Enter a nested module; `leave` ends it."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.too_large(f"modules are nested deeper than {MAX_DEPTH}", at, "name fewer layers inside layers")

    def leave(self) -> None:
        """Leave the module that `enter` began."""
        self.depth -= 1

    def too_large(self, message: str, at: At, hint: str | None = None) -> None:
        """Report an exceeded limit and end lowering."""
        self.errors.add("SPEC051", message, at, hint=hint)
        raise TooLarge
