"""Checks that a network matches the data set of its recipe, as far as possible without reading the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from archspec.analysis import check_learns, lone_value, squashing_end
from archspec.data.outputs import WrongLoss, check_for_classes, losses_of, no_classifier
from archspec.data.plan import ImageShape, InputPlan, WrongNormalisation, check_classes, plan
from archspec.data.registry import OWN_PREFIX, TABLE_PREFIX, DatasetInfo, check_name
from archspec.diagnostics import Hint, SpecError, error, listing, plural
from archspec.diagnostics.hints import SetInput, SetOutputs
from archspec.ir import Graph
from archspec.language import fixes
from archspec.language.finetuning import parts_of
from archspec.language.outputs import read_outputs
from archspec.language.recipe import Recipe
from archspec.language.syntax import At, Body, Errors, Layer, Program
from archspec.ops import OPS
from archspec.ops.traits import Projects
from archspec.types import INTEGERS

if TYPE_CHECKING:
    from archspec.analysis.parts import PartProblem


def check_recipes(program: Program, recipes: Mapping[str, Recipe], graph: Graph, errors: Errors) -> None:
    """Report, at its place, whatever would prevent the recipes of a spec from training its network.

    recipes: "train" is the default. Errors: BUILD203, BUILD204, RUN303, RUN304, RUN311, SPEC063; warnings: SPEC061,
    SPEC062, SPEC064.
    """
    section = "train" if "train" in recipes else "recipes"
    top = program.tops[section]
    try:
        outputs = outputs_of(graph)
    except SpecError as e:
        if not [name for name, recipe in recipes.items() if _loss_is_wrong(program, name, recipe, graph, errors)]:
            _note(e, top.key if top.path else top, errors)
        return
    _check_end(program, graph, recipes, errors)
    try:
        check_learns(graph)
    except SpecError as e:
        _note(e, top.key if top.path else top, errors)
    lone = lone_value(graph, 1, training=True)
    reported: set[PartProblem] = set()
    for name, recipe in recipes.items():
        places = places_of(program, name)
        if lone is not None and recipe.batch_size == 1 and "batch_size" in places:
            errors.add("BUILD203", f"`{lone}` has one value per channel in a batch of 1, which has no variance",
                       places["batch_size"], hint=Hint("set batch_size to 2 or more", "2"))
        _check_parts(recipe, graph, places, reported, errors)
        _loss_is_wrong(program, name, recipe, graph, errors)
        own = [places[key] for key in ("data", "normalize") if key in places]
        if own:
            _check_data(program, recipe, graph, outputs, own[0], own[-1], errors)


def _loss_is_wrong(program: Program, name: str, recipe: Recipe, graph: Graph, errors: Errors) -> bool:
    """Report a loss, of the recipe itself, that suits neither the outputs nor the data; whether it does not."""
    places = places_of(program, name)
    if not any(key in places for key in ("loss", "data")):
        return False
    try:
        losses = losses_of(recipe, graph)
        if not recipe.data.startswith((TABLE_PREFIX, OWN_PREFIX)):
            check_for_classes(recipe.data, losses, graph)
    except SpecError as e:
        top = program.tops["train" if program.places["train"] else "recipes"]
        at = top if isinstance(e, WrongLoss) or not top.path else top.key
        _note(e, places.get("loss", program.places["train"].get("loss", at)), errors)
        return True
    return False


def _check_parts(
    recipe: Recipe, graph: Graph, places: Mapping[str, At], reported: set[PartProblem], errors: Errors
) -> None:
    """Report the parts in `freeze`, `lr_scale` and `recompute` that the network does not have.

    reported: the problems of other recipes so far.
    """
    own = [places[key] for key in ("freeze", "lr_scale", "recompute") if key in places]
    if not own:
        return
    from archspec.analysis.parts import part_problems  # few recipes need it

    for problem in part_problems(graph, recipe):
        if problem not in reported:
            reported.add(problem)
            at, key = place_of(problem.part, places.get(problem.field, own[0]))
            written = at.path[-1] if key else at.value()
            hint = problem.hint if written == problem.part else problem.hint and str(problem.hint)  # not of a range
            errors.add(problem.code, problem.message, at, key=key, hint=hint)
    if "freeze" in places:
        _check_trained(recipe, graph, places["freeze"], errors)


def _check_trained(recipe: Recipe, graph: Graph, freeze: At, errors: Errors) -> None:
    """Warn of frozen parts that keep random weights."""
    from archspec.analysis.parts import untrained_parts, untrained_text

    for part in untrained_parts(graph, recipe):
        at, _ = place_of(part, freeze)
        errors.add("SPEC064", untrained_text([part]), at,
                   hint="add trained weights to start from, `init: {from: SOURCE}`, or remove it from `freeze`")


def place_of(part: str, at: At) -> tuple[At, bool]:
    """The place of a part, or its range, in the value at `at`, or `at` itself; and whether that place is a key."""
    raw = at.value()
    if isinstance(raw, dict) and part in raw:
        return at / part, True
    if isinstance(raw, list):
        index = next((k for k, name in enumerate(raw) if part in parts_of(name)), None)
        return (at, False) if index is None else (at / index, False)
    return at, False


def check_data_names(program: Program, value: Callable[[Any, At], Any], errors: Errors) -> None:
    """Report every name in `data` that is not a data set, even if the spec has other errors.

    value: evaluates a raw value.
    """
    sections = [(program.data.get("train"), program.places["train"])]
    for name, at in program.places["recipes"].items():
        sections.append((program.data["recipes"][name], {"data": at / "data"}))
    for raw, places in sections:
        data = value(raw["data"], places["data"]) if isinstance(raw, dict) and "data" in raw else None
        if isinstance(data, str) and data:
            try:
                check_name(data)
            except SpecError as e:
                _note(e, places["data"], errors)


def places_of(program: Program, name: str) -> Mapping[str, At]:
    """The places of the fields that a recipe sets itself."""
    if name == "train":
        return program.places["train"]
    at = program.places["recipes"][name]
    return {key: at / key for key in program.data["recipes"][name]}


def _check_data(
    program: Program, recipe: Recipe, graph: Graph, outputs: int, at: At, normalize: At, errors: Errors
) -> None:
    try:
        info = check_known_data(recipe, image_shape_of(graph), outputs)
    except SpecError as e:
        _note(e, normalize if isinstance(e, WrongNormalisation) else at, errors, program)
        return
    if info is not None:
        for notice in idle_outputs(info.name, info.num_classes, outputs):
            errors.add("SPEC062", notice, at, hint=_as_edit(SetOutputs(info.num_classes), program))


def _note(e: SpecError, at: At, errors: Errors, program: Program | None = None) -> None:
    for d in e.diagnostics:
        hint = d.hint if program is None else _as_edit(d.hint, program)
        if isinstance(hint, Hint) and hint.own and not _is_word(at.value()):  # the edit would replace more than a name
            hint = str(hint)
        errors.add(d.code, d.message, at, notes=d.notes, hint=hint)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and "$" not in value


def _as_edit(hint: str | None, program: Program) -> str | None:
    """A remedy for a data set as an edit of the network's input or last layer; None if it is not such an edit."""
    match hint:
        case SetInput():
            return fixes.moved(Hint(str(hint), str(list(hint.shape))), program.input[1])
        case SetOutputs():
            last = _last_layer(program)
            op = None if last is None or last.kind is None else OPS.get(last.kind)
            width = None if op is None or op.trait(Projects) is None else op.channels_field()
            if last is not None and op is not None and width is not None:
                return fixes.moved(fixes.field(str(hint), last.at, width, str(hint.outputs), op.main), last.at)
    return hint


