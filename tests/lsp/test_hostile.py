"""Whatever a text holds, every question about it is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.lsp.actions import fix_all, quick_fixes
from archspec.lsp.completion import complete
from archspec.lsp.definition import definition, references
from archspec.lsp.hover import hover
from archspec.lsp.outline import outline
from archspec.lsp.snapshot import snapshot
from archspec.lsp.text import Spot
from tests.hostile.corpus import CASES

SMALL = [name for name, case in CASES.items() if len(case.content) < 5_000]


@pytest.mark.parametrize("name", SMALL)
def test_every_question_is_answered(name: str) -> None:
    text = CASES[name].content.decode("utf-8", "surrogateescape")
    known = snapshot(Path("/nowhere/spec.yaml"), text)
    last = len(known.lines) - 1
    for line in {0, last // 2, last}:
        for column in {0, len(known.lines[line]) // 2, len(known.lines[line])}:
            for ask in (hover, complete, definition, references):
                ask(known, Spot(line, column))
    assert len(outline(known)) >= 0
    quick_fixes(known, 0, last)
    fix_all(known)
