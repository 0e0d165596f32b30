"""Names whose value is wrong where it is used: either the value or the use is the mistake.

If a var is also used elsewhere without a mistake, its wrong uses are reported; otherwise its value is, once. Which of
the two applies is known when the whole network is lowered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from archspec.diagnostics import Hint
from archspec.language.errors import Place
from archspec.language.fixes import moved
from archspec.language.libraries import standard_library
from archspec.language.message_text import value_text
from archspec.language.names import names_in
from archspec.language.syntax import At, Library, Program
from archspec.lower.report import Reporter
from archspec.lower.values import Bound, Scope, Written


class _Misuse(NamedTuple):
    """One wrong use. at: where the name is written. related: where the value comes from, and where it is used."""

    code: str
    message: str
    source: Written
    at: At
    scope: Scope | None
    notes: tuple[str, ...]
    related: tuple[Place, ...]
    hint: str | None


class Misuses:
    """Collects the misuses of vars while a network is lowered."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self.found: dict[int, list[_Misuse]] = {}  # id of a var's Bound -> its misuses

    def add(
        self, code: str, message: str, source: Written, at: At | None, scope: Scope, *, notes: Iterable[str],
        related: Iterable[Place], hint: str | None,
    ) -> bool:
        """Collect a misuse for `tell`. Returns False if `source` is not the value of a var."""
        var = source.through[-1] if source.through else None
        if var is None or var.scope is None or var.scope.entered is not None or self.reporter.holding:
            return False
        through = source.through[-2] if len(source.through) > 1 else None
        where, seen = (through.at, through.scope) if through is not None else (at, scope)
        if where is None:
            return False
        misuse = _Misuse(code, message, source, where, seen, tuple(notes), tuple(related), hint)
        self.found.setdefault(id(var), []).append(misuse)
        return True

    def tell(self, program: Program) -> None:
        """Report all misuses."""
        for misuses in self.found.values():
            first = misuses[0]
            var: Bound = first.source.through[-1]
            assert var.scope is not None
            name = next(name for name, bound in var.scope.names.items() if bound is var)
            places = {(m.at.document.name, m.at.path) for m in misuses}
            if _mentions(name, var.scope.library, program) > len(places):
                for m in misuses:
                    value = (m.source.at, f"`{name}` is {value_text(m.source.raw)}, and is also used elsewhere")
                    self.reporter.tell(m.code, m.message, m.at, m.scope, notes=m.notes,
                                       related=[*m.related, value], hint=_retyped(m))
            else:
                self.reporter.tell(first.code, first.message, first.source.at, first.source.scope, notes=first.notes,
                                   related=first.related, hint=first.hint)


def _retyped(misuse: _Misuse) -> str | None:
    """The hint to write the value with its intended type, such as a number without quotes."""
    if misuse.source.at is None or not isinstance(misuse.hint, Hint) or not misuse.hint.safe:
        return None
    return moved(misuse.hint, misuse.source.at)


def _mentions(name: str, library: Library, program: Program) -> int:
    """How many values of a file use this var."""
    whole: list[Any] = [block.at.value() for block in library.blocks.values()]
    whole += [raw for other, (raw, _) in library.vars.items() if other != name]
    if library is program.library:
        whole += [v for k, v in program.data.items() if k not in ("vars", "blocks", "name", "description")]
    elif library is standard_library():
        return 0
    count = 0
    while whole:
        raw = whole.pop()
        if isinstance(raw, dict):
            whole += [*raw, *raw.values()]
        elif isinstance(raw, list):
            whole += raw
        else:
            count += name in names_in(raw)
    return count
