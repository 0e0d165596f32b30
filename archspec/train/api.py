"""`archspec.train` and `archspec.fit`: training from Python, on the loop of the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from torch import nn
from typing_extensions import override

from archspec.api import load
from archspec.backends.denormals import denormals_flushed
from archspec.backends.device import pick_device
from archspec.data.recipe_places import at_places
from archspec.data.registry import OWN_PREFIX
from archspec.diagnostics import error, listing
from archspec.diagnostics.python_values import written_in_python
from archspec.ir import Graph
from archspec.language.recipe import Recipe
from archspec.printing.shown import Shown
from archspec.text import parse_bytes
from archspec.train.callbacks import Callback
from archspec.train.chosen_recipe import base_fields, completed, resolved_text, validated
from archspec.train.doctor import Doctor
from archspec.train.doctor.finding import Finding
from archspec.train.fitting import fit_recipe
from archspec.train.loop import fit as fit_loop
from archspec.train.own.batches import is_map_style
from archspec.train.own.task import OwnData, OwnObjective, own_task
from archspec.train.report.progress import display
from archspec.train.run_dir.directory import check_free
from archspec.train.run_dir.run_spec import comment_without_spec
from archspec.train.scores import SCORES
from archspec.train.session import Session, SessionOptions
from archspec.train.setup import Machine, Task, prepare
from archspec.train.signals import Stop
from archspec.train.step.precision import Settings, pick_precision
from archspec.train.summary import EpochResult, Summary

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Trained(Shown):
    """The result of `train` and `fit`. It prints its epochs and the summary; a notebook also draws the curves.

    model: the trained network; with averaged weights if the recipe has `ema`. summary: the results, as the command line
    prints them. recipe: of the run. run_dir: None if there is none.
    """

    model: nn.Module
    summary: Summary
    recipe: Recipe
    run_dir: Path | None = None

    @override
    def show(self, console: Console) -> None:
        """The epochs, and the summary that `archspec train` prints."""
        from archspec.train.report.run_table import show_run
        from archspec.train.report.table import summary_text

        folder = [] if self.run_dir is None else [f"run folder: {self.run_dir}"]
        show_run(console, f"a run on {self.recipe.data}", self.history, self.summary.criterion,
                 [summary_text(self.summary), *folder])

    @override
    def pictures(self) -> list[str]:
        """The learning curves."""
        from archspec.train.report.run_table import curves

        return curves(f"a run on {self.recipe.data}", self.history)

    @property
    def history(self) -> tuple[EpochResult, ...]:
        """The figures of each epoch."""
        return self.summary.epochs

    @property
    def metrics(self) -> dict[str, float]:
        """Loss and metrics of the final weights on the test data, by name."""
        return self.summary.test_figures() or self.summary.last.evaluated()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of the doctor."""
        return self.summary.findings


@dataclass(frozen=True, slots=True)
class _How:
    """How a run is followed and recorded.

    doctor: whether to diagnose it. graph: None for a module. text: for the `spec.yaml` of the run folder.
    """

    callbacks: Sequence[Callback]
    run_dir: Path | None
    doctor: bool
    progress: bool
    name: str
    graph: Graph | None
    text: str


