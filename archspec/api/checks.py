"""From a syntax tree to a network with costs and recipes, or to every mistake on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from archspec.analysis import Expected, Report, check_expectations, cost_report
from archspec.api.loaded import Loaded
from archspec.expressions import holds_unknown
from archspec.ir import Graph
from archspec.language import fixes
from archspec.language.check import check_names
from archspec.language.resolve import resolved
from archspec.language.syntax import At, Errors, Program
from archspec.lower import Limits, Lowered, lower

if TYPE_CHECKING:
    from archspec.language.recipe import Recipe

_EXPECTATIONS: Final = ("SHAPE110", "SHAPE111")  # the network is whole, but not the one that `expect` describes


def check_spec(program: Program, errors: Errors, *, limits: Limits, training: bool) -> Loaded | None:
    """The spec of a syntax tree; its mistakes go to `errors`. None if one of them is not about `expect` alone.

    training: also check whether the network suits the data sets that its recipes name.
    """
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
        outputs_known = not any(d.code == "SPEC049" for d in errors.found)
        if recipes and lowered.graph is not None and outputs_known:
            check_recipes(program, recipes, lowered.graph, errors)
    if broken or lowered.graph is None or report is None:
        return None
    return Loaded(
        program.name, program.description, resolved(program), lowered.graph, report, recipes, program.files, program
    )


def check_blocks(program: Program, errors: Errors, *, limits: Limits) -> None:
    """Check a library of blocks as far as it can be checked without shapes; its mistakes go to `errors`."""
    check_unused = check_names(program, errors)
    lower(program, errors, limits)
    check_unused()


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
