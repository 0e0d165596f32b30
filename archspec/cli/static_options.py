"""The options of static figures: precision, layout, optimizer and device, as a setting of `archspec.execution`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

import click

from archspec.cli.stdin import read_stdin

if TYPE_CHECKING:
    from archspec.analysis import Report
    from archspec.analysis.resources import Resources
    from archspec.analysis.timing import Predicted
    from archspec.api import Loaded
    from archspec.api.examination import Examined
    from archspec.api.run_cost import RunCost
    from archspec.cli.options import Reading
    from archspec.execution import Optimizer, Setting
    from archspec.language.input_override import InputShapes
    from archspec.language.recipe import Recipe

F = TypeVar("F", bound=Callable[..., Any])
_NEEDED: Final = {"data": "digits", "lr": "0.1"}  # what a recipe cannot lack


def setting_options(function: F) -> F:
    """Add `--precision`, `--channels-last`, `--optimizer` and `--target`."""
    target = click.option("--target", metavar="DEVICE|FILE", help="A device, such as h200 (`archspec list devices`), "
                          "a file of one, or `here`: this machine, calibrated; default: a CPU.")
    return arithmetic_options(target(function))


def arithmetic_options(function: F) -> F:
    """Add `--precision`, `--channels-last` and `--optimizer`."""
    decorators = [
        click.option("--precision", type=click.Choice(["fp32", "tf32", "bf16", "fp16"]), default="fp32",
                     show_default=True, help="Of training: bf16 and fp16 as torch's autocast computes them."),
        click.option("--channels-last", is_flag=True, help="Images and weights in NHWC order."),
        click.option("--optimizer", type=click.Choice(["sgd", "adam", "adamw"]),
                     help="Of training steps; default: the recipe's, or sgd. Its fields: --set train.momentum=0.9."),
    ]
    result: Any = function
    for decorate in reversed(decorators):
        result = decorate(result)
    return cast("F", result)


class Chosen(NamedTuple):
    """A spec with its mistakes, and the optimizer of its training.

    overrides: what `--set train.…` makes of no recipe, with the fields that it sets; None if the spec has a recipe.
    """

    found: Examined
    optimizer: Optimizer
    overrides: Recipe | None


def examine_with_optimizer(
    spec: str, reading: Reading, shape: InputShapes | None, kind: str | None, recipe_name: str | None = None,
    fields: Collection[str] | None = None,
) -> Chosen:
    """A spec with its mistakes, and the optimizer of its training: of `kind`, of its recipe with overrides, or SGD.

    Overrides may name the optimizer of a spec without a recipe. recipe_name: a recipe instead of `train`; SpecError if
    there is no such recipe. fields: what overrides of a spec without a recipe may name; by default any of a recipe's.
    """
    from archspec.api import examine
    from archspec.api.capacity import chosen_optimizer, chosen_recipe
    from archspec.train.chosen_recipe import completed

    changes = _training_changes(reading.sets)
    sets = completed(reading.sets, {"optimizer": kind} if kind else {})
    arguments = reading._replace(sets=sets).arguments()
    read_stdin([spec], arguments["text_limits"])
    found, overrides = examine(spec, input=shape, **arguments), None
    if found.loaded is None and changes:
        others = tuple(text for text in reading.sets if not text.startswith("train."))
        without = examine(spec, input=shape, **{**arguments, "sets": others})
        if without.loaded is not None and "train" not in without.loaded.recipes:
            needed = tuple(f"train.{field}={value}" for field, value in _NEEDED.items() if field not in changes)
            whole = examine(spec, input=shape, **{**arguments, "sets": (*sets, *needed)})
            if whole.loaded is None:  # not only incomplete
                found = whole
            elif fields is None or changes.keys() <= set(fields):
                found, overrides = without, whole.loaded.recipes["train"]
    recipe = overrides if found.loaded is None or overrides is not None else chosen_recipe(found.loaded, recipe_name)
    return Chosen(found, chosen_optimizer(kind, recipe), overrides)


def _training_changes(sets: tuple[str, ...]) -> dict[str, str]:
    """The fields of `train` that overrides set, as texts."""
    pairs = (text.partition("=") for text in sets if text.startswith("train."))
    return {key.removeprefix("train.").strip(): value.strip() for key, _, value in pairs}


def chosen_setting(
    batch_size: int, dtype: str, precision: str, *, channels_last: bool, optimizer: Optimizer, target: str | None
) -> Setting:
    """The setting of a simulation. Raises SpecError as `archspec.devices.targets.target_kind` does, and UsageError."""
    from archspec.devices.targets import target_kind
    from archspec.execution import Setting

    check_precision(precision, dtype)
    return Setting(
        batch_size=batch_size, precision=cast("Any", precision), channels_last=channels_last,
        target=target_kind(target), optimizer=optimizer, dtype=dtype,
    )


def check_precision(precision: str, dtype: str) -> None:
    """Raise UsageError for autocast over weights that are not float32."""
    from archspec.execution.setting import LOW

    if precision in LOW and dtype != "float32":
        raise click.UsageError(f"--precision {precision} is autocast over float32 weights: leave out --dtype {dtype}, "
                               "or --precision")


def predicted_times(found: Resources, target: str | None) -> Predicted | None:
    """The times of both passes on the target; None without a target on a CPU that is not calibrated."""
    from archspec.analysis.timing import predict_times
    from archspec.devices.targets import time_model

    model = time_model(target)
    return None if model is None else predict_times(found, model)


def predicted_run(
    loaded: Loaded, recipe_name: str | None, setting: Setting, found: Resources, target: str | None
) -> RunCost | None:
    """What the recipe's run takes on the target; None without a recipe, a known device or something to train."""
    from archspec.api.capacity import chosen_recipe
    from archspec.api.run_cost import run_cost
    from archspec.data.recipe_places import at_places
    from archspec.devices.targets import time_model

    recipe, model = chosen_recipe(loaded, recipe_name), time_model(target)
    if recipe is None or model is None or found.training is None:
        return None
    with at_places(loaded, recipe_name):
        return run_cost(loaded.graph, recipe, setting, model)


def static_json(
    report: Report, found: Resources, times: Predicted | None, run: RunCost | None = None
) -> dict[str, Any]:
    """The report, with memory and traffic of the layers, and times where a device is known.

    found: of `resources(…, by_layer=True)`.
    `rest` is what belongs to no layer: the loss, the optimizer, the inputs. With it the layers add up to the totals.
    """
    from archspec.execution.execute import LOSS

    data = report.to_json()

    def figures(path: str) -> dict[str, Any]:
        return found.layer(path) | ({} if times is None else times.layer(path))

    data["totals"] |= found.totals()
    if times is not None:
        data["totals"] |= times.totals()
    if run is not None:
        data["run"] = run.to_json()
    for layer in data["layers"]:
        layer.update(figures(layer["path"]))
    data["rest"] = {key: value for key, value in figures(LOSS).items() if key in data["totals"] and key != "intensity"}
    return data
