"""The plugins that a run needs: recorded in `environment.json`, and named where they are missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from archspec.data.registry import DATASET_DOOR
from archspec.diagnostics import Diagnostic, SpecError
from archspec.ir import Graph, sites
from archspec.language.loss import LOSS_DOOR
from archspec.language.recipe import Recipe
from archspec.ops import OP_DOOR
from archspec.plugins import Door, Plugin
from archspec.text import shell
from archspec.train.run_dir.saved_options import last_environment

_DOORS: Final = {door.kind: door for door in (OP_DOOR, DATASET_DOOR, LOSS_DOOR)}
_CODES: Final = ("SPEC020", "SPEC060", "RUN304")  # of unknown names


def used_plugins(graph: Graph | None, recipe: Recipe) -> list[dict[str, Any]]:
    """The plugins of a network and its recipe, with versions and what is used of each; as plain data."""
    uses = [(OP_DOOR, site.node.op.op) for site in sites(graph) if site.node.op] if graph is not None else []
    uses += [(DATASET_DOOR, recipe.data), *((LOSS_DOOR, loss.kind) for loss in recipe.loss.values())]
    found: dict[Plugin, dict[str, None]] = {}
    for door, name in uses:
        plugin = door.plugin(name)
        if plugin is not None:
            found.setdefault(plugin, {})[f"{door.kind} {name}"] = None
    return [{**_with_version(plugin).to_json(), "uses": list(names)} for plugin, names in found.items()]


def _with_version(plugin: Plugin) -> Plugin:
    """The plugin, with its distribution if an installed module was named on the command line."""
    if plugin.version is not None or (plugin.argument or "").endswith(".py"):
        return plugin
    from importlib.metadata import packages_distributions, version

    names = packages_distributions().get(plugin.name.partition(".")[0], [])
    return Plugin(names[0], version(names[0]), plugin.argument) if names else plugin


def missing_plugins(problem: SpecError, folder: Path) -> list[Diagnostic]:
    """RUN365 for each missing plugin of the run, if an error is about an unknown name."""
    return list(_missing(folder)) if any(d.code in _CODES for d in problem.diagnostics) else []


def _missing(folder: Path) -> Iterator[Diagnostic]:
    recorded = last_environment(folder).get("plugins")
    for entry in recorded if isinstance(recorded, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("uses"), list):
            continue
        unknown = [use for use in entry["uses"] if isinstance(use, str) and not _is_known(use)]
        if not unknown:
            continue
        name, version, argument = (_text(entry.get(key)) for key in ("name", "version", "argument"))
        kind, _, used = unknown[0].rpartition(" ")
        whose = f"{name} {version}" if version else argument or name
        if version and not argument:
            hint = f"install it: `{shell('pip', 'install', f'{name}=={version}')}`"
        else:
            hint = f"name it on the command line: `{shell('--plugin', argument or name)}`"
        problems = [note for door in _DOORS.values() for note in door.problems]
        yield Diagnostic("RUN365", f"the run in {folder} uses the {kind} `{used[:80]}` of the plugin {whose}, which is "
                         "missing here", notes=tuple(problems), hint=hint)


def _is_known(use: str) -> bool:
    kind, _, name = use.rpartition(" ")
    door: Door | None = _DOORS.get(kind)
    return door is not None and name in door.known


def _text(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""
