"""The doctor as a callback: when to measure, what to remember, what to report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from archspec.data.nested import Nested, each, joined, part, size
from archspec.diagnostics import SpecError
from archspec.standard_json import json_text
from archspec.train.callbacks import Callback
from archspec.train.doctor.clock import Clock
from archspec.train.doctor.constant import constant_loss, is_plain
from archspec.train.doctor.finding import FINDINGS_FORMAT, Finding
from archspec.train.doctor.gaps import suspicious
from archspec.train.doctor.history import History
from archspec.train.doctor.measure import Probe, first_batch, input_figures
from archspec.train.doctor.memory import data_of, recall, series_of
from archspec.train.doctor.patient import Patient, facts_of
from archspec.train.doctor.seal import may_be_sealed, sealed
from archspec.train.doctor.second_look import IMAGES, contrast, modes, shared
from archspec.train.doctor.verdicts import Message, Verdicts
from archspec.train.run import Run
from archspec.train.run_dir.full_disk import save_text, warn_write_failures

if TYPE_CHECKING:
    from pydantic import JsonValue

EVERY: Final = 50  # steps between two measurements, after the first 32 steps
EARLY: Final = frozenset({1, 2, 4, 8, 16, 32})
FEWEST_TARGETS: Final = 200  # fewer say too little of the loss of a constant answer
MOST_LABELS: Final = 50_000  # to count; enough to know the frequency of each class


class Doctor(Callback):
    """Measures inside the network at steps 1, 2, 4, … 32 and at every 50th step, and reports each problem once.

    A measurement costs one wait for the device, a copy of the weights and a pass over the activations; other steps
    cost nothing. The results of the run are the same with and without the doctor. Its state is part of checkpoints, so
    it continues in a resumed run.

    stop: end the run with SpecError at a final verdict. folder: where `findings.json` is written at the end of the
    run, if the folder exists. patient: needed to compare the splits if the figures of an epoch call for it. trials:
    also try changes on new networks if the run ends badly.
    """

    def __init__(
        self, *, stop: bool = False, folder: Path | None = None, patient: Patient | None = None, trials: bool = False
    ) -> None:
        self._stop, self._folder, self._patient = stop, folder, patient
        self._trials = trials and patient is not None
        self._targets: list[Nested] = []  # of a loss other than a plain cross entropy, on the CPU
        self._verdicts = Verdicts()
        self._probe: Probe | None = None
        self._run: Run | None = None
        self._seen_targets = 0
        self._labels: list[Tensor] = []  # on the device, of the steps since the last measurement
        self._history = History(lr=0.0)
        self._clock = Clock()

    @property
    def findings(self) -> list[Finding]:
        """The findings so far."""
        return self._verdicts.findings

    def on_start(self, run: Run) -> None:
        """Start a history, or continue the one in the checkpoint, and attach a probe to the first step."""
        recipe, state = run.recipe, run.state
        begin = state.step - state.position  # the checkpoint holds the figures of an unfinished pass
        self._run = run
        graph = None if self._patient is None else self._patient.graph
        self._history = History(
            recipe.lr, recipe.optimizer, recipe.init.start, state.steps_per_epoch, run.total_steps, begin,
            facts_of(state.model, recipe, graph),
        )
        self._history.plain, self._history.classifies = is_plain(run.objective), run.objective.classifies
        self._trials = self._trials and self._history.plain
        state.keep("doctor", self)
        self._probe = Probe(state.model)
        self._clock.start(state.step)

    def on_step(self, run: Run) -> None:
        """Read the measurements of this step, and attach a probe to the next if it is due."""
        if not self._history.plain:
            self._collect(run)
        elif not self._history.all_labels and self._history.labels.total() < MOST_LABELS and run.batch.y.ndim == 1:
            self._labels.append(run.batch.y)
        if self._probe is not None:
            probe, self._probe = self._probe, None
            self._look(run, probe)
            patient = self._patient if self._history.plain else None
            if patient is not None and may_be_sealed(self._history, run) and sealed(run, patient.train):
                self._history.sealed = run.state.step
            self._report(run, self._verdicts.examine(self._history))
        if due(run.state.step + 1):
            self._probe = Probe(run.state.model)

    def on_epoch(self, run: Run) -> None:
        """Read the last steps of the pass and its result, and measure more if the figures call for it."""
        self._catch_up(run)
        self._history.end_epoch(run.state.results[-1])
        epoch = run.state.epoch
        if suspicious(self._history) and (epoch & (epoch - 1) == 0 or epoch == run.recipe.epochs):
            self._look_again(run)
        self._report(run, self._verdicts.examine(self._history))

    def on_finish(self, run: Run) -> None:
        """Report the final verdicts."""
        if self._history.epochs and suspicious(self._history):
            self._look_again(run)
        if self._patient is not None:
            self._history.shared = shared(self._patient.train, self._patient.evaluated)
        self._report(run, self._verdicts.at_the_end(self._history))

    def on_stop(self, run: Run) -> None:
        """Do no trials, so that the program ends soon."""
        self._trials = False

    def on_end(self, run: Run) -> None:
        """Report on the last steps of an interrupted run, try changes, and write the findings."""
        if self._probe is not None:
            self._probe.remove()
        with suppress(RuntimeError, SpecError):  # the device has failed, or the stop was already reported
            self._catch_up(run)
            self._report(run, self._verdicts.examine(self._history))
        if self._trials and self._patient is not None:
            with suppress(RuntimeError):
                self._try(run, self._patient)
        if self._folder is not None and run.owns_folder and self._folder.is_dir():
            with warn_write_failures(run):
                write_findings(self.findings, self._folder / "findings.json")

    def tensors(self) -> dict[str, Tensor]:
        """The series of steps, for a checkpoint."""
        if self._run is not None:
            self._catch_up(self._run)
        return series_of(self._history)

    def data(self) -> JsonValue:
        """The rest of the state, for a checkpoint."""
        return data_of(self._history, self.findings)

    def restore(self, tensors: Mapping[str, Tensor], data: JsonValue) -> None:
        """Restore the state of a checkpoint; data of another version is ignored, and the doctor starts anew."""
        with suppress(ValueError):
            self._verdicts.findings = recall(self._history, tensors, data)

    def _look(self, run: Run, probe: Probe) -> None:
        """Read all measurements of a step with a single wait for the device."""
        images = run.batch.x
        inside = probe.figures(run.state.model, part(images, 0, run.state.micro_batch))  # more at once would not fit
        first = self._history.inputs is None and isinstance(images, Tensor) and len(images) > 0
        first = first and images.is_floating_point()
        inputs = input_figures(images) if first else []
        rows, sizes = self._unread(run)
        numbers = torch.cat([*(f.float().reshape(1) for f in (*inside, *inputs)), rows]).tolist()
        begin, end = len(inside), len(inside) + len(inputs)
        if first:
            self._history.inputs = first_batch(run.state.step, len(images), numbers[begin:end])
        self._append(numbers[end:], sizes)
        self._history.add_sample(probe.sample(run.state.step, run.rate_at(run.state.step - 1), numbers[:begin]))

    def _unread(self, run: Run) -> tuple[Tensor, list[int]]:
        """Losses, hits and labels of the steps that the history lacks, in one tensor on the device; their sizes."""
        meter = run.state.meter
        known = max(0, self._history.step - meter.first)
        rows = meter.tensors()
        labels, self._labels = self._labels, []
        hits = rows["hits"] if self._history.classifies else torch.zeros_like(rows["hits"])
        parts = [rows["losses"][known:], hits[known:], *labels]
        return torch.cat([part.float() for part in parts]), meter.sizes[known:]

    def _collect(self, run: Run) -> None:
        """Keep the step's targets, and know the loss of a constant answer when the steps are enough."""
        if self._seen_targets >= MOST_LABELS:
            return
        self._targets.append(each(lambda tensor: tensor.detach().cpu(), run.batch.y))
        self._seen_targets += size(run.batch.y)
        if due(run.state.step) and self._seen_targets >= FEWEST_TARGETS:
            self._history.constant = constant_loss(run.objective, joined(self._targets))

    def _catch_up(self, run: Run) -> None:
        if hasattr(run.state, "meter"):
            rows, sizes = self._unread(run)
            self._append(rows.tolist(), sizes)

    def _append(self, numbers: list[float], sizes: list[int]) -> None:
        steps = len(sizes)
        self._history.add_steps(numbers[:steps], map(int, numbers[steps : 2 * steps]), sizes)
        self._history.labels.update(map(int, numbers[2 * steps :]))

    def _look_again(self, run: Run) -> None:
        """Measure the modes of the network and compare the splits, at the end of an epoch."""
        if self._history.modes is not None and self._history.modes.step == run.state.step:
            return
        patient = self._patient if self._history.plain else None
        if patient is None or run.runtime.group.sharded or not hasattr(run, "batch") or len(run.batch.y) < 2:
            return  # a run that was resumed after the last step of an epoch has no batch
        with suppress(RuntimeError, SpecError):  # memory is short, or the data cannot be read again
            self._history.modes = modes(run, run.batch, patient.evaluated.some(2 * IMAGES))
            self._history.contrast = contrast(patient.train, patient.evaluated, patient.split)

    def _try(self, run: Run, patient: Patient) -> None:
        """Try changes if the run ended badly, and report the final verdict."""
        from archspec.train.doctor.consult import consult  # here, because it imports the loop

        seconds = self._clock.allowance(run.state.step, run.total_steps)
        finding = consult(patient, self._history, self._verdicts, seconds=seconds)
        if finding is not None:
            lines = [finding.line(), *(f"  {line}" for line in finding.tried())]
            self._report(run, [Message(line, None) for line in lines])

    def _report(self, run: Run, messages: Iterable[Message]) -> None:
        for text, finding in messages:
            if self._stop and finding is not None and finding.final:
                raise SpecError([finding.diagnostic()])
            run.notify(text)


def due(step: int) -> bool:
    """Whether to measure at this step, counted from 1."""
    return step in EARLY or step % EVERY == 0


def write_findings(findings: list[Finding], path: Path) -> None:
    """Write the findings as JSON. Raises SpecError RUN313."""
    data = {"format": FINDINGS_FORMAT, "findings": [finding.to_json() for finding in findings]}
    save_text("the findings", path, json_text(data, indent=2) + "\n")
