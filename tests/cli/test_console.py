"""Numbers with units, cleaned text, coloured diagnostics."""

from __future__ import annotations

import io
import re

import pytest

from archspec.cli.console import diagnostic_text, line_width, tell
from archspec.diagnostics import Diagnostic, SourceSpan, render, wrapped
from archspec.text import clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [("é×\n  x", "é×\n  x"), ("a\x1b[2Jb", r"a\x1b[2Jb"), ("a\rb\x07", r"a\rb\x07"), ("\u202egnp", r"\u202egnp")],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_colour_changes_no_character() -> None:
    span = SourceSpan("a.yaml", 12, 3, 4, "  conv: 1 | = --> x")
    diagnostic = Diagnostic("SPEC010", "unknown key: `conv`", span, ("a fact: it is so",), "remove it = now")
    painted = diagnostic_text(diagnostic, colour=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == render(diagnostic) == diagnostic_text(diagnostic, colour=False)
    assert "\x1b[1;31merror[SPEC010]\x1b[0m" in painted
    assert "\x1b[1;31m   ^^^^\x1b[0m" in painted


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_lines_fit_a_terminal_and_are_whole_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "doctor[RUN340]: step 30: " + "the loss does not fall; " * 4 + "write `archspec train --resume runs/a --lr 0.1` now"
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    for stream, lines in ((io.StringIO(), 1), (Terminal(), 3)):
        monkeypatch.setattr("sys.stderr", stream)
        tell(text)
        written = stream.getvalue()
        assert " ".join(written.split()) == text
        assert len(written.splitlines()) == lines
        assert "`archspec train --resume runs/a --lr 0.1`" in written
        assert lines == 1 or max(map(len, written.splitlines())) <= 60
    assert (line_width(io.StringIO()), line_width(Terminal())) == (None, 60)


def test_a_diagnostic_fits_but_its_source_is_left_alone() -> None:
    source = "x" * 90
    diagnostic = Diagnostic("SPEC001", "word " * 20 + "end", SourceSpan("a.yaml", 1, 1, 2, source), ("note " * 30,), "do " * 40)
    lines = diagnostic_text(diagnostic, colour=False, width=50).splitlines()
    assert f"1 | {source}" in lines
    assert max(len(line) for line in lines if source not in line) <= 50
    painted = diagnostic_text(diagnostic, colour=True, width=50)
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted).splitlines() == lines


def test_what_stands_in_backticks_stays_whole() -> None:
    assert wrapped("a b `c d e` f", 6, 1) == "a b\n `c d e`\n f"
    assert wrapped("a ` b c d e f", 6) == "a ` b\nc d e\nf"
    assert wrapped("    x  y", 80) == "    x  y"
    assert wrapped("averylongword " * 2, 5) == "averylongword\naverylongword"
