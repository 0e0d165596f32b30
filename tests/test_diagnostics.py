"""Every diagnostic code: its explanation, its examples, and the golden text of what a user sees.

After a message has been improved, write the golden texts anew with

    ARCHSPEC_WRITE_GOLDEN=1 pytest tests/test_diagnostics.py

and read the difference.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import archspec
from archspec.cli import cli, run
from archspec.diagnostics import (
    SHOWN_WIDTH,
    WARNINGS,
    Diagnostic,
    SourceSpan,
    SpecError,
    error,
    listing,
    nearest,
    render,
)
from archspec.diagnostics.codes import CODES, Example

PACKAGE = Path(archspec.__file__).parent
GOLDEN = Path(__file__).parent / "golden" / "diagnostics"
CHECKED = [code for code in CODES if code.startswith(("SPEC", "SHAPE", "SWEEP40")) and code not in ("SWEEP405", "SWEEP409")]  # the others need data or a machine


def lay_out(example: Example, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for name, text in example.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    if example.kind == "yaml":
        (folder / "example.yaml").write_text(example.text, encoding="utf-8")


def outcome(example: Example, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    """(exit code, codes told, text on stderr) of the example: the spec is validated, the command is run."""
    command = example.text.split()[1:] if example.kind == "console" else ["validate", "example.yaml"]
    code = run(command)
    text = capsys.readouterr().err
    return code, re.findall(r"^(?:error|warning)\[(\w+)\]", text, re.MULTILINE), text


@pytest.mark.parametrize("code", CHECKED)
def test_the_wrong_example_is_told_as_in_the_golden_text(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out(CODES[code].wrong, tmp_path, monkeypatch)
    status, codes, text = outcome(CODES[code].wrong, capsys)
    assert (status, codes) == (0 if code in WARNINGS else 1, [code])
    text = text.replace(str(tmp_path), "FOLDER")
    golden = GOLDEN / f"{code}.txt"
    if os.environ.get("ARCHSPEC_WRITE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("code", CHECKED)
def test_the_right_example_is_valid(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out(CODES[code].right, tmp_path, monkeypatch)
    assert outcome(CODES[code].right, capsys) == (0, [], "")


COMMAND_LINES = [
    (code, line) for code, explanation in CODES.items() for example in (explanation.wrong, explanation.right)
    if example.kind == "console" for line in example.text.splitlines()
    if line.split()[0] not in ("ln", "mv")  # what else a user does there
]


@pytest.mark.parametrize(("code", "line"), COMMAND_LINES, ids=lambda value: value)
def test_a_command_in_an_example_exists_with_its_options(code: str, line: str) -> None:
    line = re.sub(r"^(torchrun (--\S+ )+-m |([A-Z_]+=\d+ )+)| &$", "", line)  # what starts it
    program, name, *rest = shlex.split(line)
    command = cli.get_command(click.Context(cli), name)
    assert program == "archspec"
    assert command is not None
    command.make_context(name, rest)  # takes the command line apart, runs nothing


def test_every_golden_text_has_a_code() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == CHECKED


# -- the codes themselves --------------------------------------------------------------------------------------


def raised_codes() -> Iterator[tuple[str, str]]:
    """(code, file) of every code that stands in the package's Python files."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for code in re.findall(r"""["'`]((?:SPEC0|SHAPE1|BUILD2|RUN3|SWEEP4)\d\d)["'`]""", path.read_text(encoding="utf-8")):
            yield code, path.relative_to(PACKAGE).as_posix()


def test_every_code_that_is_raised_is_explained_and_every_explained_one_is_raised() -> None:
    raised: dict[str, str] = dict(raised_codes())
    assert {code: file for code, file in raised.items() if code not in CODES} == {}
    assert set(CODES) - set(raised) == set()


@pytest.mark.parametrize("code", CODES)
def test_titles_are_in_the_style_of_messages(code: str) -> None:
    title = CODES[code].title
    assert title[0].islower() or title.startswith("`"), title
    assert not title.endswith(".")
    assert CODES[code].meaning.rstrip(")`").endswith((".", "?"))


# -- one mistake is told once ----------------------------------------------------------------------------------

HEAD = "archspec: 1\ninput: [1, 28, 28]\n"


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        pytest.param("SPEC030", "vars: {n: 4}\nstages: {a: [flatten, linear: $(n +)]}", id="var-in-a-broken-value"),
        pytest.param("SPEC006", "vars: {n: 4}\nstages: {a: [flatten, linear: $(max(n, 2))]}", id="var-in-a-cut-one"),
        pytest.param("SPEC050", "use: gone.yaml\nstages: {a: [mine, yours]}", id="blocks-of-a-missing-library"),
        pytest.param("SPEC021", "blocks: {b: }\nstages: {a: b}", id="calls-of-an-empty-block"),
        pytest.param("SPEC011", "blocks: {b: {params: {n: int}}}\nstages: {a: {b: 3}}", id="calls-without-a-body"),
        pytest.param("SPEC040", "stages: {a: {add: {x: {from: z}, y: []}}}", id="from-in-a-branch"),
        pytest.param(
            "SPEC040 SHAPE110",
            "stages: {a: {concat: {x: {from: z}, y: []}}, b: [flatten, linear: 3]}\nexpect: {b: [4]}",
            id="what-is-known-after-an-unknown-from",
        ),
        pytest.param(
            "SPEC012 SHAPE101",
            "stages: {a: {conv2d: {out_channels: x, kernel_size: 3}}, b: {max_pool2d: 40}}",
            id="height-is-known-though-channels-are-not",
        ),
    ],
)
def test_one_mistake_is_told_once(codes: str, text: str) -> None:
    assert [d.code for d in archspec.check(f"{HEAD}{text}\n")] == codes.split()


# -- rendering ---------------------------------------------------------------------------------------------------


def diagnostic(text: str, column: int, length: int) -> Diagnostic:
    return Diagnostic("SPEC010", "unknown key", SourceSpan("a.yaml", 7, column, length, text))


def test_render_with_everything() -> None:
    span = SourceSpan("specs/tiny.yaml", 31, 42, 1, "        conv2d: {out_channels: 8, kernel_size: 7}")
    shown = render(Diagnostic(
        "SHAPE101", "stages.b4.conv2d_2: 7×7 window does not fit a 4×4 input", span,
        ("input (1, 28, 28) → b1 (64, 14, 14)",), "raise padding to at least 2",
    ))
    assert shown == "\n".join([
        "error[SHAPE101]: stages.b4.conv2d_2: 7×7 window does not fit a 4×4 input",
        "  --> specs/tiny.yaml:31:42",
        "31 |         conv2d: {out_channels: 8, kernel_size: 7}",
        "   |                                          ^",
        "   = note: input (1, 28, 28) → b1 (64, 14, 14)",
        "   = hint: raise padding to at least 2",
    ])


def test_render_without_a_place() -> None:
    assert render(Diagnostic("SPEC001", "x: no such file")) == "error[SPEC001]: x: no such file"


@pytest.mark.parametrize("column", [1, 200, 399])
def test_a_long_line_is_cut_around_the_caret(column: int) -> None:
    text = "".join(chr(ord("a") + k % 26) for k in range(400))
    lines = render(diagnostic(text, column, 1)).split("\n")
    assert lines[1].endswith(f":7:{column}")
    caret = lines[3].index("^")
    assert lines[2][caret] == text[column - 1]
    assert len(lines[2]) <= SHOWN_WIDTH + 10


def test_control_characters_of_a_line_are_not_shown() -> None:
    assert "\x1b" not in render(diagnostic("a: \x1b[2J\tb", 1, 1))


def test_a_spec_error_holds_all_and_can_be_pickled() -> None:
    import pickle

    both = SpecError([Diagnostic("SPEC010", "one"), diagnostic("x", 1, 1)])
    assert str(both) == "\n".join(map(render, both.diagnostics))
    again = pickle.loads(pickle.dumps(both))
    assert again.diagnostics == both.diagnostics
    assert error("SPEC001", "m", notes=["n"], hint="h").diagnostics == (Diagnostic("SPEC001", "m", None, ("n",), "h"),)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("conv2", "conv2d"), ("Relu", "relu"), ("max_pol2d", "max_pool2d"), ("zzz", None), ("", None),
        pytest.param("x" * 10**6, None, id="long"),
    ],
)
def test_nearest(name: str, found: str | None) -> None:
    assert nearest(name, ["conv2d", "relu", "max_pool2d", "linear"]) == found


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("h300", ["3060", "h100", "h200"], ("h100", "h200")),  # all share three characters, but 3060 takes three edits
        ("bonv", ["cone", "bond"], ("bond",)), ("xabc", ["yabc", "xabd"], ("xabd", "yabc")),
    ],
)
def test_of_equally_similar_names_those_of_the_fewest_edits_count(name: str, known: list[str], found: tuple[str, ...]) -> None:
    close = nearest(name, known)
    assert close is not None and (close.rivals or (str(close),)) == found


def test_listing() -> None:
    assert (listing([]), listing("ab"), listing("abcd", 2)) == ("none", "a, b", "a, b, …")
