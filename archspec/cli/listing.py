"""`archspec list`: the shipped specs, the standard blocks, the ops with their fields, and the devices."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

import click

from archspec.cli.console import BOLD, CYAN, DIM, coloured, line_width, styled, tell
from archspec.cli.json_output import print_json
from archspec.cli.options import json_option, plugin_option
from archspec.diagnostics import wrapped

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Entry = dict[str, Any]
WIDTH: Final = 100
_CONTINUED: Final = re.compile(r"(?<=\S)\n *(?=\S)(?!- |[A-Z]\w*:)")  # a line break within a paragraph
_FEW: Final = 20  # so many names an error lists itself


def _specs() -> list[Entry]:
    from archspec.cli.shipped import specs

    return specs()


def _blocks() -> list[Entry]:
    from archspec.cli.shipped import blocks

    return blocks()


def _ops() -> list[Entry]:
    from archspec.ops import OP_DOOR, OPS

    OP_DOOR.discover()
    for problem in OP_DOOR.problems:
        tell(f"warning: {problem}")
    return [_op(name, model) for name, model in OPS.items()]


def _devices() -> list[Entry]:
    from archspec.cli.shipped import devices

    return devices()


KINDS: Final[dict[str, Callable[[], list[Entry]]]] = {
    "specs": _specs, "blocks": _blocks, "ops": _ops, "devices": _devices,
}


def _complete_kind(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    found = [CompletionItem(kind) for kind in KINDS if kind.startswith(incomplete)]
    if found:
        return found
    every = (entry for entries in KINDS.values() for entry in entries())
    return [CompletionItem(e["name"], help=e["description"]) for e in every if e["name"].startswith(incomplete)]


def _complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    entries = KINDS[ctx.params["kind"]]() if ctx.params.get("kind") in KINDS else []
    return [CompletionItem(e["name"], help=e["description"]) for e in entries if e["name"].startswith(incomplete)]


@click.command("list")
@click.argument("kind", required=False, metavar="[specs|blocks|ops|devices]", shell_complete=_complete_kind)
@click.argument("name", required=False, shell_complete=_complete_name)
@plugin_option
@json_option
@click.pass_context
def command(ctx: click.Context, kind: str | None, name: str | None, as_json: bool) -> None:
    """List the shipped specs, standard blocks, ops and devices, or one of these kinds; or show one of them in full.

    The kind may be left out before a NAME: `archspec list conv2d`. `archspec list specs NAME > FILE` saves a spec,
    `archspec list devices NAME > FILE` the description of a device.
    """
    if kind is not None and kind not in KINDS:
        kind, name = _kind_of(ctx, kind, name), kind
    chosen = {key: entries() for key, entries in KINDS.items() if kind in (None, key)}
    if kind is not None and name is not None:
        chosen[kind] = [_find(ctx, kind, chosen[kind], name)]
    if as_json:
        print_json({"format": 1, **chosen})
        return
    colour = coloured(sys.stdout)
    if kind in ("specs", "devices") and name is not None and not sys.stdout.isatty():
        click.echo(_file(chosen[kind][0]))
        return
    if kind is not None and name is not None:
        click.echo(_full(chosen[kind][0], colour), color=colour)
        return
    parts = [_section(key, entries, colour, detailed=kind is not None) for key, entries in chosen.items()]
    click.echo("\n\n".join(parts), color=colour)


def _kind_of(ctx: click.Context, word: str, name: str | None) -> str:
    """The kind of the thing with this name."""
    named = {entry["name"]: kind for kind, entries in KINDS.items() for entry in entries()}
    if word in named and name is None:
        return named[word]
    if name is None and _device(word) is not None:
        return "devices"
    meant = _meant(None, word, [*KINDS, *(named if name is None else ())])
    raise click.BadParameter(
        f"{word!r} is not `specs`, `blocks`, `ops` or `devices`, and not the name of one; {meant}", ctx,
        param_hint="KIND",
    )


def _find(ctx: click.Context, kind: str, entries: list[Entry], name: str) -> Entry:
    named = {entry["name"]: entry for entry in entries}
    found = named.get(_device(name) or name) if kind == "devices" else named.get(name)
    if found is not None:
        return found
    raise click.BadParameter(f"no {kind[:-1]} {name!r}; {_meant(kind, name, named)}", ctx, param_hint="NAME")


def _device(name: str) -> str | None:
    """The key of the device that has this name or alias."""
    from archspec.devices.known import named_devices, plain

    device = named_devices().get(plain(name))
    return None if device is None else device.key


def _meant(kind: str | None, name: str, names: Collection[str]) -> str:
    """What to write for a name that is not among these: a similar one, or where to find all."""
    from archspec.devices.known import similar_device
    from archspec.diagnostics import listing, nearest
    from archspec.language.synonyms import kind_called

    called = kind_called(name) if kind in (None, "ops") else None
    if called in names:
        return f"it is called {called} here"
    close = nearest(name, names) if kind != "devices" else None
    if close is None and kind in (None, "devices"):
        close = similar_device(name)
    if close is not None:
        return close.words("")
    if kind is not None and len(names) <= _FEW:
        return f"the {kind}: {listing(names, _FEW)}"
    command = f"archspec list {kind}" if kind else "archspec list"
    return f"`{command}` lists the names"


def _op(name: str, model: type[Any]) -> Entry:
    from archspec.ops import OP_DOOR, Merge

    text, plugin = model.documentation(), OP_DOOR.plugin(name)
    whose = {} if plugin is None else {"plugin": str(plugin)}
    return {
        "name": name, "description": text.partition("\n")[0], "text": text, "main": model.main,
        "branches": issubclass(model, Merge),
        "fields": [_field(key, field) for key, field in model.model_fields.items()], **whose,
    }


def _field(name: str, field: Any) -> Entry:
    entry = {"name": name, "required": field.is_required(), "description": field.description or ""}
    return entry if field.is_required() else {**entry, "default": field.get_default(call_default_factory=True)}


def _signature(entry: Entry) -> str:
    """Its notation: `conv2d: {out_channels, kernel_size, stride: 1, …}`; for a block, a call with a list."""
    if "params" in entry:
        return f"{entry['name']}: [{', '.join(map(_short_field, entry['params']))}]"
    fields = list(map(_short_field, entry.get("fields", [])))
    if entry.get("branches"):
        fields = ["BRANCH: […]", "BRANCH: […]", *fields]
    return f"{entry['name']}: {{{', '.join(fields)}}}" if fields else ""


def _short_field(field: Entry) -> str:
    return field["name"] if field["required"] else f"{field['name']}: {_default(field['default'])}"


def _default(value: Any) -> str:
    """A default in the spec's notation. A pair of equal numbers becomes one number."""
    if isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    if isinstance(value, tuple):
        value = list(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _section(kind: str, entries: Iterable[Entry], colour: bool, *, detailed: bool) -> str:
    entries = list(entries)
    column = max((len(entry["name"]) for entry in entries), default=0) + 2
    titles = {"blocks": "standard blocks"}
    lines = [styled(f"{titles.get(kind, kind)} ({len(entries)})", BOLD, on=colour)]
    for entry in entries:
        name = styled(entry["name"], CYAN, on=colour) + " " * (column - len(entry["name"]))
        text = wrapped(" " * (column + 2) + entry["description"], line_width(sys.stdout) or 10**6, column + 2)
        lines.append(f"  {name}{text.lstrip()}")
        if detailed and (signature := _signature(entry)):
            lines.append(styled(_wrapped(signature, column + 2), DIM, on=colour))
    return "\n".join(lines)


def _wrapped(text: str, indent: int) -> str:
    return textwrap.fill(text, _width(), initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))


