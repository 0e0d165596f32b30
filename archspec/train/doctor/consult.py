"""The final verdict on a run that ended badly, with the results of trials."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite
from typing import Final

from archspec.diagnostics import SpecError
from archspec.train.doctor.chance import chance_in
from archspec.train.doctor.finding import Finding, Trial, short
from archspec.train.doctor.gaps import line_of, lucky_guess
from archspec.train.doctor.history import History
from archspec.train.doctor.patient import Patient
from archspec.train.doctor.remedies import remedies
from archspec.train.doctor.second_look import contrast
from archspec.train.doctor.trials import best_of, try_changes
from archspec.train.doctor.verdicts import Verdicts

NOW: Final = 40  # steps for the mean loss at the end of the run


def consult(patient: Patient, history: History, verdicts: Verdicts, *, seconds: float) -> Finding | None:
    """Try the advice of the verdict on the whole run, and replace the verdict by the result; None if there is none."""
    subject = verdicts.subject()
    if subject is None:
        return None
    now = now_of(history)
    trials = try_changes(
        patient, remedies(subject, history, patient.recipe), seconds=seconds, chance=chance_in(history), now=now
    )
    if not trials:
        return None
    finding = judged(subject, trials, now)
    if finding.change is None and len(trials) > 1:
        finding = _with_labels(finding, patient)
    verdicts.replace(subject, finding)
    return finding


def judged(subject: Finding, trials: tuple[Trial, ...], now: float) -> Finding:
    """The verdict with its trials, and with the most successful change as its advice. now: the loss of the run."""
    best = best_of(trials)
    if best is None or best.loss is None:
        steps = max(trial.steps for trial in trials)
        tried = f"tried {len(trials)} changes, none learned within {steps} steps" if len(trials) > 1 else (
            f"tried {trials[0].text}, which did not learn within {steps} steps"
        )
        return replace(subject, advice=tried, change=None, trials=trials, sure=True)
    compared = f" ({short(now)} now)" if isfinite(now) else ""
    text = f"use {best.text}: tried, loss {short(best.loss)} after {best.steps} steps{compared}"
    return replace(subject, advice=text, change=best.change, trials=trials)


def now_of(history: History) -> float:
    """The mean loss over the last steps; infinity if it is not finite."""
    loss = history.last(NOW).loss if history.losses else inf
    return loss if isfinite(loss) else inf


def _with_labels(finding: Finding, patient: Patient) -> Finding:
    """If no trial learns, add whether the labels depend on the images at all."""
    try:
        seen = contrast(patient.train, patient.evaluated, patient.split)
    except SpecError:
        return finding
    facts = (*finding.evidence, line_of(seen))
    if seen.held_out <= lucky_guess(seen):
        return replace(
            finding, code="RUN358", title="the labels do not seem to depend on the images", evidence=facts,
            advice=f"{finding.advice}: check whether labels belong to their inputs",
        )
    return replace(
        finding, evidence=facts, advice=f"{finding.advice}; the labels do depend on the images: try a simpler network",
    )
