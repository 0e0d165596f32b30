"""The Python API: load, check, analyze and build a spec. Imports torch only to build."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from archspec.analysis import Expected, Report, check_expectations, cost_report
from archspec.diagnostics import Diagnostic, SpecError, error
from archspec.expressions import holds_unknown
from archspec.ir import Graph
from archspec.language import fixes
from archspec.language.check import check_names
from archspec.language.errors import TooManyErrors, in_order
from archspec.language.files import Loader, Options
from archspec.language.input_override import InputShapes
from archspec.language.resolve import resolved
from archspec.language.shipped import find_shipped, shipped_specs
from archspec.language.syntax import At, Errors, Program
from archspec.lower import Limits, Lowered, lower
from archspec.ops import OP_DOOR
from archspec.plugins import generation
from archspec.source import DEFAULT_LIMITS, Document, document_of, parse, read
from archspec.source import Limits as TextLimits
from archspec.source.origin import nearest_span
from archspec.text import shell
from archspec.types import INTEGERS

if TYPE_CHECKING:
    from torch import nn

    from archspec.language.models import ArchSpec
    from archspec.language.recipe import Recipe

LIMITS = Limits()
T = TypeVar("T")
_EXPECTATIONS = ("SHAPE110", "SHAPE111")  # the network is whole, only not the one that `expect` tells of


@dataclass(frozen=True, eq=False)
class Loaded:
    """A spec without mistakes.

    data: its plain data after `extends` and overrides, libraries written out: it needs no other file.
    graph: the network. report: its costs for a batch of 1 in float32.
    recipes: "train" is the default one; empty if the spec has no `train`. files: the spec and what it extends.
    program: the syntax tree, with the places of everything.
    """

    name: str
    description: str
    data: Mapping[str, Any]
    graph: Graph
    report: Report
    recipes: Mapping[str, Recipe]
    files: tuple[str, ...]
    program: Program | None = field(default=None, repr=False)

    @cached_property
    def spec(self) -> ArchSpec:
        """The spec as a Pydantic model."""
        from archspec.language.models import ArchSpec

        return ArchSpec.model_validate(dict(self.data))

    def recipe(self, name: str | None = None) -> Recipe:
        """The recipe of that name, the default `train` if None. SpecError if there is none."""
        key = name or "train"
        if key in self.recipes:
            return self.recipes[key]
        from archspec.diagnostics import listing, nearest

        known = [k for k in self.recipes if k != "train"]
        if name is None:
            raise error("SPEC011", f"{self.name} has no `train` section", hint=self._add_train())
        close = nearest(name, known)
        if close:
            hint = close.words()
        elif holder := _shipped_with(name):  # `resnet-02` is a run of resnet18_96
            hint = f"the shipped spec `{holder}` has it"
        else:
            hint = f"its recipes: {listing(known)}" if known else "it has none: leave the name out to use `train`"
        raise error("SPEC010", f"{self.name} has no recipe `{name}`", hint=hint)

    def _add_train(self) -> str:
        """The hint for a spec without a recipe: a data set of archspec, if the network takes images."""
        shape = self.graph.inputs[0].type.shape
        data = {1: "fashion-mnist", 3: "cifar10"}.get(shape[1] if len(shape) == 4 else 0)
        if data is None or len(self.graph.inputs) > 1 or self.graph.inputs[0].type.dtype in INTEGERS:
            return ("train it from Python with data of your own: "
                    "`archspec.train(spec, train=…, test=…, loss=…, lr=0.1)`")
        return f"add `train: {{data: {data}, batch_size: 128, epochs: 10, optimizer: sgd, lr: 0.1}}`"

    def resolved_yaml(self) -> str:
        """The spec as one YAML text that needs no other file: `extends`, `use` and overrides are applied."""
        from archspec.source import dump

        return dump(dict(self.data))


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file as an editor holds it: its text counts, and not what is on the disk.

    others: further texts that do, by their paths without links.
    """

    path: Path
    text: str
    others: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Examined:
    """A spec and what is wrong with it.

    loaded: also there where nothing but `expect` fails. warnings: what is valid, and probably not what was meant;
    empty beside an error that leaves the network unknown. program: the syntax tree; None where there is none.
    """

    loaded: Loaded | None
    errors: tuple[Diagnostic, ...]
    warnings: tuple[Diagnostic, ...] = ()
    program: Program | None = None