def _prose(text: str) -> str:
    """Text that is not copied, its paragraphs filled anew for a terminal."""
    if line_width(sys.stdout) is None:
        return text
    joined = _CONTINUED.sub(" ", text)
    return "\n".join(wrapped(line, _width(), 4) for line in joined.split("\n"))


def _width() -> int:
    """The terminal's columns, limited to a readable length."""
    return max(40, min(WIDTH, line_width(sys.stdout) or WIDTH))


def _full(entry: Entry, colour: bool) -> str:
    """One entry in full: an op's documentation and fields, or the text of a block, spec or device."""
    parts = [styled(entry["name"], BOLD, CYAN, on=colour)]
    if "fields" not in entry:
        parts.append(_prose(entry["description"]))
    if entry.get("source", entry["description"]) != entry["description"]:
        parts.append(_prose(entry["source"]))
    if entry.get("plugin"):
        parts.append(_prose(f"of the plugin {entry['plugin']}"))
    if signature := _signature(entry):
        parts.append(_wrapped(signature, 2))
    parts.append(_prose(entry["text"]) if "fields" in entry else entry["text"])
    if entry.get("main"):
        parts.append(_prose(f"A plain value sets {entry['main']}: `{entry['name']}: VALUE`."))
    if entry.get("fields"):
        parts.append(_fields(entry["fields"]))
    return "\n\n".join(parts)


def _file(entry: Entry) -> str:
    """The text of a spec or device, to be saved as a file: the place of a spec's schema is that of the shipped file."""
    first, newline, rest = entry["text"].partition("\n")
    return rest if newline and first.startswith("# yaml-language-server:") else str(entry["text"])


def _fields(fields: list[Entry]) -> str:
    column = max(len(field["name"]) for field in fields) + 2
    rows = []
    for field in fields:
        default = "required" if field["required"] else f"default {_default(field['default'])}"
        text = f"{field['description']} ({default})".lstrip()
        rows.append(textwrap.fill(
            text, _width(), initial_indent=f"  {field['name']:{column}}", subsequent_indent=" " * (column + 2)
        ))
    return "\n".join(rows)
