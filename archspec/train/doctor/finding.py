"""What the doctor has to say: a verdict, the numbers that it rests on, and the change most likely to help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from archspec.diagnostics import Diagnostic

FINDINGS_FORMAT: Final = 1

Figure = float | int | str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A measured fact. text: for people, its numbers rounded. values: the same numbers, finite, each with a name."""

    text: str
    values: Mapping[str, Figure]

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return {"text": self.text, "values": dict(self.values)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict.

    code: stable, see `archspec explain`. step: the update, counted from 1, after which it was seen; 0 where it
    is of no step. title: the verdict in a few words. advice: an imperative, the change most likely to help.
    final: the run will come to nothing. until: the step at which the network was seen to learn after all.
    """

    code: str
    step: int
    title: str
    evidence: tuple[Evidence, ...]
    advice: str
    final: bool = False
    until: int | None = None

    def line(self) -> str:
        """All of it in one line."""
        place = f"step {self.step}: " if self.step else ""
        facts = "; ".join([*(fact.text for fact in self.evidence), self.advice])
        separator = ": " if self.evidence else "; "
        return f"doctor[{self.code}]: {place}{self.title}{separator}{facts}"

    def diagnostic(self) -> Diagnostic:
        """As the reason why a run was ended."""
        place = f" (step {self.step})" if self.step else ""
        return Diagnostic(
            self.code, self.title + place, notes=tuple(fact.text for fact in self.evidence), hint=self.advice
        )

    def to_json(self) -> dict[str, object]:
        """Plain data, an element of `findings` in a summary and in findings.json (format 1)."""
        return {
            "code": self.code, "step": self.step, "title": self.title,
            "evidence": [fact.to_json() for fact in self.evidence], "advice": self.advice, "final": self.final,
            "until": self.until,
        }


def findings_text(findings: Sequence[Finding]) -> str:
    """The section of a printed summary: each verdict, its evidence below it, then the advice."""
    lines = []
    for finding in findings:
        place = f" (step {finding.step})" if finding.step else ""
        if finding.until is not None:
            place = f" (from step {finding.step} to {finding.until}, then it learnt)"
        lines.append(f"doctor[{finding.code}]: {finding.title}{place}")
        lines += [f"  - {fact.text}" for fact in finding.evidence]
        lines.append(f"  = {finding.advice}")
    return "\n".join(lines)


def short(number: float, digits: int = 3) -> str:
    """A few digits, as people write them: `0.0123`, `2.3`, `1.5e-07`."""
    return f"{number:.{digits}g}"


def percent(share: float) -> str:
    """`94 %`."""
    return f"{100 * share:.0f} %"


def round_rate(rate: float) -> str:
    """One digit: a rate is a guess, and 0.0308 would claim more."""
    return f"{float(f'{rate:.0e}'):g}"