def load(source: Any, **options: Any) -> Loaded:
    """Load and check a spec. Takes what `examine` takes. Raises SpecError with every mistake that was found.

    Whether the network suits its recipes' data is not checked: it can be used without them.
    """
    if isinstance(source, Loaded) and not options.get("sets") and options.get("input") is None:
        return source
    found = examine(source, **options)
    if found.errors:
        raise SpecError(found.errors)
    assert found.loaded is not None
    return found.loaded


def check(source: Any, **options: Any) -> tuple[Diagnostic, ...]:
    """Every mistake in a spec, those of its training included; empty if it is valid. Takes what `load` takes."""
    return examine(source, training=True, **options).errors


def examine(
    source: Any, *, sets: Iterable[str] = (), includes: Iterable[str | Path] = (),
    input: Iterable[int] | Mapping[str, Iterable[int]] | None = None,
    limits: Limits = LIMITS, text_limits: TextLimits = DEFAULT_LIMITS, training: bool = False,
) -> Examined:
    """A spec with every mistake that was found in it; never raises for a user's mistake.

    source: a path, the bare name of a shipped spec, YAML text (a string with a line break), a mapping, an ArchSpec,
    a Loaded, or an OpenFile. sets: overrides such as `vars.num_classes=100`, `train.lr=0.1`. includes: further folders
    that it may read. input: another input shape (C, H, W), or shapes by input names. training: also check whether
    the network suits the data sets that its recipes name, as far as that is known without reading them.
    """
    options = Options(tuple(sets), tuple(map(Path, includes)), text_limits, _shapes(input))
    whole = source.data if isinstance(source, Loaded) else source
    loaded, program, errors = _load(whole, options, partial(_checked, limits=limits, training=training))
    found = partial(_placed, source)
    return Examined(
        loaded, found(errors.sorted()), found(in_order(errors.warnings)) if loaded is not None else (), program
    )


