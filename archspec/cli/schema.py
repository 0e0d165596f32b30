"""`archspec schema`: the JSON Schemas of the language, for editors."""

from __future__ import annotations

import click

from archspec.cli.console import tell
from archspec.cli.json_output import print_json
from archspec.cli.options import plugin_option


@click.command("schema")
@click.option("--sweep", is_flag=True, help="Print the schema of sweep files.")
@plugin_option
def command(sweep: bool) -> None:
    """Print the JSON Schema of the language, for editors.

    Write it to a file, and name that in a spec's first line:
    `# yaml-language-server: $schema=archspec.schema.json`.
    """
    from archspec.language.loss import LOSS_DOOR
    from archspec.language.schema import json_schema
    from archspec.ops import OP_DOOR

    for door in (OP_DOOR, LOSS_DOOR):
        door.discover()
        for problem in door.problems:
            tell(f"warning: {problem}")
    if sweep:
        from archspec.sweep.schema import sweep_schema

        print_json(sweep_schema())
        return
    print_json(json_schema())
