"""`archspec diagnose`: why a run went badly, and which tested changes help."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from archspec.cli.console import tell
from archspec.cli.json_output import print_json
from archspec.cli.options import DEVICE, json_option, plugin_option
from archspec.cli.processes import alone

if TYPE_CHECKING:
    from archspec.train.doctor.diagnosis import Diagnosis

_UNITS: Final = {"": 1.0, "s": 1.0, "min": 60.0}


class Duration(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A time such as `60s`, `2min` or `90`, in seconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,3})?)\s*(s|min)?\s*", str(value))
        seconds = float(found[1]) * _UNITS[found[2] or ""] if found else 0.0
        if not seconds:
            self.fail(f"{value!r} is not a time above 0; write 60s or 2min", param, ctx)
        return seconds


@click.command("diagnose")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--budget", type=Duration(), default="60s", show_default=True, metavar="TIME",
              help="Total time for trying changes.")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Folder to search first for data sets; also $ARCHSPEC_DATA.")
@click.option("--device", default="auto", show_default=True, type=DEVICE, metavar=DEVICE.name,
              help="Where to compute.")
@plugin_option
@json_option
@alone
def command(run: Path, budget: float, data_root: Path | None, device: str, as_json: bool) -> None:
    """Diagnose the run in the folder RUN, and try remedies.

    Trains fresh networks from the run's own initial state for a few dozen steps, each with one change: rate, warm-up,
    initialisation, batch norm, weight decay, dropout. Also compares the training images with the
    evaluated ones. Prints the results. Does not change the run's folder.
    """
    from archspec.backends.denormals import denormals_flushed
    from archspec.backends.device import pick_device
    from archspec.backends.fits import report_memory_shortage
    from archspec.train.doctor.diagnosis import diagnose
    from archspec.train.run_dir.run_spec import load_run
    from archspec.train.run_dir.saved_options import earlier_choices
    from archspec.train.setup import Machine, prepare
    from archspec.train.step.precision import Settings, pick_precision

    loaded, noted, where = load_run(run), earlier_choices(run), pick_device(device)
    click.get_current_context().with_resource(denormals_flushed())
    machine = Machine(
        where, data_root, noted.get("limit_train"), noted.get("limit_test"), Settings(pick_precision("auto", where))
    )
    with report_memory_shortage("the diagnosis"):
        task = prepare(loaded.graph, loaded.recipe(), machine, progress=tell)
        try:
            result = diagnose(run, loaded, task, seconds=budget, tell=tell)
        finally:
            task.close()
    if as_json:
        print_json(result.to_json() | {"name": loaded.name, "run_dir": str(run)})
    else:
        click.echo(_text(result))


def _text(result: Diagnosis) -> str:
    from archspec.train.doctor import findings_text

    lines = [] if result.as_it_is is None else [f"tried: {result.as_it_is.line()}"]
    if result.findings:
        return "\n".join([*lines, findings_text(result.findings)])
    learns = result.as_it_is is not None and result.as_it_is.learnt
    return "\n".join([*lines, "nothing wrong was found" + (": the recipe learns" if learns else "")])
