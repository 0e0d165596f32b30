"""The command line: arguments, printing, exit codes. Each command has one file, which is imported on demand.

A command is a click command named `command` in its module. It prints results to stdout and everything else to
stderr. It raises SpecError for a user's mistake, and calls `ctx.exit(code)` if the exit code is not 0.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, NoReturn

import click

from archspec import __version__
from archspec.cli.console import tell
from archspec.cli.failures import USAGE, WRONG, exit_code_of
from archspec.cli.output_format import print_log
from archspec.cli.streams import CLOSED, flush_results, open_closed, tolerate_encodings

COMPLETE_VARIABLE: Final = "_ARCHSPEC_COMPLETE"

# name → (module of the command, one line of help); printing the list imports nothing
COMMANDS: Final = {
    "init": ("archspec.cli.init", "Write a small commented spec to start from."),
    "validate": ("archspec.cli.validate", "Check specs and report every mistake in them."),
    "fmt": ("archspec.cli.fmt", "Format spec and sweep files without changing their meaning."),
    "profile": ("archspec.cli.profile", "Show shapes, parameters, MACs and memory; time the network."),
    "calibrate": ("archspec.cli.calibrate", "Measure this machine, so that times can be predicted."),
    "diff": ("archspec.cli.diff", "Show what changed between two specs: structure, figures, recipe."),
    "show": ("archspec.cli.show", "Draw a network as SVG or as an HTML page."),
    "fit": ("archspec.cli.fit", "Say whether training fits into memory, the largest batch, what makes one fit."),
    "train": ("archspec.cli.train", "Train a network with its spec's recipe."),
    "evaluate": ("archspec.cli.evaluate", "Evaluate a trained network: accuracy per class, confusion matrix."),
    "diagnose": ("archspec.cli.diagnose", "Diagnose a run that went badly, and try remedies."),
    "sweep": ("archspec.cli.sweep", "Run the trainings of a sweep file, and compare them."),
    "population": ("archspec.cli.population", "Analyse the networks of a sweep: quantiles of their costs."),
    "compare": ("archspec.cli.compare", "Compare runs: group seeds, test differences."),
    "report": ("archspec.cli.report", "Write an HTML report: table, curves, settings, costs."),
    "runs": ("archspec.cli.runs", "List, filter, tag and remove the runs of a project."),
    "curves": ("archspec.cli.curves", "Draw the learning curves of runs."),
    "export": ("archspec.cli.export", "Write runs for TensorBoard, MLflow, trackio, wandb, or as CSV."),
    "predict": ("archspec.cli.predict", "Predict the classes of image files."),
    "weights": ("archspec.cli.weights", "List the tensors of a file of weights, and compare them with a spec."),
    "data": ("archspec.cli.data", "Check a data set, and list every unusable file."),
    "list": ("archspec.cli.listing", "List the shipped specs, the standard blocks, the ops and the devices."),
    "explain": ("archspec.cli.explain", "Explain a diagnostic, with a wrong and a right example."),
    "schema": ("archspec.cli.schema", "Print the JSON Schema of the language, for editors."),
    "lsp": ("archspec.cli.lsp", "Run the language server for editors."),
    "completion": ("archspec.cli.completion", "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which a new user needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module and return the command."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name != "validate":
            gc.enable()
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click's, with the nearest name for a misspelt command."""
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from archspec.diagnostics import nearest

            close = nearest(args[0], COMMANDS)
            raise click.UsageError(
                f"no command {args[0]!r}" + (f"; {close.words('')}" if close else ""), ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands for `--help`, from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete names of commands, without importing any."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(n, help=text) for n, (_, text) in COMMANDS.items() if n.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="A bare name, as in `archspec validate resnet18`, means a spec shipped with archspec.",
)
@click.version_option(__version__, prog_name="archspec", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Compile YAML descriptions of neural networks: shapes, costs, a torch.nn.Module, a trained model."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)


def run(arguments: Sequence[str]) -> int:
    """Run one command line, without the program's name; return the exit code."""
    tolerate_encodings()
    # Pydantic would search every installed package for plugins, which takes a tenth of the time of `validate`
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    meta: dict[str, Any] = {}
    try:
        with cli.make_context("archspec", list(arguments)) as context:
            meta = context.meta
            cli.invoke(context)
        print_log(meta)
        flush_results()
    except BaseException as exception:  # noqa: BLE001 - the one place that turns exceptions into messages
        return exit_code_of(exception, meta)
    return 0


def run_program() -> int:
    """The `archspec` program: run the command line of this process; return the exit code."""
    if not open_closed():
        tell(f"error: {CLOSED}", hint="redirect it, as in `>/dev/null`")
        return WRONG
    if instruction := os.environ.get(COMPLETE_VARIABLE):
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "archspec", COMPLETE_VARIABLE, instruction)
    code = run(sys.argv[1:])
    if not gc.isenabled():
        gc.freeze()  # at exit Python would collect once more, which takes a tenth of the time of `validate`
    return code


def main() -> NoReturn:
    """Run the program, and exit."""
    sys.exit(run_program())
