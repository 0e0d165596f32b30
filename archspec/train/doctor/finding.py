"""A finding of the doctor: a verdict, the evidence for it, and the change that is most likely to help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archspec.diagnostics import Diagnostic

if TYPE_CHECKING:
    from pydantic import JsonValue
else:
    JsonValue = object

FINDINGS_FORMAT: Final = 1

Figure = float | int | str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A measured fact. text: for people, with rounded numbers. values: the same numbers by name, all finite."""

    text: str
    values: Mapping[str, Figure]

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return {"text": self.text, "values": dict(self.values)}


@dataclass(frozen=True, slots=True)
class Trial:
    """A short training of a new network with one change, and its result.

    change: as `Finding.change`. text: the same, for people. loss, accuracy: means over the last steps; None if the loss
    became infinite or NaN. learnt: whether it was clearly better than chance, and than the run is now.
    """

    text: str
    change: Mapping[str, JsonValue]
    steps: int
    loss: float | None
    accuracy: float | None
    learnt: bool

    def line(self) -> str:
        """`lr 0.1 → loss 1.21 after 60 steps`."""
        if self.loss is None:
            return f"{self.text} → the loss is not a number within {self.steps} steps"
        return f"{self.text} → loss {short(self.loss)} after {self.steps} steps"

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return {
            "text": self.text, "change": dict(self.change), "steps": self.steps, "loss": self.loss,
            "accuracy": self.accuracy, "learnt": self.learnt,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict.

    code: stable, see `archspec explain`. step: the update, counted from 1, after which it was found; 0 if it does not
    belong to a step. title: the verdict in a few words. advice: the change that is most likely to help, in the
    imperative. final: the run cannot recover. until: the step at which the network was found to learn after all.
    change: the advice as data, see `archspec.train.doctor.edit`; None if it does not change spec or recipe. trials: in
    their order. sure: the advice follows from the evidence and needs no trial.
    """

    code: str
    step: int
    title: str
    evidence: tuple[Evidence, ...]
    advice: str
    final: bool = False
    until: int | None = None
    change: Mapping[str, JsonValue] | None = None
    trials: tuple[Trial, ...] = ()
    sure: bool = False

    @property
    def remedy(self) -> str:
        """The advice, marked as a guess unless it was tried or follows from the evidence."""
        tried = self.change is not None and any(t.learnt and t.change == self.change for t in self.trials)
        return self.advice if self.sure or tried else f"a guess, not tried: {self.advice}"

    def line(self) -> str:
        """The finding in one line."""
        place = f"step {self.step}: " if self.step else ""
        facts = "; ".join([*(fact.text for fact in self.evidence), self.remedy])
        separator = ": " if self.evidence else "; "
        return f"doctor[{self.code}]: {place}{self.title}{separator}{facts}"

    def diagnostic(self) -> Diagnostic:
        """The finding as the error that ends a run."""
        place = f" (step {self.step})" if self.step else ""
        notes = [*(fact.text for fact in self.evidence), *self.tried()]
        return Diagnostic(self.code, self.title + place, notes=tuple(notes), hint=self.remedy)

    def tried(self) -> list[str]:
        """A line for each trial."""
        return [f"tried: {trial.line()}" for trial in self.trials]

    def to_json(self) -> dict[str, object]:
        """The finding as plain data: an element of `findings` in a summary and in findings.json (format 1)."""
        return {
            "code": self.code, "step": self.step, "title": self.title,
            "evidence": [fact.to_json() for fact in self.evidence], "advice": self.advice, "final": self.final,
            "until": self.until, "change": None if self.change is None else dict(self.change),
            "trials": [trial.to_json() for trial in self.trials], "guess": self.remedy != self.advice,
        }


def findings_text(findings: Sequence[Finding]) -> str:
    """The section of a printed summary: each verdict with its evidence and advice."""
    lines = []
    for finding in findings:
        place = f" (step {finding.step})" if finding.step else ""
        if finding.until is not None:
            place = f" (from step {finding.step} to {finding.until}, then it learned)"
        lines.append(f"doctor[{finding.code}]: {finding.title}{place}")
        lines += [f"  - {fact}" for fact in (*(fact.text for fact in finding.evidence), *finding.tried())]
        lines.append(f"  = {finding.remedy}")
    return "\n".join(lines)


def short(number: float, digits: int = 3) -> str:
    """A number with a few significant digits: `0.0123`, `2.3`, `1.5e-07`."""
    return f"{number:.{digits}g}"


def percent(share: float) -> str:
    """`94 %`."""
    return f"{100 * share:.0f} %"


def rounded(rate: float) -> float:
    """The rate with one significant digit, because it is only a guess."""
    return float(f"{rate:.0e}")


def round_rate(rate: float) -> str:
    """The same, as text."""
    return f"{rounded(rate):g}"
