"""What is said when: each verdict once, one at a time on the whole run, and taken back where it no longer holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from archspec.train.doctor.ending import ends_at_chance
from archspec.train.doctor.finding import Finding
from archspec.train.doctor.fitting import overfits
from archspec.train.doctor.gaps import by_heart, differs, drops_too_much, lags, leaks, suspicious
from archspec.train.doctor.history import History
from archspec.train.doctor.inputs import broken_inputs, one_class
from archspec.train.doctor.structure import no_activation
from archspec.train.doctor.stuck import held_back, learns_nothing, mostly_dead
from archspec.train.doctor.trouble import blows_up, collapses, diverges, learns_again, not_finite

# Verdicts on how the run as a whole goes: while one holds, the others would say it again.
FATAL: Final = frozenset({f"RUN{number}" for number in (*range(340, 348), 355, 356)})
HAD_LEARNT: Final = frozenset({"RUN346", "RUN347"})
PASSING: Final = frozenset({"RUN354", "RUN357", "RUN358"})  # of a gap that may close
RULES: Final[tuple[Callable[[History], Finding | None], ...]] = (
    broken_inputs, one_class, no_activation, not_finite, collapses, learns_nothing, diverges, blows_up, held_back,
    mostly_dead, lags, drops_too_much, differs, by_heart, leaks, overfits,
)
DATA: Final = frozenset({"RUN349", "RUN350"})  # broken inputs or labels explain
BLIND: Final = frozenset({f"RUN{number}" for number in (*range(340, 348), 352, 355, 356)})
ENDING: Final = "RUN352"
INSTEAD: Final = {"RUN348": frozenset({"RUN354", "RUN357", "RUN358"})}  # the code gives way to these


class Said(NamedTuple):
    """A line for the user, and the finding that is new, if one is."""

    text: str
    finding: Finding | None


class Verdicts:
    """The findings of a run so far."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def examine(self, history: History) -> list[Said]:
        """Apply every rule; what is new."""
        said = self._take_back(history)
        for rule in RULES:
            finding = rule(history)
            if finding is not None and self._is_new(finding):
                self._add(finding)
                said.append(Said(finding.line(), finding))
        return said

    def at_the_end(self, history: History) -> list[Said]:
        """The same when the run is over; where it ends at chance and nothing else was said of it, that."""
        history.ended = True
        said = self.examine(history)
        finding = ends_at_chance(history)
        if finding is not None and not self.holding() and self._is_new(finding):
            self._add(finding)
            said.append(Said(finding.line(), finding))
        return said

    def holding(self) -> list[Finding]:
        """Verdicts on the whole run that have not been taken back."""
        return [finding for finding in self.findings if finding.code in FATAL and finding.until is None]

    def subject(self) -> Finding | None:
        """The verdict whose advice is worth trying: the one on the whole run, else that it ends at chance."""
        ending = [f for f in self.findings if f.code == ENDING]
        return next(iter([*self.holding(), *ending]), None)

    def replace(self, old: Finding, new: Finding) -> None:
        """Say `new` instead of `old`."""
        self.findings[self.findings.index(old)] = new

    def _add(self, finding: Finding) -> None:
        """One verdict on the whole run at a time: a final one takes the place of what was said "so far"."""
        if finding.final and finding.code in FATAL:
            held = self.holding()
            self.findings = [f for f in self.findings if f not in held]
        self.findings.append(finding)

    def _is_new(self, finding: Finding) -> bool:
        """Whether it was not said, nor, while that holds, another verdict on the whole run.

        A final one is news after those that may pass; one that passed is said again only when it is final.
        """
        same = [other for other in self.findings if other.code == finding.code]
        if finding.code in BLIND and any(other.code in DATA for other in self.findings):
            return False
        if finding.code not in FATAL:
            held = {other.code for other in self.findings if other.until is None}
            return not same and not held & INSTEAD.get(finding.code, frozenset())
        holding = self.holding()
        if finding.final:
            return not any(other.final for other in holding)
        return not same and not holding

    def _take_back(self, history: History) -> list[Said]:
        """Say so where a network learns of which a verdict said that it does not, or a gap has closed."""
        said = []
        for k, finding in enumerate(self.findings):
            if finding.until is not None:
                continue
            until = history.step
            if finding.code in FATAL and (fact := learns_again(history, finding)) is not None:
                what = "learns again" if finding.code in HAD_LEARNT else "learns after all"
                said.append(Said(f"doctor[{finding.code}]: step {until}: the network {what}: {fact.text}", None))
            elif finding.code in PASSING and not suspicious(history):
                said.append(Said(f"doctor[{finding.code}]: step {until}: the gap has closed", None))
            else:
                continue
            self.findings[k] = replace(finding, until=until)
        return said
