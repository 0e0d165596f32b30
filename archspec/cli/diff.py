"""`archspec diff`: what changed between two specs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archspec.cli.console import result_console, tell
from archspec.cli.failures import WRONG
from archspec.cli.json_output import print_json
from archspec.cli.options import Assignment, ParamType, Reading, SpecPath, input_option, json_option, spec_options
from archspec.cli.static_options import check_precision, setting_options
from archspec.cli.stdin import STDIN, read_stdin

if TYPE_CHECKING:
    from archspec.difference import Condition, Difference
    from archspec.execution.setting import Precision
    from archspec.language.input_override import InputShapes


class ConditionText(ParamType):
    """`params > 1.05x`, parsed."""

    name = "CONDITION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Condition:
        """See click."""
        from archspec.difference import ConditionError, parse_condition

        try:
            return parse_condition(str(value))
        except ConditionError as problem:
            self.fail(str(problem), param, ctx)


@click.command("diff")
@click.argument("before", type=SpecPath(folders=True), metavar="A")
@click.argument("after", type=SpecPath(folders=True), required=False, metavar="[B]")
@click.option("--set-a", "sets_before", multiple=True, type=Assignment(), metavar="KEY=VALUE",
              help="Change a value of A; --set changes B. Repeatable.")
@click.option("--recipe", metavar="NAME", help="The recipe of B to compare, instead of `train`.")
@click.option("--recipe-a", "recipe_before", metavar="NAME", help="The recipe of A.")
@input_option
@click.option("--batch-size", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
              help="Images, for the figures.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True,
              help="Dtype of weights and activations.")
@setting_options
@click.option("--fail-if", "conditions", multiple=True, type=ConditionText(), metavar="CONDITION",
              help="Exit with code 1 if it holds: 'params > 1.05x', 'macs > 2G', 'macs > +5%', 'changes > 0'. "
                   "Repeatable.")
@click.option("--all", "everything", is_flag=True, help="List every change.")
@spec_options
@json_option
@click.pass_context
def command(
    ctx: click.Context, /, before: str, after: str | None, sets_before: tuple[str, ...], recipe: str | None,
    recipe_before: str | None, input_shape: InputShapes | None, batch_size: int, dtype: str,
    precision: Precision, channels_last: bool, optimizer: str | None, target: str | None,
    conditions: tuple[Condition, ...], everything: bool, reading: Reading, as_json: bool,
) -> None:
    """Show what changed from A to B: structure, shapes, parameters, MACs, memory and recipe.

    A and B are specs, shipped names, folders of runs, or - for standard input. Without B, A is compared with itself as
    changed by --set, --set-a, --recipe and --recipe-a.

    The layers are aligned by what they are and where: a renamed stage or an inserted layer is one change.
    Exit code 1 if a condition of --fail-if holds.
    """
    from archspec.difference import diff

    if before == after == STDIN:
        raise click.UsageError("only one spec can come from standard input", ctx)
    if after is None and not (reading.sets or sets_before or recipe or recipe_before):
        raise click.UsageError("name a second spec, or change the first one: --set vars.num_classes=100", ctx)
    check_precision(precision, dtype)
    options = reading.arguments()
    read_stdin((before, after), options["text_limits"])
    difference = diff(
        _source(before), None if after is None else _source(after), sets_before=sets_before, recipe=recipe,
        recipe_before=recipe_before, batch_size=batch_size, dtype=dtype, precision=precision,
        channels_last=channels_last, optimizer=optimizer, target=target, input=input_shape, **options,
    )
    holding = _holding(ctx, difference, conditions)
    if as_json:
        checked = {"conditions": [condition.to_json(difference) for condition in conditions]} if conditions else {}
        print_json({**difference.to_json(), **checked})
    else:
        from archspec.printing.difference import show

        show(difference, result_console(), everything=everything)
    for condition in holding:
        tell(f"error: --fail-if {condition.explanation(difference)}")
    if holding:
        ctx.exit(WRONG)


def _source(path: str) -> str | Path:
    """The spec that is named; of a run's folder its `spec.yaml`. Raises SpecError if a folder has no run."""
    folder = Path(path)
    if not folder.is_dir():
        return path
    from archspec.train.run_dir.run_spec import load_run

    load_run(folder)  # explains what is wrong with the folder
    return folder / "spec.yaml"


def _holding(ctx: click.Context, difference: Difference, conditions: tuple[Condition, ...]) -> list[Condition]:
    """The conditions that hold. Raises UsageError for a figure that the specs do not have."""
    from archspec.difference import ConditionError

    try:
        return [condition for condition in conditions if condition.holds(difference)]
    except ConditionError as problem:
        raise click.UsageError(f"--fail-if {problem}", ctx) from None
