"""Diagnoses a finished run: checks its data, and tries changes from its initial state."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from archspec.api import Loaded
from archspec.diagnostics import SpecError
from archspec.train.checkpoint.policy import FOLDER as CHECKPOINTS
from archspec.train.checkpoint.storage import newest
from archspec.train.doctor.chance import chance_in
from archspec.train.doctor.consult import consult
from archspec.train.doctor.finding import Finding, Trial
from archspec.train.doctor.gaps import leaks
from archspec.train.doctor.history import History
from archspec.train.doctor.memory import recall
from archspec.train.doctor.patient import Patient, facts_of
from archspec.train.doctor.second_look import contrast, shared
from archspec.train.doctor.trials import try_changes
from archspec.train.doctor.verdicts import Verdicts
from archspec.train.setup import Task

DIAGNOSIS_FORMAT: Final = 1
SHARE: Final = 0.2  # of the time, for the unchanged recipe


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """findings: the verdicts on the run, with trials of their advice. as_it_is: a trial of the unchanged recipe."""

    findings: tuple[Finding, ...]
    as_it_is: Trial | None

    def to_json(self) -> dict[str, Any]:
        """The versioned JSON form."""
        return {
            "format": DIAGNOSIS_FORMAT, "findings": [finding.to_json() for finding in self.findings],
            "as_it_is": None if self.as_it_is is None else self.as_it_is.to_json(),
        }


def patient_of(loaded: Loaded, task: Task) -> Patient:
    """What the doctor needs to start a run again."""
    data = {key: value for key, value in loaded.data.items() if key not in ("recipes", "expect")}
    evaluated, split = (task.test, "test") if task.validation is None else (task.validation, "validation")
    return Patient(data, loaded.graph, task.recipe, task.machine, task.train, evaluated, split)


def diagnose(
    folder: Path, loaded: Loaded, task: Task, *, seconds: float, tell: Callable[[str], None]
) -> Diagnosis:
    """Diagnose the run in `folder` from its doctor's record, its data, and trials that take `seconds` in total.

    tell: shows progress. The run folder, its network and its random numbers do not change.
    """
    patient, history, verdicts = patient_of(loaded, task), _history(loaded, task), Verdicts()
    verdicts.findings = _remembered(folder, history)
    tell("comparing the splits")
    history.contrast = contrast(patient.train, patient.evaluated, patient.split)
    history.shared = shared(patient.train, patient.evaluated)
    if len(history):
        verdicts.at_the_end(history)
    leak = leaks(history)
    if leak is not None and all(other.code != leak.code for other in verdicts.findings):
        verdicts.findings.append(leak)
    tell("trying the recipe as it is")
    plain = try_changes(patient, [[{}]], seconds=SHARE * seconds, chance=chance_in(history), now=inf)
    as_it_is = plain[0] if plain else None
    if verdicts.subject() is None and as_it_is is not None and not as_it_is.learnt and not _learnt(history):
        verdicts.findings.append(_unknown(history, as_it_is))
    if verdicts.subject() is not None:
        tell("trying changes")
        consult(patient, history, verdicts, seconds=(1 - SHARE) * seconds)
    return Diagnosis(tuple(f for f in verdicts.findings if f.until is None), as_it_is)


def _history(loaded: Loaded, task: Task) -> History:
    recipe, steps = task.recipe, len(task.train)
    return History(
        recipe.lr, recipe.optimizer, recipe.init.start, steps, recipe.epochs * steps,
        facts=facts_of(task.model, recipe, loaded.graph),
    )


def _remembered(folder: Path, history: History) -> list[Finding]:
    """The findings in the newest valid checkpoint of the run; fills the history."""
    with suppress(SpecError, ValueError):
        found = newest(folder / CHECKPOINTS)
        data = None if found is None else found.saved.state.parts.get("doctor")
        if found is not None and data is not None:
            start = "part/doctor/"
            tensors: dict[str, Tensor] = {
                name.removeprefix(start): tensor for name, tensor in found.saved.training.items()
                if name.startswith(start)
            }
            return recall(history, tensors, data)
    return []


def _learnt(history: History) -> bool:
    chance = chance_in(history)
    return chance is not None and history.best is not None and history.best.loss < 0.9 * chance.loss


def _unknown(history: History, plain: Trial) -> Finding:
    return Finding("RUN340", history.step, f"the recipe as it is learns nothing in {plain.steps} steps", (), "")
