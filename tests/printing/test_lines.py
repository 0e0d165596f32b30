"""Long lines of results: broken between words in a terminal and in plain text, whole in a pipe."""

import io

import pytest
from rich.console import Console

from archspec.printing.plain import PIPED, show_lines

TEXT = "slowest: b2.conv2d_2, 23 % of the training step, at 61 % of what this machine can do, bound by bandwidth\nin all 3 ms"


@pytest.mark.parametrize(("width", "terminal", "whole"), [
    (80, True, False), (80, False, False), (100, True, False), (PIPED, False, True), (PIPED, True, True),
])
def test_widths(width, terminal, whole):
    stream = io.StringIO()
    show_lines(Console(file=stream, width=width, force_terminal=terminal, color_system=None), TEXT)
    lines = stream.getvalue().rstrip("\n").split("\n")
    assert all(len(line) <= width for line in lines)
    assert (len(lines) == 2) == whole
    assert " ".join(" ".join(lines).split()) == " ".join(TEXT.split())
    if not whole:
        assert lines[1].startswith("  ")


def test_a_pipe_gets_a_line_of_any_length():
    stream = io.StringIO()
    show_lines(Console(file=stream, width=PIPED, color_system=None), "word " * 100)
    assert stream.getvalue().count("\n") == 1