def _end(program: Program) -> Body:
    """The stage that is the first output in evaluation."""
    outputs = read_outputs(program, Errors())
    return program.stages[next(name for name, training in outputs.items() if not training)]


def _last_layer(program: Program) -> Layer | None:
    """The last layer of the network, unless it is in a block."""
    body = _end(program)
    last = body.layers[-1] if body.layers else None
    while last is not None and last.body is not None and last.body.layers:
        last = last.body.layers[-1]
    return last


def probabilities(graph: Graph, recipe: Recipe) -> list[str]:
    """A notice if the network ends in probabilities, and its loss takes logits."""
    op, loss = squashing_end(graph), next(iter(recipe.loss.values()))
    if op is None or not loss.labelled:
        return []
    return [f"`{op}` ends the network, but its loss, {loss.kind.replace('_', ' ')}, takes logits"]


def _check_end(program: Program, graph: Graph, recipes: Mapping[str, Recipe], errors: Errors) -> None:
    body, op = _end(program), squashing_end(graph)
    last = _last_layer(program)
    at = last.head if last is not None and last.kind == op else body.at.key
    for notice in dict.fromkeys(notice for recipe in recipes.values() for notice in probabilities(graph, recipe)):
        errors.add("SPEC061", notice, at, hint=fixes.removed(f"remove `{op}`", last.place if last else at))


def check_known_data(
    recipe: Recipe, input_shape: tuple[int, ...], outputs: int, *, trained: bool = False
) -> DatasetInfo | None:
    """What is known of the recipe's data set, which suits the network; None for a folder, which is not looked into.

    trained: the network cannot be changed any more.

    Errors: RUN303, RUN304, RUN370.
    """
    info = check_name(recipe.data)
    if info is not None:
        check_classes(info.name, info.num_classes, outputs, trained=trained)
        input_plan(info.name, (info.channels, info.height, info.width), input_shape, recipe)
        if isinstance(recipe.validation, int):
            from archspec.data.validation import held_out_images  # few recipes need it

            share, more = divmod(info.train_size, info.num_classes)
            held_out_images([share + (k < more) for k in range(info.num_classes)], recipe.validation)
    return info


def image_shape_of(graph: Graph) -> tuple[int, ...]:
    """The shape of the network's only input, without the batch. Raises SpecError RUN303 where it has others."""
    if len(graph.inputs) > 1:
        names = listing(port.name for port in graph.inputs)
        raise error("RUN303", f"a data set of images has one input, this network has {len(graph.inputs)}: {names}",
                    hint="train it from Python with a data set of your own: `archspec.train`")
    if graph.input.dtype in INTEGERS:
        raise error("RUN303", f"a data set has images, the network's input `{graph.inputs[0].name}` holds integers",
                    hint="train it from Python with a data set of your own: `archspec.train`")
    return graph.input.shape[1:]


def outputs_of(graph: Graph) -> int:
    """How many classes the network can tell apart. Raises SpecError RUN311 where it is not a classifier."""
    shape = graph.first_output.shape
    if len(shape) != 2:
        raise no_classifier(shape)
    return shape[1]


def input_plan(name: str, shape: ImageShape, input_shape: tuple[int, ...], recipe: Recipe) -> InputPlan:
    """How images of the data set `name` become the network's input, normalised as the recipe says. Errors: RUN303."""
    normalize = recipe.normalize
    if normalize is None:
        return plan(name, shape, input_shape)
    return plan(name, shape, input_shape, mean=normalize.mean, std=normalize.std)


def idle_outputs(name: str, num_classes: int, outputs: int) -> list[str]:
    """A notice if the network has more `outputs` than the data set has classes."""
    if num_classes >= outputs:
        return []
    classes = plural(num_classes, "class")
    return [f"{name} has {classes}, but the network has {plural(outputs, 'output')}: the rest are unused"]