def train(
    spec: Any,
    train: Any = None,
    test: Any = None,
    *,
    validation: Any = None,
    loss: Any = None,
    metric: str | None = None,
    callbacks: Sequence[Callback] = (),
    recipe: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    fit: str | int | None = None,
    run_dir: str | Path | None = None,
    workers: int | None = None,
    steps_per_epoch: int | None = None,
    data_root: str | Path | None = None,
    limit_train: int | None = None,
    limit_test: int | None = None,
    doctor: bool = True,
    progress: bool = True,
    sets: Sequence[str] = (),
    input: Sequence[int] | None = None,
    **fields: Any,
) -> Trained:
    """Train the network of a spec with its recipe, on the data set of the recipe or on your own data.

    spec: a path, the name of a shipped spec, YAML text, a mapping, an `ArchSpec` or a result of `load`. sets, input:
    see `load`. recipe: the name of one of the spec's `recipes`, instead of `train`. fields: fields of the recipe to
    change, such as `epochs=5`; None removes one.
    train, test, validation: each a torch Dataset, a DataLoader or an iterable of batches; without them the recipe's
    `data` is used. `validation` may also be a share or a number, as in a recipe. A batch is a tuple (inputs, targets),
    or a mapping with the network's inputs as keys, and the targets. steps_per_epoch: for data without a length.
    loss: as in a recipe; or a function (outputs, targets) → mean loss; or a mapping from outputs to these. metric: for
    a loss function, `accuracy`, `f1` or `mae`.
    fit: memory, such as `8GiB`: changes the recipe so that a step fits into it, as `archspec train --fit` does.
    callbacks: follow the run. run_dir: a new folder for metrics, checkpoints and weights; with None nothing is written.
    doctor: whether to diagnose the run. progress: whether to show progress on stderr.
    A run on the recipe's data set is bitwise equal to that of `archspec train`.
    Raises SpecError for mistakes in the spec, the recipe and the data; BUILD201 if nothing makes a step fit.
    """
    if train is not None:
        fields = {"data": f"{OWN_PREFIX}{type(train).__name__}", **fields}
    loaded = load(spec, sets=completed(sets, fields), input=input)
    fields, own = _with_loss(_with_share(fields, validation), loss, metric)
    machine = _machine(device, precision, data_root, limit_train, limit_test, workers)
    if train is None:
        _check_builtin(test, own, steps_per_epoch)
    base = base_fields(loaded, recipe, fields)
    with written_in_python():
        chosen = validated(base, fields, _OPTIONS)
    chosen, changes = _fitted(loaded.graph, train, chosen, machine, fit, progress=progress)
    if train is None:
        make = partial(prepare, loaded.graph, chosen, machine, progress=_tell(progress=progress))
    else:
        held = None if _is_share(validation) else validation
        data = OwnData(train, test, held, workers or 0, steps_per_epoch)
        make = partial(own_task, loaded.graph, chosen, machine, data, own)
    text = resolved_text(loaded, recipe, _plain(fields) | changes, chosen)
    how = _How(callbacks, None if run_dir is None else Path(run_dir), doctor, progress, loaded.name, loaded.graph, text)

    def placed() -> Task:
        with at_places(loaded, recipe):
            return make()

    return _run(placed, machine, how)


def fit(
    model: nn.Module | Graph,
    train: Any,
    test: Any,
    *,
    validation: Any = None,
    loss: Any = "cross_entropy",
    metric: str | None = None,
    callbacks: Sequence[Callback] = (),
    device: str = "auto",
    precision: str = "auto",
    fit: str | int | None = None,
    run_dir: str | Path | None = None,
    name: str | None = None,
    workers: int = 0,
    steps_per_epoch: int | None = None,
    doctor: bool = True,
    progress: bool = True,
    **fields: Any,
) -> Trained:
    """Train any torch module, or a graph such as `archspec.load(spec).graph`, on your own data.

    model: a module is trained in place; a graph is built and initialised by the recipe's `init` and `seed`.
    fields: the fields of a recipe; `lr` is required. name: of the run. The other arguments are those of `train`; `fit`
    needs a graph. Raises SpecError for mistakes in the recipe and the data.
    """
    if not isinstance(model, nn.Module | Graph):
        got = type(model).__name__  # type: ignore[unreachable]
        raise TypeError(f"fit takes a torch module or a graph, not {got}; for a spec use archspec.train")
    fields, own = _with_loss(_with_share(fields, validation), loss, metric)
    with written_in_python():
        chosen = validated({}, {"data": f"{OWN_PREFIX}{type(train).__name__}", **fields}, _OPTIONS)
    machine = _machine(device, precision, None, None, None, workers)
    chosen, _ = _fitted(model, train, chosen, machine, fit, progress=progress)
    held = None if _is_share(validation) else validation
    data = OwnData(train, test, held, workers, steps_per_epoch)
    graph = model if isinstance(model, Graph) else None
    label = name or (graph.label if graph is not None else type(model).__name__) or "network"
    text = comment_without_spec(label)
    how = _How(callbacks, None if run_dir is None else Path(run_dir), doctor, progress, label, graph, text)
    return _run(lambda: own_task(model, chosen, machine, data, own), machine, how)


def _run(make: Callable[[], Task], machine: Machine, how: _How) -> Trained:
    """Prepare and run a task, in a run folder if there is one."""
    if how.run_dir is not None:
        check_free(how.run_dir)
    with ExitStack() as stack:
        stack.enter_context(denormals_flushed())
        task = make()
        stack.callback(task.close)
        doctors = [Doctor(folder=how.run_dir)] if how.doctor else []
        averaged = _Averaged()
        if how.run_dir is not None:
            stream = sys.stderr if how.progress else stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            summary = _session(task, how, doctors, averaged, stream)
        else:
            shown = [display(sys.stderr)] if how.progress else []
            for notice in task.notices if how.progress else ():
                print(f"note: {notice}", file=sys.stderr)
            summary = fit_loop(
                task.model, task.train, task.test, task.recipe, validation=task.validation, device=machine.device,
                settings=machine.settings, callbacks=(*shown, *doctors, averaged, *how.callbacks), stop=Stop(),
                objective=task.objective, samples=task.samples,
            )
    found = tuple(finding for doctor in doctors for finding in doctor.findings)
    return Trained(averaged.model or task.model, replace(summary, findings=found), task.recipe, how.run_dir)


