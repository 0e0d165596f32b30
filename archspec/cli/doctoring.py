"""Options of `archspec train` for the doctor, which finds out why a network does not learn, and for the rate finder."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar, cast

import click

from archspec.cli.json_output import print_json
from archspec.cli.options import is_given

if TYPE_CHECKING:
    from archspec.api import Loaded
    from archspec.train.distributed.process_group import ProcessGroup
    from archspec.train.doctor import Doctor
    from archspec.train.setup import Task
    from archspec.train.summary import Summary

F = TypeVar("F", bound=Callable[..., Any])
_OF_RUNS: Final = {  # parameter of `train` → its option
    "tensorboard": "--tensorboard", "when": "--checkpoint-every", "keep": "--keep-checkpoints",
    "stop_after": "--stop-after-epochs", "stop_when_dead": "--stop-when-dead",
}


@dataclass(frozen=True, slots=True)
class Doctoring:
    """The doctor's options. find_lr: test rates instead of training."""

    on: bool
    stop: bool
    find_lr: bool
    trials: bool = True

    def check(self, *, resumed: bool, group: ProcessGroup | None) -> None:
        """Raise UsageError for options that contradict each other. group: the processes, if there are several."""
        if self.stop and not self.on:
            raise click.UsageError("--stop-when-dead needs the doctor: leave --no-doctor out")
        if self.find_lr and resumed:
            raise click.UsageError("--find-lr tests a fresh network: leave --resume out")
        if self.find_lr and (given := list(filter(is_given, _OF_RUNS))):
            raise click.UsageError(f"--find-lr does not train: leave {_OF_RUNS[given[0]]} out")
        if self.stop and group is not None and group.sharded:
            raise click.UsageError("--stop-when-dead needs the doctor, which is not supported with --fsdp")
        if self.find_lr and group is not None and not group.alone:
            raise click.UsageError("--find-lr runs in one process: leave torchrun out")

    def callbacks(self, folder: Path, loaded: Loaded, task: Task) -> list[Doctor]:
        """The doctor of a run in `folder`, on process 0 only. Empty without a doctor."""
        group = task.machine.group
        if not self.on or not group.leads or group.sharded:
            return []
        from archspec.train.doctor import Doctor
        from archspec.train.doctor.diagnosis import patient_of

        return [Doctor(stop=self.stop, folder=folder, patient=patient_of(loaded, task), trials=self.trials)]


@contextmanager
def name_tried_remedy(doctors: list[Doctor]) -> Iterator[None]:
    """Let the error that ends a run name the remedy that was tested, if there is one, and no other."""
    from archspec.diagnostics import SpecError

    try:
        yield
    except SpecError as problem:
        tried = [finding for doctor in doctors for finding in doctor.findings if finding.trials]
        if not tried or problem.diagnostics[0].code != "RUN310":
            raise
        first, *rest = problem.diagnostics
        raise SpecError([replace(first, hint=tried[-1].remedy), *rest]) from problem


def with_findings(summary: Summary, doctors: list[Doctor]) -> Summary:
    """The summary with the doctor's findings."""
    return replace(summary, findings=tuple(finding for doctor in doctors for finding in doctor.findings))


def find_rate(task: Task, path: Path, name: str, *, as_json: bool) -> None:
    """Run the rate-range test, print it, and write `rate_range.svg` and `rate_range.json` into the folder `path`."""
    from archspec.backends.fits import report_memory_shortage
    from archspec.train.lr_finder.chart import comparison, rate_chart, verdict
    from archspec.train.lr_finder.picture import PICTURE, draw_rate_range
    from archspec.train.lr_finder.range_test import far_rate, rate_range
    from archspec.train.run_dir.full_disk import save_text
    from archspec.train.step.deterministic import deterministic_kernels

    machine, rate = task.machine, task.recipe.lr
    kernels = deterministic_kernels(machine.settings, machine.device)
    with report_memory_shortage("the rate-range test"), kernels:
        test = rate_range(
            task.model, task.train, task.recipe, device=machine.device, settings=machine.settings,
            objective=task.objective,
        )
    finding = far_rate(test, rate)
    findings = [] if finding is None else [finding.to_json()]
    data = {"name": name, "recipe_lr": rate, **test.to_json(), "findings": findings, "run_dir": str(path)}
    text = json.dumps(data, indent=2, ensure_ascii=False)
    path.mkdir(parents=True, exist_ok=True)
    draw_rate_range(test, path / PICTURE, rate, name)
    save_text("the figures", path / "rate_range.json", text + "\n")
    if as_json:
        print_json(data)
        return
    click.echo(rate_chart(test, rate, ascii_only=not _can_show("⣿▲│─", sys.stdout)))
    click.echo(verdict(test))
    if (compared := comparison(test, rate)) is not None:
        click.echo(compared)
    if finding is not None:
        click.echo(finding.line())
    if scales := task.recipe.lr_scale:
        from archspec.diagnostics import listing

        factors = listing((f"`{part}` by {factor:g}" for part, factor in scales.items()), 6)
        click.echo(f"these are values of `lr`, which `lr_scale` multiplies in {factors}")
    click.echo(f"picture: {path / PICTURE}")


def _can_show(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def trials_option(*, default: bool) -> Callable[[F], F]:
    """The option whether the doctor tries its advice."""
    return click.option(
        "--trials/--no-trials", default=default, show_default=True,
        help="When a run ends badly, try the doctor's advice, for at most half a minute.",
    )


def doctor_options(function: F) -> F:
    """Add the options. The command gets them as one argument `doctoring: Doctoring`."""

    @wraps(function)
    def wrapped(*args: Any, doctor: bool, stop_when_dead: bool, find_lr: bool, trials: bool, **rest: Any) -> Any:
        return function(*args, doctoring=Doctoring(doctor, stop_when_dead, find_lr, trials), **rest)

    decorators = [
        click.option("--doctor/--no-doctor", default=True, show_default=True,
                     help="Watch the run, and report why the network does not learn."),
        click.option("--stop-when-dead", is_flag=True,
                     help="End the run with exit code 1 at a final verdict."),
        trials_option(default=True),
        click.option("--find-lr", is_flag=True,
                     help="Do not train: raise the rate over 100 steps of a copy, draw the loss, suggest a rate."),
    ]
    result: Any = wrapped
    for decorate in reversed(decorators):
        result = decorate(result)
    return cast("F", result)
