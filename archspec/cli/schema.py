"""`archspec schema`: the JSON Schemas of the language, for editors."""

from __future__ import annotations

import click

from archspec.cli.json_output import print_json


@click.command("schema")
@click.option("--sweep", is_flag=True, help="Print the schema of sweep files.")
def command(sweep: bool) -> None:
    """Print the JSON Schema of the language, for editors.

    Write it to a file, and name that in a spec's first line:
    `# yaml-language-server: $schema=archspec.schema.json`.
    """
    if sweep:
        from archspec.sweep.schema import sweep_schema

        print_json(sweep_schema())
        return
    from archspec.language.schema import json_schema

    print_json(json_schema())
