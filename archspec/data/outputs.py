"""Assigns a loss to each output of a network, and checks that they match; does not import torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from archspec.diagnostics import Hint, SpecError, error, listing
from archspec.diagnostics.hints import SetOutputs
from archspec.ir import Graph
from archspec.language.loss import ONLY, AnyLoss, takes_classes
from archspec.language.recipe import Recipe
from archspec.text import shape_text
from archspec.types import TensorType

_OWN_DATA: Final = "train it from Python with a data set of your own: `archspec.train`"


class WrongLoss(SpecError):
    """The `loss` of a recipe does not match the network or the data."""


def output_types(graph: Graph) -> dict[str, TensorType]:
    """The outputs by their names: those of evaluation first, then those of training only."""
    ports = sorted(graph.outputs, key=lambda port: port.training)
    return {port.name: port.type for port in ports}


def losses_of(recipe: Recipe, graph: Graph) -> dict[str, AnyLoss]:
    """The loss of each output, by name; the metrics of the first output decide which epoch is best.

    Errors: RUN326 if an output has no loss or a loss has no output, RUN323 if the class weights of a loss do not match
    the classes of its output.
    """
    types = output_types(graph)
    if recipe.loss.keys() == {ONLY} and len(types) == 1:
        found = {next(iter(types)): recipe.loss[ONLY]}
    else:
        _check_names(recipe.loss, types)
        found = {name: recipe.loss[name] for name in types}
    for name, loss in found.items():
        _check_class_weights(name, loss, types[name])
    return found


def _check_names(losses: Mapping[str, AnyLoss], outputs: Mapping[str, TensorType]) -> None:
    unknown = [name for name in losses if name not in outputs]
    missing = [name for name in outputs if name not in losses]
    example = ", ".join(f"{name}: {losses[name].kind if name in losses else _usual(x)}" for name, x in outputs.items())
    hint = f"write a loss for each: `loss: {{{example}}}`"
    if losses.keys() == {ONLY}:
        several = f"{len(outputs)} outputs ({listing(outputs)})"
        raise _wrong("RUN326", f"the network has {several}, the recipe one loss", hint)
    if unknown:
        raise _wrong("RUN326", f"`loss` names {listing(unknown)}, the network's outputs are {listing(outputs)}", hint)
    if missing:
        raise _wrong("RUN326", f"`loss` has none for the output {listing(missing)}", hint)


def _usual(output: TensorType) -> str:
    """The loss that an output most likely has: of numbers for classes, or of anything else."""
    return "cross_entropy" if len(output.shape) == 2 and output.shape[1] != 1 else "mse"

def _check_class_weights(name: str, loss: AnyLoss, output: TensorType) -> None:
    weights = getattr(loss, "class_weights", None)
    if not isinstance(weights, tuple) or len(output.shape) < 2 or len(weights) == output.shape[1]:
        return
    raise _wrong("RUN323", f"`class_weights` has {len(weights)} numbers, the output `{name}` has {output.shape[1]}",
                 "write one number for each of the output's channels, or `balanced`")


def no_classifier(shape: tuple[int, ...]) -> SpecError:
    """RUN311: an output of this shape, with its batch, does not tell classes apart."""
    return error(
        "RUN311", f"a classifier outputs one number for each class, this network outputs {shape_text(shape[1:])}",
        hint=f"end it with `global_avg_pool2d`, `flatten` and `linear`, or {_OWN_DATA}",
    )


def check_for_classes(data: str, losses: Mapping[str, AnyLoss], graph: Graph) -> None:
    """Raise SpecError RUN323 or RUN311 if an output or its loss does not suit a data set with classes."""
    types = output_types(graph)
    for name, loss in losses.items():
        if not takes_classes(loss):
            message = f"the images of {data} have classes, which {loss.kind} does not take"
            if len(types[name].shape) != 2:
                raise _wrong("RUN323", message, f"{_OWN_DATA}; its targets have the output's shape")
            remedy = "use cross_entropy, or data with other targets: `data: table:FILE.csv`"
            raise _wrong("RUN323", message, Hint(remedy, "cross_entropy") if len(losses) == 1 else remedy)
        if len(types[name].shape) != 2:
            raise no_classifier(types[name].shape)


def check_for_targets(data: str, losses: Mapping[str, AnyLoss], graph: Graph, targets: Sequence[str]) -> None:
    """Raise SpecError RUN323 where an output does not have one number for each target of a table.

    targets: the names of the classes, or of the columns.
    """
    types = output_types(graph)
    for name, loss in losses.items():
        shape = types[name].shape
        wanted, found = len(targets), shape[1] if len(shape) == 2 else None
        if found == wanted or (found is not None and found > wanted and takes_classes(loss)):
            continue
        what = "classes" if takes_classes(loss) else "targets"
        raise _wrong("RUN323", f"{data} has {wanted} {what} ({listing(targets, 6)}), the network's output `{name}` is "
                     f"{shape_text(shape)}", SetOutputs(wanted))


def _wrong(code: str, message: str, hint: str) -> WrongLoss:
    return WrongLoss(error(code, message, hint=hint).diagnostics)
