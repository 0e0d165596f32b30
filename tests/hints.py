"""Doing what hints say: every fix is applied, and the mistake must be gone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import archspec
from archspec.diagnostics import Diagnostic, Fix, Hint
from archspec.diagnostics.edits import edited

EXPECTATIONS = ("SHAPE110", "SHAPE111")
LONG = 20_000  # characters of a text that is not worth the time


def applied(text: str, fix: Fix) -> str:
    """The text after the edits of a fix."""
    return edited(text, fix.edits)


def text_of(source: Any) -> str | None:
    """The text that the places of a spec's diagnostics belong to; None for data, and for specs of several files."""
    if isinstance(source, str) and "\n" in source:
        return source
    return None


def failures(
    check: Callable[..., Iterable[Diagnostic]], source: Any, found: Iterable[Diagnostic], options: dict[str, Any]
) -> list[str]:
    """What is wrong with the fixes of these diagnostics: a sentence each."""
    text = text_of(source)
    wrong: list[str] = []
    found = list(found)
    for diagnostic in found if text is not None else ():
        fix = diagnostic.fix
        if fix is None or any(e.span.path != "<text>" for e in fix.edits):
            continue
        after = applied(text or "", fix)
        again = list(check(after, **options))
        key = _key(diagnostic)
        shown = "\n".join(map(str, again))
        gone = (text or "").count("\n") - after.count("\n"), min(e.span.line for e in fix.edits)
        if Counter(_key(d, *gone) for d in again)[key] >= Counter(map(_key, found))[key]:
            wrong.append(f"{diagnostic}\n--- is still told after its fix:\n{after}\n{shown}")
        elif not any(d.code.startswith("SPEC00") for d in found) and sum(not _newly_known(d, diagnostic) for d in again) > len(found):
            wrong.append(f"{diagnostic}\n--- breaks something else by its fix:\n{after}\n{shown}")
    return wrong


def _newly_known(after: Diagnostic, fixed: Diagnostic) -> bool:
    """Whether a mistake could not be seen before a fix: of what is expected, or of shapes that a wrong value left unknown."""
    return after.code in EXPECTATIONS or (fixed.code == "SPEC012" and after.code.startswith("SHAPE"))


def _key(diagnostic: Diagnostic, gone: int = 0, first: int = 0) -> tuple[object, ...]:
    """What two reports of one mistake have in common. gone: how many lines were removed at line `first`."""
    span = diagnostic.span  # a text without sense may have the same fault of syntax again, elsewhere
    line = 0 if span is None else span.line + gone * (span.line >= first)
    place = (line, span.column) if diagnostic.code.startswith("SPEC00") and span else ()
    return diagnostic.code, diagnostic.message, *place


def lost(found: Iterable[Diagnostic], text: str = "") -> list[Diagnostic]:
    """Those whose hint names an edit that could not be made data, without a reason that lies in the text.

    The reasons: there is no text; the place, or the one it speaks of, is in a library; it takes several lines; or the
    value is an expression, such as a block's parameter.
    """
    return [d for d in found if isinstance(d.hint, Hint) and d.fix is None and not _out_of_reach(d, text)]


def _out_of_reach(diagnostic: Diagnostic, text: str) -> bool:
    spans = [s for s in (diagnostic.span, *(label.span for label in diagnostic.related)) if s is not None]
    field = re.match(r"(?:raise|lower|set) (\w+) to", str(diagnostic.hint))
    if (field and re.search(rf"\b{field[1]}: *\$", text)) or any(s.text[s.column - 1] == "$" for s in spans if s.column <= len(s.text)):
        return True
    several_lines = any(s.text.rstrip().endswith(("{", "[", ":")) for s in spans)  # in flow or in block style
    return diagnostic.span is None or several_lines or len({s.path for s in spans}) > 1


@contextmanager
def following() -> Iterator[None]:
    """While this lasts, every `archspec.check` of a text also does what its hints say."""
    check = archspec.check
    looked_at: set[str] = set()

    def checked(source: Any, **options: Any) -> tuple[Diagnostic, ...]:
        found = check(source, **options)
        text = text_of(source)
        if text is not None and len(text) < LONG and text not in looked_at and not options:
            looked_at.add(text)
            assert not (wrong := failures(check, source, found, options)), "\n".join(wrong)
            assert not (holes := lost(found, text)), "\n".join(map(str, holes))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archspec, "check", checked)
        yield
