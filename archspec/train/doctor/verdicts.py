"""Decides which verdicts to report: each once, one at a time on the whole run; retracted if it no longer holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from archspec.train.doctor.ending import ends_at_chance
from archspec.train.doctor.finding import Finding
from archspec.train.doctor.fitting import overfits
from archspec.train.doctor.gaps import differs, drops_too_much, lags, leaks, memorised, suspicious
from archspec.train.doctor.history import History
from archspec.train.doctor.inputs import broken_inputs, one_class
from archspec.train.doctor.structure import no_activation
from archspec.train.doctor.stuck import held_back, learns_nothing, mostly_dead
from archspec.train.doctor.trouble import blows_up, collapses, diverges, learns_again, not_finite

# Verdicts on the whole run: while one holds, the others would only repeat it.
FATAL: Final = frozenset({f"RUN{number}" for number in (*range(340, 348), 355, 356)})
HAD_LEARNED: Final = frozenset({"RUN346", "RUN347"})
PASSING: Final = frozenset({"RUN354", "RUN357", "RUN358"})  # verdicts on a gap, which may close
RULES: Final[tuple[Callable[[History], Finding | None], ...]] = (
    broken_inputs, one_class, no_activation, not_finite, collapses, learns_nothing, diverges, blows_up, held_back,
    mostly_dead, lags, drops_too_much, differs, memorised, leaks, overfits,
)
DATA: Final = frozenset({"RUN349", "RUN350"})  # broken inputs or labels, which explain the verdicts in BLIND
BLIND: Final = frozenset({f"RUN{number}" for number in (*range(340, 348), 352, 355, 356)})
ENDING: Final = "RUN352"
INSTEAD: Final = {"RUN348": frozenset({"RUN354", "RUN357", "RUN358"})}  # code → codes that replace it


class Message(NamedTuple):
    """A line for the user, and the new finding, if there is one."""

    text: str
    finding: Finding | None


class Verdicts:
    """The findings of a run so far."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def examine(self, history: History) -> list[Message]:
        """Apply every rule, and return what is new."""
        messages = self._retract(history)
        for rule in RULES:
            finding = rule(history)
            if finding is not None and self._is_new(finding):
                self._add(finding)
                messages.append(Message(finding.line(), finding))
        return messages

    def at_the_end(self, history: History) -> list[Message]:
        """The same at the end of the run; without another verdict, also report that the run ends at chance."""
        history.ended = True
        messages = self.examine(history)
        finding = ends_at_chance(history)
        if finding is not None and not self.holding() and self._is_new(finding):
            self._add(finding)
            messages.append(Message(finding.line(), finding))
        return messages

    def holding(self) -> list[Finding]:
        """Verdicts on the whole run that have not been retracted."""
        return [finding for finding in self.findings if finding.code in FATAL and finding.until is None]

    def subject(self) -> Finding | None:
        """The verdict whose advice is worth trying: the one on the whole run, or else that the run ends at chance."""
        ending = [f for f in self.findings if f.code == ENDING]
        return next(iter([*self.holding(), *ending]), None)

    def replace(self, old: Finding, new: Finding) -> None:
        """Replace a finding by a newer one."""
        self.findings[self.findings.index(old)] = new

    def _add(self, finding: Finding) -> None:
        """Add a finding. A final verdict on the whole run replaces an earlier one that was not final."""
        if finding.final and finding.code in FATAL:
            held = self.holding()
            self.findings = [f for f in self.findings if f not in held]
        self.findings.append(finding)

    def _is_new(self, finding: Finding) -> bool:
        """Whether to report a finding: neither it nor, while that holds, another verdict on the whole run was reported.

        A final verdict is also reported after one that is not final. A retracted one is reported again only if final.
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

    def _retract(self, history: History) -> list[Message]:
        """Retract verdicts on a network that learns after all, or on a gap that has closed."""
        messages = []
        for k, finding in enumerate(self.findings):
            if finding.until is not None:
                continue
            until = history.step
            if finding.code in FATAL and (fact := learns_again(history, finding)) is not None:
                what = "learns again" if finding.code in HAD_LEARNED else "learns after all"
                messages.append(Message(f"doctor[{finding.code}]: step {until}: the network {what}: {fact.text}", None))
            elif finding.code in PASSING and not suspicious(history):
                messages.append(Message(f"doctor[{finding.code}]: step {until}: the gap has closed", None))
            else:
                continue
            self.findings[k] = replace(finding, until=until)
        return messages
