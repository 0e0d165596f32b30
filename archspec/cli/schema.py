"""`archspec schema`: the JSON Schema of the language."""

from __future__ import annotations

import click

from archspec.cli.json_output import print_json


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of the language, for editors.

    Write it to a file, and name that in a spec's first line:
    `# yaml-language-server: $schema=archspec.schema.json`.
    """
    from archspec.spec.schema import json_schema

    print_json(json_schema())
