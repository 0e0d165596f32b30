"""The watcher: when to look, what to remember, whom to tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from archspec.diagnostics import SpecError
from archspec.train.doctor.ending import ends_at_chance
from archspec.train.doctor.finding import FINDINGS_FORMAT, Finding
from archspec.train.doctor.fitting import overfits
from archspec.train.doctor.history import History
from archspec.train.doctor.inputs import broken_inputs, one_class
from archspec.train.doctor.measure import Probe, first_batch, input_figures
from archspec.train.doctor.memory import data_of, recall, series_of
from archspec.train.doctor.stuck import learns_nothing
from archspec.train.doctor.trouble import blows_up, collapses, diverges, learns_again, not_finite
from archspec.train.full_disk import save_text, warn_write_failures
from archspec.train.run import Run, Watcher

if TYPE_CHECKING:
    from pydantic import JsonValue

EVERY: Final = 50  # steps between two looks, after the first 32 steps
EARLY: Final = frozenset({1, 2, 4, 8, 16, 32})
MOST_LABELS: Final = 50_000  # that are counted: enough to know how common each class is

# Verdicts on how the run as a whole goes: while one holds, the others would say it again.
FATAL: Final = frozenset({f"RUN{number}" for number in range(340, 348)})
HAD_LEARNT: Final = frozenset({"RUN346", "RUN347"})
RULES: Final[tuple[Callable[[History], Finding | None], ...]] = (
    broken_inputs, one_class, not_finite, collapses, learns_nothing, diverges, blows_up, overfits,
)


class Doctor(Watcher):
    """Looks into the network at steps 1, 2, 4, … 32, and every 50th, and says what is wrong, each thing once.

    A look costs one wait for the device, a copy of the weights and a pass over the activations; between two
    of them there is no cost. The run's numbers are the same with and without it. A resumed run's doctor
    remembers what it saw and said.

    stop: end the run, by SpecError, at a verdict that is final. folder: where `findings.json` is written at
    the run's end, if the folder exists.
    """

    def __init__(self, *, stop: bool = False, folder: Path | None = None) -> None:
        self.findings: list[Finding] = []
        self._stop, self._folder = stop, folder
        self._probe: Probe | None = None
        self._run: Run | None = None
        self._labels: list[Tensor] = []  # of the steps since the last look on the device
        self._history = History(lr=0.0)

    def on_start(self, run: Run) -> None:
        """Begin a history, or go on with that of the checkpoint, and attach to the first step."""
        recipe = run.recipe
        begin = run.step - run.position  # a pass that was broken off brings its meter along
        self._run = run
        self._history = History(
            recipe.lr, recipe.optimizer, recipe.init.weights, run.steps_per_epoch, run.total_steps, begin
        )
        run.keep("doctor", self)
        self._probe = Probe(run.model)

    def on_step(self, run: Run) -> None:
        """Read what was measured in this step; attach to the next if that is due."""
        if not self._history.all_labels and self._history.labels.total() < MOST_LABELS:
            self._labels.append(run.batch.y)
        if self._probe is not None:
            probe, self._probe = self._probe, None
            self._look(run, probe)
            self._examine(run)
        if due(run.step + 1):
            self._probe = Probe(run.model)

    def on_epoch(self, run: Run) -> None:
        """Read the pass's last steps and its result."""
        self._catch_up(run)
        self._history.end_epoch(run.results[-1])
        self._examine(run)

    def on_finish(self, run: Run) -> None:
        """Say so where the run ends at chance, and nothing else was said of it."""
        finding = ends_at_chance(self._history)
        if finding is not None and all(other.until is not None for other in self.findings):
            self.findings.append(finding)
            run.tell(finding.line())

    def on_end(self, run: Run) -> None:
        """Say what a run came to that was cut short, and write the findings."""
        if self._probe is not None:
            self._probe.remove()
        with suppress(RuntimeError, SpecError):  # a device that has failed; a stop that has been told
            self._catch_up(run)
            self._examine(run)
        if self._folder is not None and run.owns_folder and self._folder.is_dir():
            with warn_write_failures(run):
                write_findings(self.findings, self._folder / "findings.json")

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint: the series of steps."""
        if self._run is not None:
            self._catch_up(self._run)
        return series_of(self._history)

    def data(self) -> JsonValue:
        """For a checkpoint: the rest."""
        return data_of(self._history, self.findings)

    def restore(self, tensors: Mapping[str, Tensor], data: JsonValue) -> None:
        """Remember; what another version wrote is left alone, and the watch begins anew."""
        with suppress(ValueError):
            self.findings = recall(self._history, tensors, data)

    def _look(self, run: Run, probe: Probe) -> None:
        """One wait for the device, for everything."""
        images = run.batch.x
        inside = probe.figures(run.model, images[: run.micro_batch])  # more at once have no room
        first = self._history.inputs is None and len(images) > 0
        inputs = input_figures(images) if first else []
        rows, sizes = self._unread(run)
        numbers = torch.cat([*(f.float().reshape(1) for f in (*inside, *inputs)), rows]).tolist()
        begin, end = len(inside), len(inside) + len(inputs)
        if first:
            self._history.inputs = first_batch(run.step, len(images), numbers[begin:end])
        self._append(numbers[end:], sizes)
        self._history.add_sample(probe.sample(run.step, run.rate_at(run.step - 1), numbers[:begin]))

    def _unread(self, run: Run) -> tuple[Tensor, list[int]]:
        """Of the steps that the history lacks: losses, hits, and then labels, on the device; and images."""
        meter = run.meter
        known = max(0, self._history.step - meter.first)
        rows = meter.tensors()
        labels, self._labels = self._labels, []
        parts = [rows["losses"][known:], rows["hits"][known:], *labels]
        return torch.cat([part.float() for part in parts]), meter.sizes[known:]

    def _catch_up(self, run: Run) -> None:
        if hasattr(run, "meter"):
            rows, sizes = self._unread(run)
            self._append(rows.tolist(), sizes)

    def _append(self, numbers: list[float], sizes: list[int]) -> None:
        steps = len(sizes)
        self._history.add_steps(numbers[:steps], map(int, numbers[steps : 2 * steps]), sizes)
        self._history.labels.update(map(int, numbers[2 * steps :]))

    def _examine(self, run: Run) -> None:
        self._take_back(run)
        for rule in RULES:
            finding = rule(self._history)
            if finding is not None and self._is_new(finding):
                # What was said "so far" gives way to the final verdict.
                self.findings = [f for f in self.findings if f.code != finding.code or f.until is not None]
                self.findings.append(finding)
                if self._stop and finding.final:
                    raise SpecError([finding.diagnostic()])
                run.tell(finding.line())

    def _is_new(self, finding: Finding) -> bool:
        """Whether it was not told, nor, while that holds, another verdict on the whole run.

        A final one is news after those that may pass; one that passed is told again only when it is final.
        """
        told = [other for other in self.findings if other.code == finding.code]
        if finding.code not in FATAL:
            return not told
        holding = self._holding()
        if finding.final:
            return not any(other.final for other in holding)
        return not told and not holding

    def _holding(self) -> list[Finding]:
        """Verdicts on the whole run that have not been taken back."""
        return [finding for finding in self.findings if finding.code in FATAL and finding.until is None]

    def _take_back(self, run: Run) -> None:
        """Say so where a network learns of which a verdict said that it does not."""
        for finding in self._holding():
            fact = learns_again(self._history, finding.step)
            if fact is not None:
                until = self._history.step
                self.findings[self.findings.index(finding)] = replace(finding, until=until)
                what = "learns again" if finding.code in HAD_LEARNT else "learns after all"
                run.tell(f"doctor[{finding.code}]: step {until}: the network {what}: {fact.text}")


def due(step: int) -> bool:
    """Whether to look into this step, counted from 1."""
    return step in EARLY or step % EVERY == 0


def write_findings(findings: list[Finding], path: Path) -> None:
    """The findings as JSON."""
    data = {"format": FINDINGS_FORMAT, "findings": [finding.to_json() for finding in findings]}
    save_text("the findings", path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
