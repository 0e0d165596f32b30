"""`archspec lsp`: the language server, for editors."""

from __future__ import annotations

import click

from archspec.cli.options import Number, plugin_option


@click.command("lsp")
@click.option("--stdio", is_flag=True, help="Use standard input and output: the default, and the only transport.")
@click.option("--delay", type=Number(min=0), default=0.1, show_default=True, metavar="SECONDS",
              help="How long to wait after a keystroke before checking.")
@plugin_option
def command(stdio: bool, delay: float) -> None:
    """Run a server of the Language Server Protocol over standard input and output.

    Diagnostics as you type, quick fixes, completion, docs, shapes and costs at the cursor, definitions, renaming,
    formatting. docs/editors.md says how editors start it. Needs `pip install "archspec-nn[lsp]"`.
    """
    try:
        from archspec.lsp.server import run
    except ImportError as problem:
        if (problem.name or "").split(".")[0] not in ("pygls", "lsprotocol"):
            raise
        message = 'the language server needs pygls, which is not installed: `pip install "archspec-nn[lsp]"`'
        raise click.ClickException(message) from None
    run(delay)