def _placed(source: Any, told: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """Diagnostics of a spec made in Python, those without a text at the lines that made what they are about."""
    if not told or not hasattr(source, "origins"):
        return told
    origins = source.origins()
    return in_order(d if d.span is not None else replace(d, span=nearest_span(origins, d.path)) for d in told)


def _shapes(given: Iterable[int] | Mapping[str, Iterable[int]] | None) -> InputShapes | None:
    if given is None:
        return None
    return {name: tuple(shape) for name, shape in given.items()} if isinstance(given, Mapping) else tuple(given)


def examine_library(
    source: Any, *, includes: Iterable[str | Path] = (), limits: Limits = LIMITS,
    text_limits: TextLimits = DEFAULT_LIMITS,
) -> Examined:
    """A library of blocks with every mistake that can be found without shapes: as in blocks that a spec never calls.

    source: as for `examine`. `loaded` stays None: a library has no network.
    """
    options = Options((), tuple(map(Path, includes)), text_limits)
    _, program, errors = _load(source, options, partial(_blocks_checked, limits=limits), library=True)
    return Examined(None, errors.sorted(), in_order(errors.warnings), program)


def analyze(source: Any, *, batch_size: int = 1, dtype: str = "float32", **options: Any) -> Report:
    """Shapes, parameters, MACs and activation memory of every layer, without torch. Takes what `load` takes."""
    loaded = load(source, **options)
    if (batch_size, dtype) == (1, "float32"):
        return loaded.report
    return cost_report(loaded.graph, batch_size=batch_size, dtype=dtype)


def build(
    source: Any, *, seed: int | None = None, optimize: Literal["inference"] | None = None, **options: Any
) -> nn.Module:
    """A new torch module of a spec, (N, C, H, W) → its output. Takes what `load` takes.

    Several inputs are arguments, in the order of the spec or by name. Several outputs come as a dict by name; outputs
    for training are computed in training mode only.

    seed: None draws from torch's global random state. The recipe's `init` is applied by the trainer, or by
    `archspec.backends.init.initialise`.
    optimize: "inference" folds batch norms into convolutions and fuses 1×1 convolutions of one value. The module gives
    what the other one gives in evaluation, up to rounding, and cannot train. Its `load_state_dict` takes the weights of
    a trained network as they are, and folds and fuses them.
    """
    graph = load(source, **options).graph
    if optimize not in (None, "inference"):
        raise ValueError(f'optimize must be "inference" or None, not {optimize!r}')
    model = _build(graph, seed)
    if optimize is None:
        return model
    from archspec.backends.optimized import optimized

    return optimized(graph, model)


def _build(graph: Graph, seed: int | None) -> nn.Module:
    from archspec.backends.torch import build as build_graph

    if seed is None:
        return build_graph(graph)
    from archspec.backends.init import initialise, seeded

    with seeded(seed):  # building draws numbers too, and the global state is left as it was
        model = build_graph(graph)
    initialise(model, "default", seed)
    return model


def _load(
    source: Any, options: Options, checked: Callable[[Program, Errors], T | None], *, library: bool = False
) -> tuple[T | None, Program | None, Errors]:
    """The result of `checked`, the syntax tree, and the mistakes; again with the ops of plugins if one is unknown."""
    before = generation()
    found = _load_once(source, options, checked, library=library)
    if any(d.code == "SPEC020" for d in found[2].found) and (OP_DOOR.discover() or generation() > before):
        return _load_once(source, options, checked, library=library)
    return found


def _load_once(
    source: Any, options: Options, checked: Callable[[Program, Errors], T | None], *, library: bool
) -> tuple[T | None, Program | None, Errors]:
    errors = Errors()
    program = None
    if isinstance(source, OpenFile):
        options = replace(options, texts=source.others)
    try:
        document, folder, root, stem = _document(source, options)
        loader = Loader(root, options, errors)
        program = loader.library(document, folder) if library else loader.program(document, folder, stem)
        return (None if program is None else checked(program, errors)), program, errors
    except TooManyErrors:
        return None, program, errors
    except SpecError as e:
        with suppress(TooManyErrors):
            errors.extend(e.diagnostics)
        return None, program, errors


def program_of(data: Mapping[str, Any]) -> Program:
    """The syntax tree of a spec's whole data, such as `Loaded.data`. Raises SpecError."""
    _, program, errors = _load(data, Options(), lambda program, _: program)
    errors.raise_any()
    assert program is not None
    return program


def _blocks_checked(program: Program, errors: Errors, *, limits: Limits) -> None:
    check_unused = check_names(program, errors)
    lower(program, errors, limits)
    check_unused()


def _checked(program: Program, errors: Errors, *, limits: Limits, training: bool) -> Loaded | None:
    check_unused = check_names(program, errors)
    lowered = lower(program, errors, limits)
    report = cost_report(lowered.graph) if lowered.graph is not None else None
    torn = any(d.code.startswith("SPEC00") for d in errors.found)  # some of the text was lost: counts mean nothing
    counted = None if torn or lowered.graph is None or report is None else (report, lowered.graph)
    _check_expect(program, lowered, counted, errors)
    recipes = _recipes(program, lowered, errors)
    check_unused()
    broken = any(d.code not in _EXPECTATIONS for d in errors.found)
    if training and (program.places["train"] or program.places["recipes"]):
        from archspec.data.suits import check_data_names, check_recipes

        check_data_names(program, lambda raw, at: lowered.evaluator.value(raw, at, lowered.scope, None), errors)
        if recipes and lowered.graph is not None:
            check_recipes(program, recipes, lowered.graph, errors)
    if broken or lowered.graph is None or report is None:
        return None
    return Loaded(
        program.name, program.description, resolved(program), lowered.graph, report, recipes, program.files, program
    )


def _document(source: Any, options: Options) -> tuple[Document, Path, Path, str]:
    """The text, the folder that its references start from, the folder tree that it may read, and a name."""
    here = Path.cwd()
    if hasattr(source, "to_data"):
        source = source.to_data()
    if isinstance(source, OpenFile):
        folder = source.path.parent
        return parse(source.text, str(source.path), options.limits), folder, folder, source.path.stem
    if isinstance(source, Mapping):
        return document_of(dict(source)), here, here, "network"
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"a spec is a path, a text, a mapping or an ArchSpec, not {type(source).__name__}")
    if isinstance(source, str) and "\n" in source:
        return parse(source, "<text>", options.limits), here, here, "network"
    path = Path(source)
    shipped = find_shipped(str(source)) if not os.path.lexists(path) else None
    if shipped is not None:
        root, path = shipped
        return read(path, options.limits), path.parent, root, path.stem
    try:
        return read(path, options.limits), path.parent, path.parent, path.stem
    except SpecError as problem:
        raise _with_shipped_name(problem, str(source), path) from None


