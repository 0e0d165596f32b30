"""`archspec explain`: what a diagnostic code means."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

import click

from archspec.cli.console import BOLD, CYAN, GREEN, RED, coloured, line_width, styled
from archspec.cli.json_output import print_json
from archspec.cli.options import json_option
from archspec.diagnostics import plural, wrapped

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from archspec.diagnostics.codes import Example, Explanation

WIDTH: Final = 96  # longer lines are hard to read
GROUPS: Final = {
    "SPEC": "the language", "SHAPE": "shapes and counts", "BUILD": "building the model", "RUN": "data and training",
    "SWEEP": "sweeps",
}


def _complete_code(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from archspec.diagnostics.codes import CODES

    return [CompletionItem(e.code, help=e.title) for e in CODES.values() if e.code.startswith(incomplete.upper())]


@click.command("explain")
@click.argument("code", required=False, shell_complete=_complete_code)
@json_option
@click.pass_context
def command(ctx: click.Context, code: str | None, as_json: bool) -> None:
    """Explain the diagnostic CODE (such as SHAPE101); without one, list them all."""
    from archspec.diagnostics import listing, nearest
    from archspec.diagnostics.codes import CODES

    if code is not None and code.upper() not in CODES:
        close = nearest(code, CODES)
        alike = [known for known in CODES if code.isdecimal() and known.endswith(code)]
        meant = close.words("") if close else f"codes: {listing(alike)}" if alike else "`archspec explain` lists them"
        raise click.BadParameter(f"no diagnostic has the code {code!r}; {meant}", ctx, param_hint="CODE")
    chosen = list(CODES.values()) if code is None else [CODES[code.upper()]]
    if as_json:
        print_json({"format": 1, "codes": [_plain(e) for e in chosen]})
    else:
        colour = coloured(sys.stdout)
        click.echo(_all(chosen, colour) if code is None else _one(chosen[0], colour), color=colour)


def _plain(explanation: Explanation) -> dict[str, Any]:
    return {
        "code": explanation.code, "title": explanation.title, "meaning": " ".join(explanation.meaning.split()),
        "wrong": explanation.wrong.text, "right": explanation.right.text,
    }


def _all(explanations: list[Explanation], colour: bool) -> str:
    lines = []
    for prefix, title in GROUPS.items():
        lines.append(styled(f"{title}", BOLD, on=colour))
        group = [e for e in explanations if e.code.startswith(prefix)]
        lines += [f"  {styled(e.code, CYAN, on=colour)}{' ' * (10 - len(e.code))}{e.title}" for e in group]
        lines.append("")
    lines.append(f"{plural(len(explanations), 'code')}; `archspec explain CODE` explains one")
    return "\n".join(lines)


def _one(explanation: Explanation, colour: bool) -> str:
    head = styled(explanation.code, BOLD, CYAN, on=colour) + styled(f": {explanation.title}", BOLD, on=colour)
    meaning = wrapped(" ".join(explanation.meaning.split()), min(WIDTH, line_width(sys.stdout) or WIDTH))
    wrong = styled("wrong", BOLD, RED, on=colour) + "\n" + _example(explanation.wrong)
    right = styled("right", BOLD, GREEN, on=colour) + "\n" + _example(explanation.right)
    return "\n\n".join([head, meaning, wrong, right])


def _example(example: Example) -> str:
    parts = [f"# {name}\n{text}" for name, text in example.files.items()]
    text = textwrap.indent(example.text, "$ ") if example.kind == "console" else example.text
    return textwrap.indent("\n".join([*parts, text]).rstrip("\n"), "    ")
