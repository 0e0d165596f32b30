"""`archspec init`: a small commented spec to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from archspec.cli.failures import WRONG
from archspec.language.detect import has_suffix
from archspec.text import clean, shell

TEMPLATE: Final = """\
# yaml-language-server: $schema=archspec.schema.json
# (for completion and docs in an editor: archspec schema > archspec.schema.json)
archspec: 1
description: A small convolutional network to start from
input: [1, 28, 28] # channels, height, width; the batch is never written
vars: {width: 16, num_classes: 10} # named values, used as $name; --set vars.width=32 changes one

blocks:
  # A block is a body of layers with parameters: a type is required, any other value is a default.
  conv:
    params: {channels: int, kernel_size: 3}
    body:
      - conv2d: {out_channels: $channels, kernel_size: $kernel_size, padding: $(kernel_size // 2), bias: false}
      - batch_norm2d
      - relu

stages: # each is a module of the network, in this order; shapes are inferred
  stem: [conv: [$width, 5], max_pool2d: 2]
  body:
    - conv: $(2 * width)
    - add: {main: [conv: $(2 * width)], shortcut: []} # branches have names; [] is the identity
    - max_pool2d: 2
  head: [global_avg_pool2d, flatten, dropout: 0.1, linear: $num_classes]

expect: # checked by `archspec validate` and by pytest
  body: [$(2 * width), 7, 7]
  output: [$num_classes]

train: # or: fashion-mnist, mnist, folder:PATH; with 3 as the first number of `input`: cifar10, cifar100
  {data: @DATA@, epochs: @EPOCHS@, batch_size: 64, optimizer: sgd, momentum: 0.9, lr: 0.05, schedule: cosine}
"""
EPOCHS: Final = {"digits": 20, "fashion-mnist": 5, "mnist": 3}


@click.command("init")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--data", type=click.Choice(list(EPOCHS)), default="digits", show_default=True,
              help="The data set to train on; digits comes with scikit-learn.")
@click.pass_context
def command(ctx: click.Context, file: Path, data: str) -> None:
    """Write a small commented spec to FILE, a new .yaml file. It validates and trains as it is."""
    if not has_suffix(file.name):
        meant = file.with_suffix(".yaml") if file.suffix[1:].isalpha() else Path(f"{file}.yaml")
        message = f"{str(file)!r} does not end in .yaml; write {shell(meant)}"
        raise click.BadParameter(message, ctx, param_hint="FILE")
    text = TEMPLATE.replace("@DATA@", data).replace("@EPOCHS@", str(EPOCHS[data]))
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        from archspec.cli.console import tell

        tell(f"error: {file} already exists", hint="choose another name; existing files are not overwritten")
        ctx.exit(WRONG)
    click.echo(f"wrote {clean(str(file))}; next:")
    for words in (("validate", file), ("profile", file, "--static"), ("train", file)):
        click.echo(f"  {shell('archspec', *words)}")
