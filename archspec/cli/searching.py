"""`archspec sweep` for a sweep file with a `search`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from archspec.cli.console import print_diagnostics, result_console, tell
from archspec.cli.json_output import print_json
from archspec.diagnostics import plural
from archspec.text import duration_text

if TYPE_CHECKING:
    from rich.console import Console

    from archspec.results.trials import Result, Store
    from archspec.sweep.engine import Engine
    from archspec.sweep.expand import Trial
    from archspec.sweep.model import Sweep
    from archspec.sweep.plan import Plan
    from archspec.sweep.search.costs import Costs
    from archspec.sweep.search.model import Search
    from archspec.sweep.search.queue import SearchQueue
    from archspec.sweep.search.ranking import Ranking

_SHOWN = 30  # the most rows of the table; the JSON has all


def search_text(search: Search, trials: Sequence[Trial]) -> str:
    """A description of a search. trials: some of its possible trials."""
    from archspec.sweep.search.asha import Ladder

    text = f"search: {plural(search.trials, 'trial')}, sampler {search.sampler}"
    if not trials:
        return text
    recipe = trials[0].recipe
    if search.asha is not None:
        ladder = Ladder.of(search.asha, recipe.epochs)
        text += (f"; rungs after {', '.join(map(str, ladder.rungs))} epochs: about "
                 f"{ladder.expected_epochs(search.trials):,} epochs instead of {search.trials * recipe.epochs:,}")
    return (f"{text}\nchoices are made on a validation set (`validation: {recipe.validation}`); the test set is "
            f"evaluated once, by {'the winner' if len(search.objective) == 1 else 'the trials of the Pareto front'}")


def plan_text(search: Search, trials: Sequence[Trial], planned: Plan) -> str:
    """The description with the predicted time. planned: the plan of these trials, each with all its epochs."""
    from archspec.sweep.search.asha import Ladder

    text = search_text(search, trials)
    if planned.seconds is None or not trials or planned.done:
        return text
    share = search.trials / len(trials)
    if search.asha is not None:
        epochs = trials[0].recipe.epochs
        share = Ladder.of(search.asha, epochs).expected_epochs(search.trials) / (len(trials) * epochs)
    return (
        f"{text}\nthe search: about {duration_text(planned.seconds * share)}, estimated from these "
        f"{plural(len(trials), 'point')}"
    )


def run_search(
    sweep: Sweep, file: str, store: Store, engine: Engine, options: Sequence[str], device: str, *, retry: bool
) -> tuple[SearchQueue, bool]:
    """Run the rest of a search. Returns its queue, and whether the user stopped it."""
    from archspec.sweep.folders import is_due, strangers
    from archspec.sweep.interrupt import Interrupted
    from archspec.sweep.runner import Runner
    from archspec.sweep.search.candidates import Candidates
    from archspec.sweep.search.queue import SearchQueue
    from archspec.sweep.search.samplers import sampler_of

    def known(trial: Trial) -> Result | None:
        print_diagnostics(strangers(store, trial))
        result = store.result(trial.id)
        counts = result is not None and (result.status == "paused" or not is_due(store, trial, retry=retry))
        return result if counts else None

    assert sweep.search is not None
    sampler = sampler_of(sweep.search)
    with store.claimed(), Interrupted() as interrupted:
        costs = _costs(sweep.search, store, device, engine.threads)
        queue = SearchQueue(Candidates(sweep, file, costs), sampler, store.folder, known)

        def ended(result: Result) -> None:
            store.write_order({trial.id: trial.variant for trial in queue.trials.values()})
            print(progress_line(queue, result), file=sys.stderr, flush=True)

        Runner(store, engine, options, on_result=ended, stopped=interrupted.stop_requested).run_queue(queue)
        return queue, interrupted.stop_requested()


def _costs(search: Search, store: Store, device: str, threads: int) -> Costs:
    """The costs that the search uses. If they include time, stderr says what is measured and where."""
    from archspec.sweep.search.costs import Costs
    from archspec.sweep.search.times import Times

    if "milliseconds" not in (*search.constraints, *search.objective):
        return Costs()
    times = Times(store.folder, device, threads)
    tell(f"milliseconds: a forward pass of one image on {times.device}, {plural(threads, 'thread')}; "
         "measured once for each network, before its trial starts")
    return Costs(times)


def progress_line(queue: SearchQueue, result: Result) -> str:
    """`[3/60] lenet train.lr 0.1: 3 epochs, validation accuracy 0.8123, 12 s`."""
    from archspec.results.formats import value_text
    from archspec.sweep.search.scores import figure

    values = ", ".join(f"{key} {value_text(value)}" for key, value in result.varied.items())
    name = queue.search.objective[0]
    value, rows = figure(result, name), (result.summary or {}).get("epochs", ())
    if result.summary is None:
        what = f"{result.status}: {result.reason}"
    else:
        what = plural(len(rows), "epoch") + ("" if value is None else f", {name.replace('_', ' ')} {value:.4f}")
        if result.status == "done" and result.summary.get("test"):
            what += f"; chosen: test accuracy {result.summary['test']['accuracy']:.4f}"
    done = f"[{len(queue.results)}/{queue.search.trials}]"
    return f"{done} {result.variant} {values}: {what}, {duration_text(result.seconds)}"


def show_search(queue: SearchQueue, store: Store, *, as_json: bool) -> None:
    """Print the result of a search."""
    from archspec.sweep.search.ranking import ranking

    found = ranking(queue)
    if as_json:
        about = {"folder": str(store.folder), "finished": queue.finished()}
        print_json(found.to_json() | about)
        return
    print_table(found, result_console())
    click.echo(f"{found.text()}\nsweep folder: {store.folder}")
    if len(queue.trials) < queue.search.trials and queue.finished():
        tell(f"note: no other point of the space meets the constraints: {len(queue.trials)} of "
             f"{plural(queue.search.trials, 'trial')}")
    if len(found.rows) > _SHOWN:
        tell(f"note: {plural(len(found.rows) - _SHOWN, 'more trial')} not shown: add --json for all")


def print_table(found: Ranking, console: Console) -> None:
    """Print the trials, the best first; what a terminal has no room for is named below."""
    from rich.table import Table
    from rich.text import Text

    from archspec.printing.columns import WORDS, Column, add_columns, fitting, of_values, padding
    from archspec.printing.plain import show_lines
    from archspec.results.formats import value_text

    keys = list(dict.fromkeys(key for row in found.rows for key in row.varied))
    rows = []
    for row in found.rows[:_SHOWN]:
        figures = [_number(row.figures.get(name)) for name in found.objective]
        test = "" if row.test is None else f"{row.test['accuracy']:.4f}"
        status = found.winner_name if row.winner else "" if row.status == "paused" else row.reason or row.status
        values = [value_text(row.varied[key]) if key in row.varied else "" for key in keys]
        rows.append([*values, f"{row.epochs} of {row.of}", *figures, test, value_text(status)])
    objectives = [name.replace("validation_", "validation ") for name in found.objective]
    heads = [*keys, "epochs", *objectives, "test accuracy"]
    texts = list(zip(*rows, strict=True)) or [()] * (len(heads) + 1)
    columns = [*map(of_values, heads, texts), Column("status", texts[-1], WORDS)]
    first = len(keys) + 1  # of the objectives, which matter most
    ranked = [*range(first, len(heads) - 1), *range(len(keys)), len(heads), len(heads) - 1, first - 1]
    shown = fitting(columns, ranked, console.width)
    table = Table(box=None, pad_edge=False, padding=padding(columns, console.width))
    add_columns(table, columns, shown)
    for cells in rows:
        table.add_row(*(Text(cells[k]) for k in shown))
    console.print(table)
    if rest := [column.head for k, column in enumerate(columns) if k not in shown]:
        show_lines(console, f"no room for {'; '.join(rest)} (`--json` has all)")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.4f}"