def _session(
    task: Task, how: _How, doctors: Sequence[Doctor], averaged: Callback, stream: TextIO
) -> Summary:
    assert how.run_dir is not None
    options = SessionOptions(stream, lambda text: print(text, file=stream))
    session = Session(
        task, how.run_dir, name=how.name, graph=how.graph, text=how.text, options=options, doctors=doctors,
        callbacks=(averaged, *how.callbacks),
    )
    return session.run(Stop())


def _fitted(
    network: nn.Module | Graph, data: Any, recipe: Recipe, machine: Machine, memory: str | int | None, *, progress: bool
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe with which a step fits into `memory`, and its changes; the recipe itself without a limit.

    data: for training, or None for that of the recipe. Raises SpecError RUN322 for batches, whose size is their own.
    """
    if memory is None:
        return recipe, {}
    if data is not None and not is_map_style(data):
        raise error("RUN322", "`fit` chooses the batch size, and these batches have their own",
                    hint="pass a Dataset, or leave `fit` out")
    if not isinstance(network, Graph):
        raise TypeError("`fit` needs a network that archspec knows: pass a graph, such as archspec.load(spec).graph")
    recipe, fitting = fit_recipe(network, recipe, machine, parse_bytes(memory) if isinstance(memory, str) else memory)
    if progress:
        print(fitting.text, file=sys.stderr)
    return recipe, fitting.changes


_OPTIONS: Final = (
    "metric", "callbacks", "device", "precision", "fit", "run_dir", "workers", "steps_per_epoch", "progress",
)


class _Averaged(Callback):
    """Keeps the evaluated network, which has averaged weights if the recipe has `ema`."""

    model: nn.Module | None = None

    def on_start(self, run: Any) -> None:
        """Keep the network, which exists from the start."""
        self.model = run.state.eval_model


def _machine(
    device: str, precision: str, root: str | Path | None, limit_train: int | None, limit_test: int | None,
    workers: int | None,
) -> Machine:
    where = pick_device(device)
    settings = Settings(pick_precision(precision, where))
    return Machine(where, None if root is None else Path(root), limit_train, limit_test, settings, workers=workers)


def _is_share(validation: Any) -> bool:
    return isinstance(validation, int | float | str)


def _with_share(fields: Mapping[str, Any], validation: Any) -> dict[str, Any]:
    return {**fields, "validation": validation} if _is_share(validation) else dict(fields)


def _with_loss(fields: dict[str, Any], loss: Any, metric: str | None) -> tuple[dict[str, Any], OwnObjective]:
    """The fields of the recipe with the losses that are not functions, and the loss functions."""
    if metric is not None and metric not in SCORES:
        raise error("RUN323", f"there is no metric `{metric}`", hint=f"its metrics are {listing(SCORES)}")
    if callable(loss):
        return fields, OwnObjective({"": loss}, metric)
    functions = {name: own for name, own in loss.items() if callable(own)} if isinstance(loss, Mapping) else {}
    if metric is not None and not functions:
        raise error("RUN323", "`metric` goes with a loss function; a named loss has its own", hint="remove `metric`")
    if loss is None:
        return fields, OwnObjective({})
    named = {k: "cross_entropy" if k in functions else v for k, v in loss.items()} if functions else loss
    return {**fields, "loss": named}, OwnObjective(functions, metric)


def _check_builtin(test: Any, own: OwnObjective, steps: int | None) -> None:
    """Raise SpecError RUN322 for arguments that need your own data."""
    if test is not None:
        raise error("RUN322", "there is test data and no train data", hint="pass `train` too, or neither")
    if own.functions or steps is not None:
        what = "a loss function" if own.functions else "`steps_per_epoch`"
        raise error("RUN322", f"{what} goes with data of your own", hint="pass `train` and `test`")


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields in the form that a spec can have."""
    return {key: value.to_data() if hasattr(value, "to_data") else value for key, value in fields.items()}


def _tell(*, progress: bool) -> Callable[[str], None] | None:
    return (lambda text: print(text, file=sys.stderr)) if progress else None
