"""`archspec weights`: look at a file of weights before a network starts from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from archspec.cli.failures import USAGE
from archspec.cli.json_output import print_json
from archspec.cli.options import SpecPath, json_option, plugin_option
from archspec.diagnostics import listing, one_line, plural
from archspec.text import clean

if TYPE_CHECKING:
    from archspec.train.pretrained.matching import Match
    from archspec.train.pretrained.source import WeightsFile

SHOWN: Final = 12  # names in a line; `--json` has all of them


@click.group("weights", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Inspect trained weights."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)


@command.command("inspect")
@click.argument("source")
@click.option("--against", type=SpecPath(), metavar="SPEC", help="Also show which tensors fit the network of SPEC.")
@json_option
@plugin_option
def inspect(source: str, against: str | None, as_json: bool) -> None:
    """List the tensors of SOURCE: FILE.safetensors, the folder of a run, torchvision:NAME or torchvision:PATH.pth.

    Shows name, shape, type and size of each, and the SHA-256 of the file. Nothing in the file is executed.
    """
    from archspec.api import load
    from archspec.cli.stdin import read_stdin
    from archspec.source import DEFAULT_LIMITS
    from archspec.train.pretrained.initial import misfit_texts
    from archspec.train.pretrained.matching import by_name, by_order, tensors_in
    from archspec.train.pretrained.source import open_weights

    read_stdin([against], DEFAULT_LIMITS)
    network = None if against is None else tensors_in(load(against).graph)
    file = open_weights(source)
    matches: dict[str, Match | None] = {}
    texts: dict[str, list[str]] = {}
    if network is not None:
        matches = {
            "by_name": by_name(network, file.tensors),
            "by_order": by_order(network, file.tensors) if file.ordered else None,
        }
        texts = {key: misfit_texts(match, network, file.tensors) for key, match in matches.items() if match}
    if as_json:
        data = _to_json(file)
        print_json(data | ({} if network is None else {"against": {
            "spec": against, "tensors": sum(not tensor.counts for tensor in network),
            **{key: None if match is None else _match_json(match) for key, match in matches.items()},
        }}))
        return
    lines = [*_table(file), _summary(file)]
    if network is not None:
        lines += [f"against {against}:"]
        of = sum(not tensor.counts for tensor in network)
        for key, match in matches.items():
            lines += _match_lines(key.replace("_", " "), match, texts.get(key, []), of)
    click.echo(clean("\n".join(map(one_line, lines))))


def _table(file: WeightsFile) -> list[str]:
    from archspec.text import bytes_text

    rows = [
        (tensor.name, "×".join(map(str, tensor.shape)) or "scalar", tensor.dtype, bytes_text(tensor.nbytes))
        for tensor in file.tensors
    ]
    widths = [max((len(row[k]) for row in rows), default=0) for k in range(4)]
    return [
        f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {dtype:<{widths[2]}}  {size:>{widths[3]}}"
        for name, shape, dtype, size in rows
    ]


def _summary(file: WeightsFile) -> str:
    from archspec.text import bytes_text

    size = bytes_text(sum(tensor.nbytes for tensor in file.tensors))
    return f"{plural(len(file.tensors), 'tensor')}, {size}, in {file.path}; SHA-256 {file.digest}"


def _match_lines(how: str, match: Match | None, misfits: list[str], of: int) -> list[str]:
    if match is None:
        return [f"  {how}: a safetensors file does not keep the order of the layers"]
    lines = [f"  {how}: {len(match.pairs)} of {of} tensors of the network fit"]
    for what, names in (
        ("other shapes", misfits), ("not in the file", match.missing), ("not in the network", match.unused),
    ):
        if names:
            lines.append(f"    {what}: {listing(list(names), SHOWN)}")
    return lines


def _to_json(file: WeightsFile) -> dict[str, Any]:
    return {
        "format": 1, "source": file.source, "file": str(file.path), "sha256": file.digest,
        "tensors": [
            {"name": tensor.name, "shape": list(tensor.shape), "dtype": tensor.dtype, "bytes": tensor.nbytes}
            for tensor in file.tensors
        ],
    }


def _match_json(match: Match) -> dict[str, Any]:
    return {
        "pairs": dict(match.pairs), "misfits": dict(match.misfits), "missing": list(match.missing),
        "unused": list(match.unused),
    }
