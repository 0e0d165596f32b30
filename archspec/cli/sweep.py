"""`archspec sweep`: run many trainings from one file, and show their table."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archspec.cli.console import print_diagnostics, tell
from archspec.cli.doctoring import trials_option
from archspec.cli.engines import Engines, engine_options
from archspec.cli.failures import WRONG
from archspec.cli.json_output import print_json
from archspec.cli.options import COUNT, SpecPath, json_option, plugin_option
from archspec.cli.seeds import Seeds, SeedsType
from archspec.cli.tuning import Computing, trial_computing_options
from archspec.diagnostics import plural
from archspec.plugins import named_options

if TYPE_CHECKING:
    from archspec.results.trials import Result, Store
    from archspec.sweep.expand import Expansion, Trial
    from archspec.sweep.model import Sweep
    from archspec.sweep.plan import Plan



@click.command("sweep")
@click.argument("file", type=SpecPath(), metavar="FILE|SPEC")
@click.option("--recipes", is_flag=True, help="The argument is a spec: train it with each of its recipes.")
@click.option("--seeds", type=SeedsType(), metavar=SeedsType.name, help="Seeds, instead of the sweep's own: 3, or "
                                                                        "0,1,5.")
@click.option("--dry-run", is_flag=True, help="Check and count the trials without training.")
@click.option("--dir", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="The sweep's folder; default runs/sweep-NAME.")
@engine_options
@click.option("--devices-per-trial", "devices", type=COUNT, metavar="N",
              help="Train each trial on N devices of one machine; default: the sweep's `devices`, or 1.")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Folder to search first for data sets.")
@trial_computing_options
@trials_option(default=False)
@click.option("--retry", is_flag=True, help="Also rerun trials that failed or were killed.")
@plugin_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, file: str, recipes: bool, seeds: Seeds | None, dry_run: bool, folder: Path | None,
    engines: Engines, devices: int | None, data_root: Path | None, computing: Computing, trials: bool, retry: bool,
    as_json: bool,
) -> None:
    """Run the trials of the sweep FILE that have no result yet, and show the table of all.

    A trial that fails is a row with its reason. Ctrl-C saves; the same command continues. Exit code 1: a trial has
    failed or cannot be trained.
    """
    from archspec.cli.stdin import STDIN
    from archspec.language.shipped import find_shipped
    from archspec.results.trials import Store
    from archspec.sweep.check import mistakes
    from archspec.sweep.expand import expand
    from archspec.sweep.read import read_sweep, recipes_of

    if file == STDIN:
        raise click.UsageError("a sweep continues from its file: name a file instead of standard input")
    if not recipes and not Path(file).exists() and find_shipped(file) is not None:
        raise click.UsageError(f"{file} is a spec, not a sweep; to train its recipes: archspec sweep {file} --recipes")
    sweep = recipes_of(file) if recipes else read_sweep(file)
    if seeds is not None and sweep.search is not None:
        raise click.UsageError("a search trains each point once: leave --seeds out")
    if seeds is not None:
        sweep = sweep.with_seeds(seeds.listed or tuple(range(seeds.count or 1)))
    if devices is not None:
        sweep = replace(sweep, devices=devices)
    computing.check_sweep(sweep.devices)
    found = expand(sweep, "" if recipes else file)
    store = Store(folder or folder_of(sweep))
    print_diagnostics(mistakes(found.invalid))
    engines.check(computing)
    options = _options(engines, data_root, computing, trials)
    if sweep.search is not None and not dry_run:
        ctx.exit(_search(sweep, file, found, store, engines, options, retry, as_json=as_json))
    if dry_run:
        planned = _show_plan(found, store, engines, options, as_json=as_json)
        if sweep.search is not None:
            from archspec.cli.searching import plan_text

            tell(plan_text(sweep.search, found.trials, planned))
        ctx.exit(WRONG if found.invalid else 0)
    stopped = _run(found.trials, store, options, engines, retry)
    results = store.results(trial.id for trial in found.trials)
    _show_results(found, results, store, as_json=as_json)
    left = len(found.trials) - len(results)
    if left:
        tell(f"stopped: {plural(left, 'trial')} left; the same command continues")
    if stopped:
        ctx.exit(130)
    if found.invalid or left or any(result.status != "done" for result in results.values()):
        ctx.exit(WRONG)


def _options(engines: Engines, data_root: Path | None, computing: Computing, trials: bool) -> list[str]:
    """The options of `archspec train` for every trial."""
    options = engines.train_options()
    options += [f"--data-root={data_root.absolute()}"] if data_root else []
    return [*options, *named_options(), "--trials" if trials else "--no-trials", *computing.arguments()]


def _search(
    sweep: Sweep, file: str, found: Expansion, store: Store, engines: Engines, options: Sequence[str], retry: bool, *,
    as_json: bool,
) -> int:
    """Run a search and show its result. Returns the exit code."""
    from archspec.cli.searching import run_search, search_text, show_search

    assert sweep.search is not None
    if not found.trials:
        return WRONG  # the diagnostics say why
    tell(search_text(sweep.search, found.trials))
    with engines.opened(found.trials) as engine:
        queue, stopped = run_search(sweep, file, store, engine, options, engines.device, retry=retry)
    show_search(queue, store, as_json=as_json)
    if stopped:
        tell("stopped: the same command continues")
        return 130
    return 0 if queue.winners() and not found.invalid else WRONG


def _run(trials: Sequence[Trial], store: Store, options: list[str], engines: Engines, retry: bool) -> bool:
    """Run the trials without a result. Returns whether the user stopped it."""
    from archspec.sweep.folders import is_due, strangers
    from archspec.sweep.interrupt import Interrupted
    from archspec.sweep.progress import Progress
    from archspec.sweep.runner import Runner

    with store.claimed():
        store.write_order({trial.id: trial.variant for trial in trials})
        print_diagnostics(warning for trial in trials for warning in strangers(store, trial))
        missing = [trial for trial in trials if is_due(store, trial, retry=retry)]
        if not missing:
            return False
        progress = Progress(len(trials), len(trials) - len(missing), sys.stderr)
        with engines.opened(missing) as engine, Interrupted() as interrupted:  # in this order: Ray handles signals too
            Runner(
                store, engine, options, on_start=progress.started, on_result=progress.ended,
                stopped=interrupted.stop_requested,
            ).run(missing)
            return interrupted.stop_requested()


def _show_plan(found: Expansion, store: Store, engines: Engines, options: Sequence[str], *, as_json: bool) -> Plan:
    from archspec.sweep.plan import plan
    from archspec.sweep.starts import measure_starts

    slots = engines.slots(found.trials)
    planned = plan(found, store, slots, engines.device, lambda trial: measure_starts(trial, options, slots.threads))
    if as_json:
        print_json(planned.to_json())
    else:
        click.echo(planned.text())
    return planned


def _show_results(found: Expansion, results: dict[str, Result], store: Store, *, as_json: bool) -> None:
    from archspec.cli.compare import print_comparison
    from archspec.results.compare import compare
    from archspec.results.formats import to_json
    from archspec.sweep.records import records_of

    comparison = compare(records_of(found.trials, results, store))
    if as_json:
        missing = [trial.id for trial in found.trials if trial.id not in results]
        about = {"folder": str(store.folder), "missing": missing, "trials": [asdict(r) for r in results.values()]}
        print_json(to_json(comparison) | about)
        return
    print_comparison(comparison)
    if any(result.status != "done" for result in results.values()):
        click.echo("--retry reruns trials that failed or were killed")
    click.echo(f"sweep folder: {store.folder}")


def folder_of(sweep: Sweep) -> Path:
    """The default folder of a sweep, without --dir."""
    return Path("runs") / f"sweep-{_safe(sweep.name)}"


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:80] or "sweep"
