"""A training in its run folder: the loop with the callbacks of `archspec train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from archspec.backends.fits import report_memory_shortage
from archspec.ir.graph import Graph
from archspec.train.callbacks import Callback
from archspec.train.checkpoint.compatibility import conditions
from archspec.train.checkpoint.digest import spec_digest
from archspec.train.checkpoint.policy import FOLDER as CHECKPOINTS
from archspec.train.checkpoint.policy import KEEP, Checkpointer, Every
from archspec.train.checkpoint.resume import Resumption
from archspec.train.distributed.fsdp import Partner
from archspec.train.doctor import Doctor
from archspec.train.loop import fit
from archspec.train.report.final import FinalConfusion
from archspec.train.report.progress import display
from archspec.train.report.redraw import Redraw
from archspec.train.run_dir.directory import RunFolder
from archspec.train.run_dir.environment import environment
from archspec.train.run_dir.steps import StepLog
from archspec.train.run_dir.tensorboard import FOLDER as TENSORBOARD
from archspec.train.run_dir.tensorboard import Scalars
from archspec.train.setup import Task
from archspec.train.signals import Stop
from archspec.train.summary import Summary


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session saves and reports.

    stream: where to show progress. notify: shows a line to the user. every: when to save checkpoints. keep: how many
    to keep. allow_changes: resume even if spec, recipe or data have changed. stop_after: the number of epochs after
    which the run pauses.
    """

    stream: TextIO
    notify: Callable[[str], None]
    every: Every = field(default_factory=Every)
    keep: int = KEEP
    allow_changes: bool = False
    stop_after: int | None = None
    tensorboard: bool = False


class Session:
    """One run, new or resumed.

    name, graph: the network. text: its resolved spec, which is stored in the folder. doctors: diagnose the run.
    final: the confusion matrix of the finished network. checkpointer: knows the last checkpoint, however the run ends.
    Raises SpecError if `resumption` has another spec, recipe or environment.
    """

    def __init__(
        self, task: Task, path: Path, *, name: str, graph: Graph | None, text: str, options: SessionOptions,
        doctors: Sequence[Doctor] = (), resumption: Resumption | None = None, callbacks: Sequence[Callback] = (),
    ) -> None:
        self.task, self.path, self.name, self.doctors = task, path, name, doctors
        self._options, self._resumption, self._others = options, resumption, tuple(callbacks)
        for notice in task.notices:
            options.notify(f"note: {notice}")
        self._about = environment(task, graph)
        self.folder = RunFolder(path, spec=text, environment=self._about, resumed=resumption is not None)
        self.final = FinalConfusion(task.test, task.classes, name=name, folder=path)
        self.checkpointer = Checkpointer(
            path / CHECKPOINTS, conditions=conditions(self._about),
            digest="" if graph is None else spec_digest(graph, task.recipe),
            every=options.every, keep=options.keep, before_save=self.folder.check,
        )
        self._continue_from()

    def run(self, stop: Stop) -> Summary:
        """Train until the run ends or pauses. Raises the errors of `fit`, and SpecError BUILD201 if memory runs out."""
        task, found = self.task, None if self._resumption is None else self._resumption.found
        with report_memory_shortage("training"):
            return fit(
                task.model, task.train, task.test, task.recipe, validation=task.validation,
                device=task.machine.device, settings=task.machine.settings, callbacks=self._callbacks(),
                resume=None if found is None else found.saved, stop=stop, group=task.machine.group,
                stop_after=self._options.stop_after, objective=task.objective,
                samples=task.samples,
            )

    def _continue_from(self) -> None:
        """Check and report which checkpoint the run resumes from, and whether the result will be bitwise equal."""
        resumption, options = self._resumption, self._options
        if resumption is None:
            return
        changes = resumption.check_environment(self._about, strict=not options.allow_changes)
        for notice in [*resumption.notices(self.task.recipe.epochs), *changes]:
            options.notify(notice)
        if resumption.found is not None:
            self.checkpointer.goes_on_from(resumption.found)

    def _callbacks(self) -> tuple[Callback, ...]:
        """Rank 0 writes files and shows progress; with FSDP the other ranks help it to save."""
        group = self.task.machine.group
        if not group.leads:
            partners: tuple[Callback, ...] = (Partner(), self.checkpointer) if group.sharded else ()
            return (*partners, *self.doctors, self.final)
        steps = StepLog(self.path)
        boards = [Scalars(self.path / TENSORBOARD)] if self._options.tensorboard else []
        return (
            self.folder, self.checkpointer, display(self._options.stream), *self.doctors, self.final, *boards, steps,
            Redraw(self.path, self.name, steps, self.doctors), *self._others,
        )