def _shipped_with(recipe: str) -> str | None:
    """The shipped spec that has a recipe of that name."""
    return next((name for name in shipped_specs() if recipe in load(name).recipes), None)


def _with_shipped_name(problem: SpecError, name: str, path: Path) -> SpecError:
    """The error, where there is no such file: with a hint at the shipped spec that may be meant."""
    (first, *_) = problem.diagnostics
    if first.code != "SPEC001" or first.hint is not None or os.path.lexists(path):
        return problem
    from archspec.diagnostics import nearest
    from archspec.language.access import similar_file

    if path.suffix and (beside := similar_file(path)) is not None:
        folder = name[: len(name) - len(path.name)]
        return SpecError([replace(first, hint=beside.prefixed(folder).words())])
    known = {shipped.rpartition("/")[2]: shipped for shipped in shipped_specs()}
    close = nearest(path.stem, known)
    hint = "`archspec list specs` lists the specs shipped with archspec"
    if close and path.name == name:  # who names a folder wants a file of their own
        hint = f"write `{known[close]}` for the spec shipped with archspec; {hint}"
    elif name.startswith("folder:"):  # given where an option takes no data set, as to `validate --data`
        hint = f"expected a spec; `{shell('archspec', 'data', 'check', name)}` looks at a data set"
    return SpecError([replace(first, hint=hint)])


def _check_expect(
    program: Program, lowered: Lowered, counted: tuple[Report, Graph] | None, errors: Errors
) -> None:
    expect = {}
    for key, at in program.places["expect"].items():
        raw = program.data["expect"][key]
        value = lowered.evaluator.value(raw, at, lowered.scope, None)
        if not holds_unknown(value):
            parts = [(part, at / k) for k, part in enumerate(raw)] if isinstance(raw, list) else [(raw, at)]
            found = ((lowered.evaluator.without_dollar(part, lowered.scope), place) for part, place in parts)
            hints = (fixes.moved(hint, place) for hint, place in found if hint is not None)
            expect[key] = Expected(value, at, next(hints, None))
    stages = {} if errors.guesses else lowered.stages  # a network that was guessed is not held against what is expected
    check_expectations(expect, stages, tuple(program.stages), lowered.output, counted, errors)


def _recipes(program: Program, lowered: Lowered, errors: Errors) -> dict[str, Recipe]:
    if not program.places["train"] and not program.places["recipes"]:
        return {}
    from archspec.language.recipes import read_recipes

    def value(raw: Any, at: At) -> Any:
        return lowered.evaluator.value(raw, at, lowered.scope, None)

    return read_recipes(program, value, errors)
